"""What requests include, on one level and on two, and how the records that come with others are linked."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import ListingQuery
from openfaith_sync.domain.records.record import RawRecord, Reference
from openfaith_sync_tests.adapters.dialects.declared import Answer, answering, declare, linked, listed, resource

DONATION, REFUND, PART = EntityName("donation"), EntityName("refund"), EntityName("designation_refund")
DESIGNATION, ATTENDEE, REGISTRATION = EntityName("designation"), EntityName("attendee"), EntityName("registration")
CHILDREN = (DESIGNATION, REFUND, PART)
ENTITIES = """
  donation:
    resource: Donation
    description: A gift.
    endpoints: {list: /donations, get: "/donations/{id}"}
    includes: [designations, refund, labels, note]
    include: [labels]
    sideload: {designations: designation, refund: refund, refund.designation_refunds: designation_refund}
    fieldset: true
    page_size: 20
    delta: {by: none, attribute: null}
    attributes: {amount_cents: {type: integer}, memo: {type: string, sparse: true}}
    relationships:
      designations: {target: designation, resource: Designation, cardinality: many}
      refund: {target: refund, resource: Refund}
      labels: {target: label, resource: Label, cardinality: many}
      note: {target: note, resource: Note}
      batch: {target: batch, resource: Batch, always: true}
  designation:
    resource: Designation
    description: A part of a gift.
    endpoints: {list: "/donations/{parent}/designations"}
    nested: {under: donation, members: designations, rides: true}
    delta: {by: none, attribute: null}
    attributes: {amount_cents: {type: integer}}
    relationships: {donation: {target: donation, resource: Donation, nullable: false}}
  refund:
    resource: Refund
    description: What was given back.
    endpoints: {list: "/donations/{parent}/refund"}
    includes: [designation_refunds]
    nested: {under: donation, members: refund, rides: true, one: true}
    fieldset: true
    delta: {by: none, attribute: null}
    attributes: {amount_cents: {type: integer}}
    relationships:
      donation: {target: donation, resource: Donation, nullable: false}
      designation_refunds: {target: designation_refund, resource: DesignationRefund, cardinality: many}
  designation_refund:
    resource: DesignationRefund
    description: A part of what was given back.
    endpoints: {list: "/refunds/{parent}/designation_refunds"}
    nested: {under: refund, members: designation_refunds, rides: true}
    delta: {by: none, attribute: null}
    attributes: {amount_cents: {type: integer}}
    relationships: {refund: {target: refund, resource: Refund, nullable: false}}
  signup:
    resource: Signup
    description: An event to register for.
    endpoints: {list: /signups}
    delta: {by: none, attribute: null}
    attributes: {name: {type: string}}
  attendee:
    resource: Attendee
    description: Who takes part.
    endpoints: {list: "/signups/{parent}/attendees"}
    includes: [registration]
    sideload: {registration: registration}
    nested: {under: signup}
    delta: {by: none, attribute: null}
    attributes: {active: {type: boolean}}
    relationships:
      signup: {target: signup, resource: Signup, nullable: false}
      registration: {target: registration, resource: Registration}
  registration:
    resource: Registration
    description: Who registered.
    endpoints: {list: "/signups/{parent}/registrations"}
    nested: {under: signup, rides: true}
    delta: {by: none, attribute: null}
    attributes: {created: {type: string}}
    relationships: {signup: {target: signup, resource: Signup, nullable: false}}
"""
FIRST = resource(
    "Donation",
    "1",
    {"amount_cents": 500},
    designations=[linked("Designation", "11"), linked("Designation", "12")],
    refund=linked("Refund", "21"),
    labels=[],
    # What the source writes for the second level: every part of every refund of this record.
    designation_refunds=[linked("DesignationRefund", "99")],
)
SECOND = resource("Donation", "2", {"amount_cents": 700}, designations=[linked("Designation", "13")], refund=None)
THIRD = resource("Donation", "3", {"amount_cents": 900}, designations=[], refund=linked("Refund", "22"), note=None)
INCLUDED = (
    *(resource("Designation", number, {"amount_cents": 100}) for number in ("11", "12", "13")),
    resource("Refund", "21", {"amount_cents": -200}, designation_refunds=[linked("DesignationRefund", "31")]),
    resource("Refund", "22", {"amount_cents": -900}, designation_refunds=[linked("DesignationRefund", "32")]),
    *(resource("DesignationRefund", number, {"amount_cents": -200}) for number in ("31", "32")),
    resource("Label", "41", {"name": "not stored"}),
)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    return declare(tmp_path, ENTITIES)


def donations(_: str, parameters: Mapping[str, str]) -> Answer:
    """Answer with as much as was asked for."""
    asked = set(parameters.get("include", "").split(","))
    rows = [dict(row, relationships=_included(row, asked)) for row in (FIRST, SECOND, THIRD)]
    return listed(*rows, included=INCLUDED if "designations" in asked else ())


def _included(row: Mapping[str, Any], asked: set[str]) -> dict[str, Any]:
    joined = {path.rpartition(".")[2] for path in asked if "." in path}
    return {name: part for name, part in row["relationships"].items() if name in asked | joined}


def parents(records: tuple[RawRecord, ...], under: str) -> dict[str, str | None]:
    found = {record.external_id: record.references.get(under) for record in records}
    return {identity: reference and reference.external_id for identity, reference in found.items()}


def test_children_of_both_levels_come_with_their_parents(manifest: Manifest) -> None:
    with answering(manifest, donations) as (source, asked):
        page = source.read_page(ListingQuery(DONATION, children=CHILDREN))
    assert asked.last[1]["include"] == "labels,designations,refund,refund.designation_refunds"
    assert parents(page.children[DESIGNATION], "donation") == {"11": "1", "12": "1", "13": "2"}
    assert parents(page.children[REFUND], "donation") == {"21": "1", "22": "3"}
    # Linked by the refund that names them, and never by what the donation says.
    assert parents(page.children[PART], "refund") == {"31": "21", "32": "22"}
    assert page.children[PART][0].references["refund"] == Reference(ExternalId("21"), "Refund")


def test_the_joined_relationship_of_a_second_level_says_nothing(manifest: Manifest) -> None:
    with answering(manifest, donations) as (source, _):
        first, *_ = source.read_page(ListingQuery(DONATION, children=CHILDREN)).records
    assert first.members is not None
    assert set(first.members) == {"designations", "labels"}
    assert open_dialect(manifest).kept.parse_stored(DONATION, first.body) == first


def test_a_single_record_comes_with_all_that_is_included(manifest: Manifest) -> None:
    def answer(*_: object) -> Answer:
        return {"data": FIRST, "included": INCLUDED[:2] + INCLUDED[3:4] + INCLUDED[5:6]}

    with answering(manifest, answer) as (source, asked):
        fresh = source.read_record(DONATION, ExternalId("1"))
    assert asked.last[1]["include"] == "labels,designations,refund,refund.designation_refunds"
    assert fresh is not None
    assert parents(fresh.children[PART], "refund") == {"31": "21"}
    assert parents(fresh.children[REFUND], "donation") == {"21": "1"}


def test_a_page_that_is_not_served_with_children_keeps_its_links(manifest: Manifest) -> None:
    with answering(manifest, donations) as (source, asked):
        page = source.read_page(ListingQuery(DONATION))
    assert asked.last[1]["include"] == "labels"
    first, second, _ = page.records
    assert first.members == {"labels": ()}
    assert not page.children
    # Nothing was asked of these, so that nothing is known.
    assert "refund" not in second.references


def test_a_relationship_that_was_not_asked_for_is_never_read_as_unset(manifest: Manifest) -> None:
    everything = [dict(row, relationships=row["relationships"]) for row in (FIRST, SECOND, THIRD)]
    with answering(manifest, lambda *_: listed(*everything)) as (source, _):
        alone = source.read_page(ListingQuery(DONATION)).records
        whole = source.read_page(ListingQuery(DONATION, children=CHILDREN)).records
    assert ["refund" in record.references for record in alone] == [True, False, True]
    assert ["refund" in record.references for record in whole] == [True, True, True]
    assert "note" not in alone[2].references
    assert "designations" not in (alone[2].members or {})


def test_a_fieldset_names_everything_that_is_wanted(manifest: Manifest) -> None:
    with answering(manifest, donations) as (source, asked):
        source.read_page(ListingQuery(DONATION, children=CHILDREN))
        fields = {name: text.split(",") for name, text in asked.last[1].items() if name.startswith("fields")}
        source.read_page(ListingQuery(DONATION, is_sparse=True))
    assert fields == {
        "fields[Donation]": ["amount_cents", "batch", "designations", "labels", "memo", "note", "refund"],
        "fields[Refund]": ["amount_cents", "designation_refunds", "donation"],
    }
    assert asked.last[1] == {"per_page": "20", "fields[Donation]": "id"}


def test_a_child_that_several_records_share_stands_below_the_parent_of_their_list(manifest: Manifest) -> None:
    rows = [resource("Attendee", number, {"active": True}, registration=linked("Registration", "5")) for number in "12"]
    answer = listed(*rows, included=(resource("Registration", "5", {"created": "today"}),))
    with answering(manifest, lambda *_: answer) as (source, _):
        page = source.read_page(ListingQuery(ATTENDEE, parent=ExternalId("70"), children=(REGISTRATION,)))
    assert parents(page.children[REGISTRATION], "signup") == {"5": "70"}
    assert parents(page.records, "signup") == {"1": "70", "2": "70"}


def test_a_parent_that_the_record_states_itself_stays(manifest: Manifest) -> None:
    stated = resource("Designation", "11", {"amount_cents": 1}, donation=linked("Donation", "77"))
    row = resource("Donation", "1", {"amount_cents": 1}, designations=[linked("Designation", "11")])
    with answering(manifest, lambda *_: listed(row, included=(stated,))) as (source, _):
        page = source.read_page(ListingQuery(DONATION, children=CHILDREN))
    assert parents(page.children[DESIGNATION], "donation") == {"11": "77"}


def test_a_child_that_no_record_names_has_no_parent(manifest: Manifest) -> None:
    row = resource("Donation", "1", {"amount_cents": 1}, designations=[])
    stray = resource("Designation", "11", {"amount_cents": 1})
    with answering(manifest, lambda *_: listed(row, included=(stray,))) as (source, _):
        page = source.read_page(ListingQuery(DONATION, children=CHILDREN))
    assert parents(page.children[DESIGNATION], "donation") == {"11": None}


def test_without_a_child_what_would_come_with_it_is_not_included(manifest: Manifest) -> None:
    fewer = manifest.without_sideloads({REFUND})
    assert set(fewer.entities[DONATION].sideload) == {"designations"}
