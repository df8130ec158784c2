"""Nothing that Planning Center documents is forgotten: neither a resource nor an attribute."""

from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from openfaith_sync.adapters.manifest_reader.coverage_files import read_coverage
from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.coverage.coverage_file import CoverageFile, Covered, Decision, coverage_problems
from openfaith_sync.domain.coverage.coverage_page import coverage_page
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.store.manifests.described_tables import describe_tables
from openfaith_sync_tests.ten_entities import ROOT, SHIPPED

PCO = "pco"
# Argued one by one in the file; another one needs another argument.
EXCLUDED = {"people": 23, "groups": 1, "check_ins": 9, "calendar": 2, "giving": 1, "services": 26}
EXCLUDED |= {"registrations": 1, "publishing": 3, "api": 5, "current": 0, "webhooks": 2}


@cache
def documented() -> dict[str, dict[str, frozenset[str]]]:
    """Return the attributes of each resource that is documented, by product."""
    text = (Path(__file__).parent / "documented_resources.yaml").read_text(encoding="utf-8")
    found = YAML(typ="safe").load(text)
    return {
        product: {resource: frozenset(attributes.split()) for resource, attributes in resources.items()}
        for product, resources in found.items()
    }


@cache
def coverage() -> CoverageFile:
    return read_coverage(SHIPPED, PCO)


@cache
def shipped() -> Manifest:
    return read_manifest(SHIPPED, PCO)


def covered() -> list[tuple[str, str, Covered]]:
    return [(product, name, found) for product, names in coverage().resources.items() for name, found in names.items()]


def test_every_documented_resource_is_decided() -> None:
    assert sum(len(resources) for resources in documented().values()) == 253
    decided = {product: set(resources) for product, resources in coverage().resources.items()}
    assert decided == {product: set(resources) for product, resources in documented().items()}


def test_the_manifest_does_what_is_decided() -> None:
    assert list(coverage_problems(coverage(), shipped())) == []


def test_nothing_else_is_excluded() -> None:
    found = dict.fromkeys(documented(), 0)
    for product, _, each in covered():
        found[product] += each.decision is Decision.EXCLUDED
    assert found == EXCLUDED


@pytest.mark.parametrize("product", sorted(documented()))
def test_every_documented_attribute_is_mapped_or_dropped_for_a_reason(product: str) -> None:
    for name, found in coverage().resources[product].items():
        if found.entity is not None:
            entity = shipped().entities[found.entity]
            mapped = entity.attributes.keys() | found.dropped.keys()
            assert documented()[product][name] <= mapped, name
            assert all(found.dropped.values()), name


def test_an_attribute_without_a_column_is_a_key_of_custom_fields_that_the_dictionary_names() -> None:
    named: dict[str, set[str]] = defaultdict(set)
    for relation in describe_tables([shipped()]).relations:
        for key in relation.custom_fields:
            named[key.entity.removeprefix(f"{PCO}/")].add(key.key)
    for entity in shipped().entities.values():
        columns = {column.name for column in entity.record_table.columns}
        for name, attribute in entity.attributes.items():
            # In a source table, each has a column; in a canonical one, what has none lies in custom_fields.
            assert (
                attribute.to in columns if entity.table is None else attribute.to is None or attribute.to in columns
            ), (
                entity.name,
                name,
            )


def test_the_document_is_what_the_command_prints() -> None:
    page = (ROOT / "docs/pco-coverage.md").read_text(encoding="utf-8")
    expected = coverage_page(coverage(), shipped())
    assert page == expected, "run: openfaith-sync manifest coverage pco -o docs/pco-coverage.md"
