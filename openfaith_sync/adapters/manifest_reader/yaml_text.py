"""Parses YAML and keeps the line number of each key."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor

from openfaith_sync.domain.manifest.problem import Key

SHOWN_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Repetition:
    """A repeated key in one mapping, of which YAML would silently use only one."""

    key: Key
    line: int
    first_line: int


class YamlText:
    """One YAML document: its values and their line numbers."""

    def __init__(self, text: str) -> None:
        """Parse the text.

        Raises:
            ruamel.yaml.error.YAMLError: The text is not valid YAML, or contains several documents.
        """
        yaml = YAML()
        yaml.Constructor = _Constructor
        self.found: Any = yaml.load(text)
        self._repeated: list[_Repeated] = yaml.constructor.repeated

    def line(self, key: Key) -> int:
        """Return the line of the key, or of the nearest key above it that exists."""
        return self._nearest(key)[0]

    def shown(self, key: Key) -> str:
        """Return the value at a key as short text, for messages."""
        _, value, depth = self._nearest(key)
        if value is None or depth < len(key):
            return "nothing"
        if isinstance(value, CommentedMap | CommentedSeq):
            return "a list" if isinstance(value, CommentedSeq) else "a mapping"
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if not text:
            return "an empty text"
        return repr(text) if len(text) <= SHOWN_LENGTH else f"{text[:SHOWN_LENGTH]!r}…"

    def repetitions(self) -> Iterator[Repetition]:
        """Yield every key that is repeated in its mapping."""
        paths = {id(mapping): path for path, mapping in _mappings(self.found, ())} if self._repeated else {}
        for again in self._repeated:
            key, first_line = (*paths[id(again.mapping)], str(again.key)), _line(again.mapping, again.key)
            yield Repetition(key, again.line, first_line or again.line)

    def _nearest(self, key: Key) -> tuple[int, Any, int]:
        """Return the line, the value and the depth of the deepest part of the key that exists."""
        value, line = self.found, 1
        for depth, part in enumerate(key):
            step = next((step for step, _ in _members(value) if str(step) == part), None)
            if step is None:
                return line, value, depth
            # A key that was merged with << has no line here, so the line of its mapping is used.
            line, value = _line(value, step) or line, value[step]
        return line, value, len(key)


@dataclass(frozen=True, slots=True)
class _Repeated:
    mapping: CommentedMap
    key: Any
    line: int


class _Constructor(RoundTripConstructor):
    """Collects every repeated key; the library would stop at the first one."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.repeated: list[_Repeated] = []

    def check_mapping_key(self, _node: Any, key_node: Any, mapping: Any, key: Any, _value: Any) -> bool:
        if key not in mapping:
            return True
        self.repeated.append(_Repeated(mapping, key, key_node.start_mark.line + 1))
        return False


def _line(within: CommentedMap | CommentedSeq, step: Any) -> int | None:
    place = (within.lc.data or {}).get(step)
    return None if place is None else int(place[0]) + 1


def _members(value: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, CommentedMap):
        yield from value.items()
    elif isinstance(value, CommentedSeq):
        yield from enumerate(value)


def _mappings(value: Any, path: Key) -> Iterator[tuple[Key, CommentedMap]]:
    if isinstance(value, CommentedMap):
        yield path, value
    for step, member in _members(value):
        yield from _mappings(member, (*path, str(step)))
