"""Where the keys of a YAML text stand, and what is shown of their values."""

from openfaith_sync.adapters.manifest_reader.yaml_text import Repetition, YamlText

TEXT = """\
base: &base
  x: 1
  z: 3
merged:
  <<: *base
  x: 2
only: {<<: *base}
list:
  - one
  - {a: true, b: 2025-11-10,
     c: "", d: null, e: yes}
"""


def test_a_key_is_on_the_line_where_it_is_written() -> None:
    text = YamlText(TEXT)
    assert text.line(("merged", "x")) == 6
    assert [text.line(("list", place)) for place in ("0", "1")] == [9, 10]
    assert text.line(("list", "1", "c")) == 11


def test_a_key_that_is_missing_or_merged_is_on_the_line_above_it() -> None:
    text = YamlText(TEXT)
    assert text.line(("list", "1", "c", "deeper", "still")) == 11
    assert text.line(("merged", "z")) == 4
    assert text.line(("only", "z")) == 7
    assert text.line(("nowhere",)) == 1


def test_merged_keys_count_and_repeat_nothing() -> None:
    text = YamlText(TEXT)
    assert text.found["merged"] == {"x": 2, "z": 3}
    assert list(text.repetitions()) == []


def test_values_are_shown_as_they_are_written() -> None:
    text = YamlText(TEXT)
    assert [text.shown(("list", "1", key)) for key in "abcdef"] == [
        "'true'", "'2025-11-10'", "an empty text", "nothing", "'yes'", "nothing",
    ]  # fmt: skip
    assert text.shown(("list",)) == "a list"
    assert text.shown(("base",)) == "a mapping"


def test_every_repeated_key_is_found_with_both_lines() -> None:
    text = YamlText("a:\n  - {b: 1,\n     b: 2}\nc: 1\nd: 2\nc: 3\nc: 4\n")
    assert sorted(text.repetitions(), key=lambda again: again.line) == [
        Repetition(("a", "0", "b"), 3, 2),
        Repetition(("c",), 6, 4),
        Repetition(("c",), 7, 4),
    ]
