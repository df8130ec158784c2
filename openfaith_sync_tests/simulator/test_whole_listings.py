"""Every entity of the shipped manifest: its listings hold exactly its records, and each record is where it says."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.nested_keys import path_parameters
from openfaith_sync.simulator.data.ground_truth import TrueRecord
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync_tests.ten_entities import SHIPPED

MANIFEST = read_manifest(SHIPPED, "pco")
PARENTS = 4
"""How many parents' lists are read: those of the first that have records, and one more."""


@pytest.fixture(scope="module")
def whole() -> Iterator[RunningSimulator]:
    with running_simulator(SimulatorSettings(people=40, rate=None), MANIFEST) as simulator:
        yield simulator


@pytest.fixture(scope="module")
def truths(whole: RunningSimulator) -> dict[str, dict[str, TrueRecord]]:
    return {name: whole.truth(name) for name in MANIFEST.entities}


def fill(
    truths: dict[str, dict[str, TrueRecord]], entity: Entity, parent_entity: Entity, identity: str, path: str
) -> str:
    """Return a path with the ids that a parent's records lead to."""
    for name in path_parameters(path):
        path = path.replace(f"{{{name}}}", ancestor(truths, parent_entity, identity, name))
    return entity.path + path.replace("{parent}", identity)


def ancestor(truths: dict[str, dict[str, TrueRecord]], entity: Entity, identity: str, name: str) -> str:
    record = truths[entity.name][identity]
    if name in record.relationships:
        return str(record.relationships[name])
    assert entity.nested is not None
    assert entity.parent is not None
    return ancestor(truths, MANIFEST.entities[entity.parent], record.relationships[entity.nested.under], name)


def read(client: httpx.Client, whole: RunningSimulator, path: str, parameters: dict[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    url = f"{whole.base_url}{path}?{urlencode({**parameters, 'per_page': '100'})}"
    while url:
        response = client.get(url)
        if response.status_code == 404:
            return found
        document = response.json()
        if isinstance(document["data"], dict):
            return [document["data"]]
        found += document["data"]
        url = document["links"].get("next")
    return found


@pytest.mark.parametrize("entity", MANIFEST.entities.values(), ids=list(MANIFEST.entities))
def test_listings_hold_the_records(
    whole: RunningSimulator, client: httpx.Client, truths: dict[str, dict[str, TrueRecord]], entity: Entity
) -> None:
    records = truths[entity.name]
    assert records
    places: dict[str, set[str]] = {entity.path + entity.endpoints.list: set(records)}
    if entity.nested:
        parent = MANIFEST.entities[entity.parent or entity.name]
        of_parent: dict[str, set[str]] = {}
        for identity, record in records.items():
            of_parent.setdefault(record.relationships[entity.nested.under], set()).add(identity)
        empty = next((one for one in truths[parent.name] if one not in of_parent), None)
        chosen = list(of_parent)[: PARENTS - 1] + ([empty] if empty else [])
        places = {fill(truths, entity, parent, one, entity.endpoints.list): of_parent.get(one, set()) for one in chosen}
    shown = set(records[next(iter(records))].attributes)
    for path, expected in places.items():
        found: list[dict[str, Any]] = []
        for variant in entity.variants or ({},):
            parameters = {**entity.parameters, **variant}
            if entity.fieldset:
                parameters[f"fields[{entity.resource}]"] = ",".join([*entity.attributes, *entity.relationships])
            found += read(client, whole, path, parameters)
        assert {one["id"] for one in found} == expected, path
        assert {one["type"] for one in found} <= {entity.resource}
        for one in found[:1]:
            assert shown <= set(one["attributes"])
            own = client.get(one["links"]["self"])
            assert (own.status_code, own.json()["data"]["id"]) == (200, one["id"]), one["links"]["self"]
