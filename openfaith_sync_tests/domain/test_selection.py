"""What an org chooses: modules, entities, and what these cannot be synced without."""

import pytest

from openfaith_sync.domain.connections.selection import (
    describe_selection,
    explain_unselected,
    find_required,
    find_unselected,
    parse_selection,
    parse_sensitive,
    select_entities,
)
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest.manifest import Manifest


def test_a_module_is_all_its_entities(pco_manifest: Manifest) -> None:
    people = {name for name, entity in pco_manifest.entities.items() if entity.module == "people"}
    only = parse_selection(pco_manifest, "people")
    assert only == ("people",)
    assert set(select_entities(pco_manifest, only, ())) == people
    assert find_unselected(pco_manifest, only, ()) == set(pco_manifest.entities) - people
    assert find_required(pco_manifest, only, ()) == {}


def test_what_an_entity_requires_comes_with_it_and_is_named(pco_manifest: Manifest) -> None:
    only = parse_selection(pco_manifest, " email , email")
    assert only == ("email",)
    assert set(select_entities(pco_manifest, only, ())) == {"person", "email"}
    assert find_required(pco_manifest, only, ()) == {"person": ["email"]}
    assert "person, which email requires" in describe_selection(pco_manifest, only, ())


@pytest.mark.parametrize("only", [("email",), ("group_membership",), ("event", "household_membership"), ("groups",)])
def test_a_selection_is_closed_under_requirements_and_in_the_order_of_the_graph(
    pco_manifest: Manifest, only: tuple[str, ...]
) -> None:
    selected = select_entities(pco_manifest, only, ())
    assert all(pco_manifest.graph.hard[name] <= set(selected) for name in selected)
    assert list(selected) == [name for name in pco_manifest.graph.entities if name in selected]


def test_all_is_everything_that_the_manifest_has_now_or_later(pco_manifest: Manifest) -> None:
    assert parse_selection(pco_manifest, "all") is None
    assert select_entities(pco_manifest, None, ()) == pco_manifest.graph.entities
    assert find_unselected(pco_manifest, None, ()) == frozenset()


@pytest.mark.parametrize(("text", "found"), [("peple", "'peple'"), ("people,nope", "'nope'"), (" , ", "nothing")])
def test_an_unknown_name_is_refused_with_those_that_there_are(pco_manifest: Manifest, text: str, found: str) -> None:
    with pytest.raises(UsageError, match=f"found {found}; it has the modules groups, people and the entities address"):
        parse_selection(pco_manifest, text)


def test_children_that_are_not_selected_are_not_read_with_their_parent(pco_manifest: Manifest) -> None:
    person = EntityName("person")
    cut = pco_manifest.without_sideloads({EntityName("email")})
    assert set(cut.entities[person].sideload.values()) == {"address", "phone_number"}
    assert cut.fingerprint == pco_manifest.fingerprint
    assert cut.entity_fingerprint(person) == pco_manifest.entity_fingerprint(person)
    assert pco_manifest.without_sideloads(()) is pco_manifest


def test_an_optional_entity_is_synced_only_if_it_is_turned_on(pco_manifest: Manifest) -> None:
    event, membership = EntityName("event"), EntityName("household_membership")
    optional = {event, EntityName("household")}
    changed = {name: pco_manifest.entities[name].model_copy(update={"optional": True}) for name in optional}
    manifest = pco_manifest.model_copy(update={"entities": {**pco_manifest.entities, **changed}})
    # A membership exists below a household only.
    assert (
        find_unselected(manifest, None, ())
        == find_unselected(manifest, ("groups", "people"), ())
        == {
            *optional,
            membership,
        }
    )
    assert find_unselected(manifest, None, parse_sensitive(manifest, "event")) == {EntityName("household"), membership}
    assert find_unselected(manifest, None, parse_sensitive(manifest, "event,household")) == frozenset()
    why = explain_unselected(manifest, OrgId("grace"), None, ())
    assert "pco/event is optional and grace has not turned it on" in str(why[event])
    assert "pco/household_membership requires household, which is optional" in str(why[membership])
    assert "optional ones are off: " in describe_selection(manifest, None, ())
