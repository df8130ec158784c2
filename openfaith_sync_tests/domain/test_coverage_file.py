"""A coverage file and its manifest contradict each other nowhere."""

import pytest

from openfaith_sync.domain.coverage.coverage_file import CoverageFile, Covered, coverage_problems
from openfaith_sync.domain.coverage.coverage_page import coverage_page
from openfaith_sync.domain.coverage.freshness import cost, freshness
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.cadence_keys import Cadence, TimeWindow
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.manifest.nested_keys import Freeze, ParentCondition, Triggers

TAB = "Tab"


def cover(manifest: Manifest, **changed: Covered) -> CoverageFile:
    """Return a file that covers all entities of a manifest, with some resources of its people decided otherwise."""
    resources: dict[str, dict[str, Covered]] = {"people": {}, "groups": {}}
    for name, entity in manifest.entities.items():
        resources[entity.module][entity.resource] = Covered(synced=name)
    return CoverageFile(resources={**resources, "people": resources["people"] | changed})


def with_entity(manifest: Manifest, name: str, **changed: object) -> Manifest:
    entity = manifest.entities[EntityName(name)].model_copy(update=changed)
    return manifest.model_copy(update={"entities": {**manifest.entities, entity.name: entity}})


def test_a_file_that_names_every_entity_as_it_is_has_no_problem(pco_manifest: Manifest) -> None:
    file = cover(pco_manifest, Tab=Covered(excluded="dull"), Emails=Covered(derived="emails"))
    assert list(coverage_problems(file, pco_manifest)) == []


@pytest.mark.parametrize(
    ("resource", "decided", "problem"),
    [
        ("Tab", Covered(reference="tab"), "people.Tab: the manifest has no entity tab"),
        ("Tab", Covered(synced="campus"), "people.Tab: campus is the entity of people.Campus"),
        ("Campus", Covered(rides="campus"), "people.Campus: campus comes with no other entity"),
        ("Email", Covered(reference="email"), "people.Email: email is asked for changes every 15m"),
        ("Email", Covered(excluded="dull"), "email: the entity of no resource"),
        (
            "Email",
            Covered(synced="email", dropped={"location": "dull"}),
            "people.Email: location must be in both: in 'drop' of email, and in 'dropped' with the reason",
        ),
    ],
)
def test_a_contradiction_is_reported(pco_manifest: Manifest, resource: str, decided: Covered, problem: str) -> None:
    assert problem in list(coverage_problems(cover(pco_manifest, **{resource: decided}), pco_manifest))


def test_what_is_said_must_hold_in_the_manifest(pco_manifest: Manifest) -> None:
    file = cover(pco_manifest)
    never = Cadence(delta="never", reconcile="never")
    for changed, problem in (
        ({"resource": "Emails"}, "people.Email: email holds /people/v2 Emails"),
        ({"path": "/groups/v2"}, "people.Email: email holds /groups/v2 Email"),
        ({"cadence": never}, "people.Email: email has no listing that is read"),
        (
            {"drop": ("note",)},
            "people.Email: note must be in both: in 'drop' of email, and in 'dropped' with the reason",
        ),
    ):
        assert list(coverage_problems(file, with_entity(pco_manifest, "email", **changed))) == [problem]


def test_the_document_says_what_becomes_of_each_resource(pco_manifest: Manifest) -> None:
    manifest = with_entity(pco_manifest, "email", drop=("note",), optional=True)
    email = Covered(synced="email", dropped={"note": "free text"})
    page = coverage_page(
        cover(manifest, Tab=Covered(excluded="dull"), Mails=Covered(derived="emails"), Email=email), manifest
    )
    for line in (
        "Of 12 resources that the source documents, 10 are synced by listings of their own,",
        "0 come with others, 0 are reference tables, 1 say what is stored elsewhere, and 1 are excluded.",
        "## people (version 2025-11-10)",
        "- Email: `note` (free text).",
        "- Tab: dull.",
        "- Mails: emails.",
    ):
        assert line in page.splitlines()
    assert (
        "| Email (`email`, *optional*) | `openfaith.emails` | within seconds by webhook; every 15 minutes; compared"
        in page
    )


@pytest.mark.parametrize(
    ("entity", "changed", "fresh", "costs"),
    [
        (
            "campus",
            {},
            "every 15 minutes; compared every night",
            "one request if nothing changed; all pages every night",
        ),
        (
            "event",
            {
                "cadence": Cadence(
                    delta="1h",
                    delta_window=TimeWindow(attribute="starts_at", from_days=-2, to_days=0),
                    reconcile_window=TimeWindow(attribute="starts_at", to_days=30),
                    full="7d",
                )
            },
            "every hour; compared every night",
            (
                "all pages of one listing with starts_at from 2 days ago to today; "
                "all pages every night with starts_at to 30 days ahead; all pages every week"
            ),
        ),
        (
            "campus",
            {"variants": ({"filter": "a"}, {"filter": "b"}), "cadence": Cadence(delta="1d", reconcile="never")},
            "every day",
            "2 requests if nothing changed",
        ),
        (
            "campus",
            {"cadence": Cadence(delta="never", reconcile="30d")},
            "compared every month",
            "all pages every month",
        ),
    ],
)
def test_freshness_and_cost_are_said_in_words(
    pco_manifest: Manifest, entity: str, changed: dict[str, object], fresh: str, costs: str
) -> None:
    manifest = with_entity(pco_manifest, entity, **changed)
    found = manifest.entities[EntityName(entity)]
    assert (freshness(found, manifest), cost(found, manifest)) == (fresh, costs)


def test_the_cost_of_a_nested_entity_says_which_parents_are_asked(pco_manifest: Manifest) -> None:
    entity = pco_manifest.entities[EntityName("group_membership")]
    assert entity.nested is not None
    nested = entity.nested.model_copy(
        update={
            "when": (
                ParentCondition(attribute="starts_at", after="history"),
                ParentCondition(attribute="open", equals=True),
            ),
            "freeze": Freeze(attribute="ends_at", after_days=30),
            "triggers": Triggers(
                attributes=("count",), watch=EntityName("event"), poll=(ParentCondition(attribute="at", before="-2d"),)
            ),
        }
    )
    manifest = with_entity(pco_manifest, "group_membership", nested=nested, cadence=Cadence(delta="1h", reconcile="7d"))
    assert cost(manifest.entities[entity.name], manifest) == (
        "the list of each group whose count changed, or that a changed event names, and each time for those with at "
        "before 2 days ago; only those with starts_at after the beginning of the history that is kept and with open "
        "true; none after ends_at + 30 days; the list of each group every week"
    )


def test_what_rides_along_is_as_fresh_as_what_brings_it(pco_manifest: Manifest) -> None:
    never = Cadence(delta="never", reconcile="never")
    manifest = with_entity(pco_manifest, "email", cadence=never, webhooks=())
    email = manifest.entities[EntityName("email")]
    assert (freshness(email, manifest), cost(email, manifest)) == ("with person", "none: it comes with person")
