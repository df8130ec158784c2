"""Parses YAML and keeps the line number of each key."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import RoundTripConstructor

from openfaith_sync.adapters.manifest_reader.quick_yaml import NotQuick, load_quickly
from openfaith_sync.domain.manifest.problem import Key

SHOWN_LENGTH = 60


@dataclass(frozen=True, slots=True)
class Repetition:
    """A repeated key in one mapping, of which YAML would silently use only one."""

    key: Key
    line: int
    first_line: int


class YamlText:
    """One YAML document: its values and their line numbers, which are only looked for when something asks."""

    def __init__(self, text: str) -> None:
        """Parse the text.

        Raises:
            ruamel.yaml.error.YAMLError: The text is not valid YAML, or contains several documents.
        """
        self._text = text
        self.found: Any
        try:
            self.found = load_quickly(text)
        except NotQuick:
            self.found = self.commented

    @property
    def commented(self) -> Any:
        """Return the values with their places and comments."""
        return self._with_lines[0]

    @cached_property
    def _with_lines(self) -> tuple[Any, list["_Repeated"]]:
        yaml = YAML()
        yaml.Constructor = _Constructor
        found = yaml.load(self._text)
        return found, yaml.constructor.repeated

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
        # Without lines so far, it was parsed quickly, and then no key is repeated.
        repeated = self._with_lines[1] if "_with_lines" in self.__dict__ else []
        paths = {id(mapping): path for path, mapping in _mappings(self.commented, ())} if repeated else {}
        for again in repeated:
            key, first_line = (*paths[id(again.mapping)], str(again.key)), _line(again.mapping, again.key)
            yield Repetition(key, again.line, first_line or again.line)

    def _nearest(self, key: Key) -> tuple[int, Any, int]:
        """Return the line, the value and the depth of the deepest part of the key that exists."""
        value, line = self.commented, 1
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
