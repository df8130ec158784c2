"""The quick parser and the one with line numbers read the same, and the quick one judges nothing."""

from pathlib import Path

import pytest

from openfaith_sync.adapters.manifest_reader.quick_yaml import NotQuick, load_quickly
from openfaith_sync.adapters.manifest_reader.yaml_text import YamlText

MANIFESTS = Path(__file__).parents[2] / "manifests"
SCALARS = [
    "yes",
    "no",
    "on",
    "off",
    "true",
    "False",
    "null",
    "~",
    "1",
    "-2",
    "+3",
    "0x1f",
    "0o17",
    "017",
    "1.5",
    "1e3",
    ".5",
    "1.",
    "1_000",
    "2025-11-10",
    "a:b",
    "''",
    "12:30",
]


@pytest.mark.parametrize(
    "path", sorted(MANIFESTS.glob("**/*.yaml")), ids=lambda path: f"{path.parent.name}-{path.stem}"
)
def test_manifests_are_read_the_same(path: Path) -> None:
    text = YamlText(path.read_text())
    assert text.found == text.commented


@pytest.mark.parametrize("scalar", SCALARS)
def test_a_scalar_is_read_the_same(scalar: str) -> None:
    text = YamlText(f"{{key: {scalar}, list: [{scalar}]}}")
    assert text.found == text.commented
    assert type(text.found["key"]) is type(text.commented["key"]) or isinstance(
        text.commented["key"], type(text.found["key"])
    )


@pytest.mark.parametrize("text", ["a: 1\na: 2", "a: [1", "a: 1\n---\nb: 2", "b: &x {c: 1}\na: {<<: *x, c: 2}", "a: ="])
def test_what_a_person_has_to_be_told_of_is_left_to_the_other_parser(text: str) -> None:
    with pytest.raises(NotQuick):
        load_quickly(text)


def test_a_repeated_key_still_has_its_line() -> None:
    (again,) = YamlText("a: 1\nb: {c: 1}\na: 2\n").repetitions()
    assert (again.key, again.line, again.first_line) == (("a",), 3, 1)
