"""The invented church: the same for a seed, and lifelike."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.attribute import Attribute, AttributeType, Relationship
from openfaith_sync.domain.manifest.entity_keys import Delta, DeltaCapability, Endpoints
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.data.apps.population import populate
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.ground_truth import truth_lines
from openfaith_sync.simulator.data.synthetic_records import invent
from openfaith_sync.simulator.data.timestamps import BASE_SECONDS, to_seconds, to_text

PEOPLE = 4000


@pytest.fixture(scope="module")
def world(manifest: Manifest) -> World:
    return populate(manifest, PEOPLE, seed=1)


@pytest.fixture(scope="module")
def column(world: World) -> Callable[[str, str], list[Any]]:
    def values(entity: str, name: str) -> list[Any]:
        table = world.tables[entity]
        return [table.value(row, name) for row in table.rows.values()]

    return values


def text(world: World) -> bytes:
    return b"\n".join(line for table in world.tables.values() for line in truth_lines(world, table))


def test_a_seed_always_makes_the_same_church(manifest: Manifest) -> None:
    first, again, other = (text(populate(manifest, 150, seed)) for seed in (5, 5, 6))
    assert first == again != other


@pytest.mark.parametrize("people", [0, 1, 2, 7])
def test_small_churches_exist(manifest: Manifest, people: int) -> None:
    world = populate(manifest, people, seed=1)
    assert len(world.tables["person"].rows) == people
    assert len(world.tables["campus"].rows) == 3


@pytest.mark.parametrize(
    ("entity", "a_person"),
    [("address", 1), ("email", 1), ("phone_number", 0.9), ("household", 1 / 2.7), ("group", 1 / 40)],
)
def test_there_are_as_many_of_each_as_expected(world: World, entity: str, a_person: float) -> None:
    assert len(world.tables[entity].rows) / PEOPLE == pytest.approx(a_person, rel=0.06)


def test_everything_belongs_to_someone(world: World) -> None:
    people = set(world.tables["person"].rows)
    for entity in ("address", "email", "phone_number"):
        assert set(world.tables[entity].back["person"]) <= people
    table = world.tables["household"]
    for row in table.rows.values():
        members = table.reference(row, "people")
        assert isinstance(members, list)
        assert table.reference(row, "primary_contact") in members
        assert table.value(row, "member_count") == len(members)
        assert table.value(row, "primary_contact_id") == str(members[0])


def test_emails_and_addresses_share_ids(world: World) -> None:
    assert len(set(world.tables["email"].rows) & set(world.tables["address"].rows)) > PEOPLE / 2


def test_many_records_share_a_second_and_some_by_chance(column: Callable[[str, str], list[Any]]) -> None:
    ties = Counter(column("person", "updated_at"))
    assert ties.most_common(1)[0][1] > 100
    assert sum(1 for times in ties.values() if 1 < times < 10) > 10


def test_no_record_is_newer_than_the_base_moment(column: Callable[[str, str], list[Any]]) -> None:
    for entity in ("person", "email", "address", "household"):
        for created, updated in zip(column(entity, "created_at"), column(entity, "updated_at"), strict=True):
            assert created <= updated <= to_text(BASE_SECONDS)


def test_people_are_as_people_are(column: Callable[[str, str], list[Any]]) -> None:
    status = Counter(column("person", "status"))
    assert status["inactive"] / PEOPLE == pytest.approx(0.19, abs=0.03)
    inactivated = [at is not None for at in column("person", "inactivated_at")]
    assert inactivated == [one == "inactive" for one in column("person", "status")]
    names = "".join(column("person", "name"))
    assert not names.isascii()
    assert "💜" in names
    assert max(len(note or "") for note in column("person", "medical_notes")) > 500
    assert "" in column("phone_number", "number")
    assert None in column("campus", "latitude")
    assert {len(str(moment)) for moment in column("person", "created_at")} == {20}


def test_an_entity_nobody_knows_is_invented_and_served(manifest: Manifest) -> None:
    pet = manifest.entities[EntityName("email")].model_copy(
        update={
            "name": "pet",
            "resource": "Pet",
            "endpoints": Endpoints(list="/pets", get="/pets/{id}"),
            "attributes": {kind.value: Attribute(type=kind) for kind in AttributeType},
            "delta": Delta(by=DeltaCapability.NONE, attribute=None),
            "relationships": {"person": Relationship(target="person", resource="Person", nullable=False)},
        }
    )
    world = populate(
        Manifest(adapter_file=manifest.adapter_file, entities={**manifest.entities, EntityName("pet"): pet}), 100, 1
    )
    table = world.tables["pet"]
    assert len(table.rows) == len(list(invent(pet, 100, 1))) == 5
    assert set(table.back["person"]) <= set(world.tables["person"].rows)
    assert world.edge(world.tables["person"], "pets") is not None


def test_an_attribute_no_maker_knows_is_invented(manifest: Manifest) -> None:
    person = manifest.entities[EntityName("person")]
    wider = person.model_copy(
        update={"attributes": {**person.attributes, "shoe_size": Attribute(type=AttributeType.INTEGER)}}
    )
    world = populate(Manifest(adapter_file=manifest.adapter_file, entities={EntityName("person"): wider}), 10, 1)
    table = world.tables["person"]
    assert all(isinstance(table.value(row, "shoe_size"), int) for row in table.rows.values())


def test_moments_read_what_they_write() -> None:
    assert to_seconds(to_text(BASE_SECONDS)) == BASE_SECONDS
    assert to_seconds("2026-06-01T02:00:00+02:00") == BASE_SECONDS
    assert to_seconds("soon") is None
