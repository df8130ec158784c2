"""A YAML text that still knows on which line each key stands."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

Key: TypeAlias = tuple[str, ...]
"""The way to a value: mapping keys and list positions from the top."""

SHOWN_LENGTH = 60

# libyaml's parser is ten times as fast; a wheel without it only costs time.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Repetition:
    """A key that stands twice in one mapping, where YAML lets the last one win in silence."""

    key: Key
    line: int
    first_line: int


class YamlText:
    """One document, as values and as places."""

    def __init__(self, text: str) -> None:
        """Parse the text.

        Raises:
            yaml.YAMLError: It is not YAML, or holds more than one document.
        """
        loader = _Loader(text)
        try:
            self._root: yaml.Node | None = loader.get_single_node()
            self.found: Any = None if self._root is None else loader.construct_document(self._root)
        finally:
            loader.dispose()

    def line(self, key: Key) -> int:
        """Return the line of the key, or of the nearest key above it that exists."""
        return self._nearest(key)[0]

    def shown(self, key: Key) -> str:
        """Return what the text holds there, short and as it is written."""
        _, node, depth = self._nearest(key)
        if node is None or depth < len(key):
            return "nothing"
        if isinstance(node, yaml.ScalarNode):
            if not node.value:
                return "nothing" if node.style is None else "an empty text"
            return repr(node.value) if len(node.value) <= SHOWN_LENGTH else f"{node.value[:SHOWN_LENGTH]!r}…"
        return "a list" if isinstance(node, yaml.SequenceNode) else "a mapping"

    def repetitions(self) -> Iterator[Repetition]:
        """Yield every key that stands twice in one mapping."""
        yield from _repetitions(self._root, ())

    def _nearest(self, key: Key) -> tuple[int, yaml.Node | None, int]:
        """Go down the key as far as it exists: the line, the node and how many steps were found."""
        node, line = self._root, 1
        for depth, part in enumerate(key):
            step = _step(node, part)
            if step is None:
                return line, node, depth
            line, node = step
        return line, node, len(key)


def _step(node: yaml.Node | None, part: str) -> tuple[int, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line + 1, value
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        child = node.value[int(part)]
        return child.start_mark.line + 1, child
    return None


def _repetitions(node: yaml.Node | None, above: Key) -> Iterator[Repetition]:
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            name, line = str(key.value), key.start_mark.line + 1
            if name in lines:
                yield Repetition((*above, name), line, lines[name])
            lines.setdefault(name, line)
            yield from _repetitions(value, (*above, name))
    if isinstance(node, yaml.SequenceNode):
        for position, child in enumerate(node.value):
            yield from _repetitions(child, (*above, str(position)))
