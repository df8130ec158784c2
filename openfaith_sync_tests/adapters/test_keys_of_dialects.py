"""Keys that a dialect or an entity cannot have are mistakes with a name."""

from pathlib import Path

import pytest

from openfaith_sync.adapters.manifest_reader.manifest_mistakes import ManifestMistakes
from openfaith_sync_tests.adapters.dialects.declared import declare

PERSON = """
  person:
    resource: Person
    description: Someone.
    endpoints: {list: /people}
    total_count: COUNT
    KEYS
    attributes: {first_name: {type: string}}
"""
NO_DELTA = "delta: {by: none, attribute: null}"
PLAIN = {
    ("includes: [emails]",): {"includes"},
    ("fieldset: true",): {"fieldset"},
    ("includes: [emails]", "include: [emails]"): {"includes", "include"},
}
WRONG = {
    ("singleton: true", "page_size: 5"): {"page_size"},
    ("singleton: true", "variants: [{filter: a}, {filter: b}]"): {"variants"},
    ("variants: [{order: a}, {order: b}]",): {"variants.0", "variants.1"},
    ("variants: [{'where[unknown]': a}, {'where[unknown]': b}]",): {"variants.0", "variants.1"},
    ("variants: [{filter: a}]",): {"variants"},
}


def mistakes(folder: Path, keys: tuple[str, ...], adapter: str, product: str, count: str) -> set[str]:
    """Return the keys that are wrong in an entity with these."""
    lines = "\n    ".join((NO_DELTA, *keys))
    with pytest.raises(ManifestMistakes) as caught:
        declare(folder, PERSON.replace("KEYS", lines).replace("COUNT", count), adapter, product)
    return {mistake.key.removeprefix("entities.person.") for mistake in caught.value.mistakes}


@pytest.mark.parametrize("keys", PLAIN)
def test_keys_that_records_without_an_envelope_cannot_have(tmp_path: Path, keys: tuple[str, ...]) -> None:
    assert mistakes(tmp_path, keys, "breeze", "breeze", "none") == PLAIN[keys]


@pytest.mark.parametrize("keys", WRONG)
def test_keys_that_contradict_each_other(tmp_path: Path, keys: tuple[str, ...]) -> None:
    assert mistakes(tmp_path, keys, "pco", "people", "exact") == WRONG[keys]


def test_a_path_of_one_object_cannot_be_asked_for_changes(tmp_path: Path) -> None:
    entity = PERSON.replace(
        "KEYS", "singleton: true\n    order_by: [seen_at]\n    delta: {by: ordered, attribute: seen_at}"
    )
    with pytest.raises(ManifestMistakes) as caught:
        declare(
            tmp_path,
            entity.replace("COUNT", "exact").replace("{first_name: {type: string}}", "{seen_at: {type: date_time}}"),
        )
    assert [mistake.key for mistake in caught.value.mistakes] == ["entities.person.delta.by"]
