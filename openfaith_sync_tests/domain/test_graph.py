from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.attribute import Relationship
from openfaith_sync.domain.manifest.dependency_graph import DependencyGraph, Strength
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import Dependencies
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync_tests.domain.church import entity, manifest

RANKS = {
    "campus": 0,
    "household": 0,
    "person": 1,
    "address": 2,
    "email": 2,
    "phone_number": 2,
    "group": 0,
    "event": 2,
    "household_membership": 2,
    "group_membership": 2,
}
"""The ranks of the first entities, in the order in which they sync."""


def to_one(target: str, *, nullable: bool) -> Relationship:
    return Relationship(target=target, resource=target.title(), nullable=nullable)


def an_entity(
    name: str,
    *,
    needs: Sequence[str] = (),
    may_have: Sequence[str] = (),
    hard: Sequence[str] = (),
    soft: Sequence[str] = (),
    sideload: Sequence[str] = (),
) -> Entity:
    """Return an entity that refers to others; a relationship is called ``to_<target>``."""
    relationships = {f"to_{target}": to_one(target, nullable=False) for target in needs}
    relationships |= {f"to_{target}": to_one(target, nullable=True) for target in may_have}
    return entity("campus").model_copy(
        update={
            "name": EntityName(name),
            "relationships": relationships,
            "depends_on": Dependencies(hard=tuple(hard), soft=tuple(soft)),
            "includes": tuple(sideload),
            "sideload": {other: other for other in sideload},
        }
    )


def graph_of(*entities: Entity) -> DependencyGraph:
    whole = {part.name: part for part in entities}
    return Manifest(adapter_file=manifest().adapter_file, entities=whole).graph


def edges(graph: DependencyGraph) -> set[tuple[str, str, str]]:
    return {(edge.dependent, edge.strength.value, edge.dependency) for edge in graph.edges}


def dropped(graph: DependencyGraph) -> list[tuple[str, str]]:
    return [(found.edge.dependent, found.edge.dependency) for found in graph.dropped]


def test_planning_center_syncs_in_the_expected_order() -> None:
    assert [name for name in manifest().graph.entities if name in RANKS] == list(RANKS)


def test_planning_center_depends_as_its_relationships_say() -> None:
    assert {edge for edge in edges(manifest().graph) if edge[0] in RANKS} == {
        ("person", "soft", "campus"),
        ("person", "soft", "household"),
        ("household_membership", "hard", "household"),
        ("household_membership", "soft", "person"),
        ("address", "hard", "person"),
        ("email", "hard", "person"),
        ("phone_number", "hard", "person"),
        ("group_membership", "hard", "group"),
        ("group_membership", "soft", "person"),
        ("event", "hard", "group"),
        ("event", "soft", "person"),
    }


def test_a_household_does_not_wait_for_its_primary_contact_and_it_is_said_why() -> None:
    (found,) = manifest().graph.dropped
    assert (found.edge.dependent, found.edge.dependency) == ("household", "person")
    assert found.cycle == ("household", "person")
    assert found.reason == ("the weakest of the cycle household → person → household: primary_contact may be unset")


def test_every_edge_says_why() -> None:
    reasons = {f"{edge.dependent} after {edge.dependency}": edge.reason for edge in manifest().graph.edges}
    assert reasons["address after person"] == "person is required"
    assert reasons["person after campus"] == "primary_campus may be unset"
    assert reasons["person after household"] == "declared soft"


def test_ranks_rise_along_every_edge() -> None:
    graph = manifest().graph
    assert {name: graph.ranks[EntityName(name)] for name in RANKS} == RANKS
    for edge in graph.edges:
        assert graph.ranks[edge.dependency] < graph.ranks[edge.dependent], edge


def test_hard_dependencies_are_told_by_entity() -> None:
    hard = manifest().graph.hard
    assert hard[EntityName("event")] == {"group"}
    assert hard[EntityName("person")] == frozenset()


def test_targets_outside_the_manifest_and_oneself_say_nothing() -> None:
    assert edges(graph_of(an_entity("a", needs=["a", "elsewhere"], may_have=["beyond"]))) == set()


def test_a_to_many_says_nothing() -> None:
    many = {"all": Relationship(target="b", resource="B", cardinality="many", nullable=False)}
    holder = an_entity("a").model_copy(update={"relationships": many})
    assert edges(graph_of(holder, an_entity("b"))) == set()


@pytest.mark.parametrize("order", [("first", "second"), ("second", "first")])
def test_of_two_relationships_to_one_entity_the_required_one_counts(order: tuple[str, str]) -> None:
    both = {"first": to_one("b", nullable=False), "second": to_one("b", nullable=True)}
    holder = an_entity("a").model_copy(update={"relationships": {name: both[name] for name in order}})
    graph = graph_of(holder, an_entity("b"))
    assert edges(graph) == {("a", "hard", "b")}
    assert graph.edges[0].reason == "first is required"


def test_a_declared_soft_overrides_a_derived_hard() -> None:
    assert edges(graph_of(an_entity("a", needs=["b"], soft=["b"]), an_entity("b"))) == {("a", "soft", "b")}


def test_a_declared_hard_overrides_a_derived_soft() -> None:
    assert edges(graph_of(an_entity("a", may_have=["b"], hard=["b"]), an_entity("b"))) == {("a", "hard", "b")}


def test_a_declaration_adds_an_edge() -> None:
    graph = graph_of(an_entity("a", hard=["b"], soft=["c"]), an_entity("b"), an_entity("c"))
    assert edges(graph) == {("a", "hard", "b"), ("a", "soft", "c")}


def test_a_dependency_cannot_be_declared_hard_and_soft() -> None:
    with pytest.raises(DefinitionError, match="'b' as hard and as soft"):
        graph_of(an_entity("a", hard=["b"], soft=["b"]), an_entity("b"))


def test_what_rides_along_hard_depends_on_its_parent() -> None:
    graph = graph_of(an_entity("child", may_have=["parent"]), an_entity("parent", sideload=["child"]))
    assert edges(graph) == {("child", "hard", "parent")}
    assert graph.edges[0].reason == "is sideloaded with parent"


def test_a_hard_cycle_is_named() -> None:
    with pytest.raises(DefinitionError, match="the cycle c → a → b → c; declare one of them soft"):
        graph_of(an_entity("a", needs=["b"]), an_entity("b", needs=["c"]), an_entity("c", needs=["a"]))


def test_an_entity_that_is_declared_to_need_itself_is_a_cycle() -> None:
    with pytest.raises(DefinitionError, match="a → a"):
        graph_of(an_entity("a", hard=["a"]))


def test_a_cycle_drops_its_soft_edge() -> None:
    graph = graph_of(an_entity("a", needs=["b"]), an_entity("b", needs=["c"]), an_entity("c", may_have=["a"]))
    assert dropped(graph) == [("c", "a")]
    assert graph.dropped[0].cycle == ("c", "a", "b")
    assert graph.entities == ("c", "b", "a")


def test_a_derived_soft_edge_is_weaker_than_a_declared_one() -> None:
    assert dropped(graph_of(an_entity("a", may_have=["b"]), an_entity("b", soft=["a"]))) == [("a", "b")]
    assert dropped(graph_of(an_entity("a", soft=["b"]), an_entity("b", may_have=["a"]))) == [("b", "a")]


def test_of_equally_weak_edges_the_last_by_name_is_dropped_whatever_the_order() -> None:
    parts = [an_entity("a", may_have=["b"]), an_entity("b", may_have=["c"]), an_entity("c", may_have=["a"])]
    assert {tuple(dropped(graph_of(*order))) for order in permutations(parts)} == {(("c", "a"),)}


def test_entities_that_do_not_depend_on_each_other_stay_in_the_order_of_the_manifest() -> None:
    assert graph_of(an_entity("z"), an_entity("m"), an_entity("a")).entities == ("z", "m", "a")


@given(st.data())
def test_every_graph_without_a_hard_cycle_is_put_in_order(data: st.DataObject) -> None:
    names = [f"e{number}" for number in range(data.draw(st.integers(1, 7)))]
    some = st.lists(st.sampled_from(names), unique=True, max_size=3)
    parts = [
        # What an entity needs comes before it, so that no hard cycle arises.
        an_entity(
            name,
            needs=data.draw(st.lists(st.sampled_from(names[:place]), unique=True, max_size=2)) if place else [],
            may_have=data.draw(some),
        )
        for place, name in enumerate(names)
    ]
    graph = graph_of(*data.draw(st.permutations(parts)))
    places = {name: place for place, name in enumerate(graph.entities)}
    assert sorted(graph.entities) == sorted(names)
    assert all(places[edge.dependency] < places[edge.dependent] for edge in graph.edges)
    assert all(graph.ranks[edge.dependency] < graph.ranks[edge.dependent] for edge in graph.edges)
    assert all(found.edge.strength is Strength.SOFT for found in graph.dropped)
