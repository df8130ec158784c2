"""A YAML text that still knows on which line each key stands."""

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
    """A key that stands twice in one mapping, where YAML would let one of them win in silence."""

    key: Key
    line: int
    first_line: int


class YamlText:
    """One document, as values and as places."""

    def __init__(self, text: str) -> None:
        """Parse the text.

        Raises:
            ruamel.yaml.error.YAMLError: It is not YAML, or holds more than one document.
        """
        yaml = YAML()
        yaml.Constructor = _Constructor
        self.found: Any = yaml.load(text)
        self._repeated: list[_Repeated] = yaml.constructor.repeated

    def line(self, key: Key) -> int:
        """Return the line of the key, or of the nearest key above it that exists."""
        return self._nearest(key)[0]

    def shown(self, key: Key) -> str:
        """Return what the text holds there, short."""
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
        """Yield every key that stands twice in one mapping."""
        ways = {id(mapping): way for way, mapping in _mappings(self.found, ())} if self._repeated else {}
        for again in self._repeated:
            key, first_line = (*ways[id(again.mapping)], str(again.key)), _line(again.mapping, again.key)
            yield Repetition(key, again.line, first_line or again.line)

    def _nearest(self, key: Key) -> tuple[int, Any, int]:
        """Go down the key as far as it exists: the line, the value and how many steps were found."""
        value, line = self.found, 1
        for depth, part in enumerate(key):
            step = next((step for step, _ in _members(value) if str(step) == part), None)
            if step is None:
                return line, value, depth
            # A merged key stands in the mapping that it comes from; the nearest line here is the one above.
            line, value = _line(value, step) or line, value[step]
        return line, value, len(key)


@dataclass(frozen=True, slots=True)
class _Repeated:
    mapping: CommentedMap
    key: Any
    line: int


class _Constructor(RoundTripConstructor):
    """Keeps every repeated key, where the library stops at the first."""

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


def _mappings(value: Any, way: Key) -> Iterator[tuple[Key, CommentedMap]]:
    if isinstance(value, CommentedMap):
        yield way, value
    for step, member in _members(value):
        yield from _mappings(member, (*way, str(step)))
