"""Changes to a module file that adopt what the source's records show, as a patch for a person to read and apply."""

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

from openfaith_sync.adapters.manifest_reader.yaml_text import YamlText
from openfaith_sync.domain.mapping.drift import NO_VALUE, Drift, DriftKind

_TYPE = re.compile(r"(\btype: )[a-z_]+")


def patch_module(path: Path, drifts: Iterable[Drift]) -> str:
    """Return a unified diff of a module file that adopts these differences; empty if there is nothing to change.

    Attributes that appeared are added in their alphabetical place, those that are not sent any more are removed, and
    changed types are replaced. Comments and everything else stay as they are.
    """
    before = path.read_text(encoding="utf-8")
    after = before
    for drift in drifts:
        after = _adopt(after, drift)
    lines = difflib.unified_diff(
        before.splitlines(keepends=True), after.splitlines(keepends=True), f"a/{path.name}", f"b/{path.name}"
    )
    return "".join(lines)


def _adopt(text: str, drift: Drift) -> str:
    key = ("entities", drift.entity, "attributes")
    parsed = YamlText(text)
    attributes = parsed.commented.get("entities", {}).get(drift.entity, {}).get("attributes")
    # An attribute that somebody has written in another style is left to that person.
    if not attributes or attributes.fa.flow_style():
        return text
    lines = text.splitlines(keepends=True)
    at = parsed.line((*key, drift.name)) - 1
    is_known = drift.name in attributes
    match drift.kind:
        case DriftKind.APPEARED if not is_known:
            later = next((name for name in attributes if str(name) > drift.name), None)
            if later is not None:
                place = parsed.line((*key, str(later))) - 1
            else:
                place = parsed.line((*key, str(list(attributes)[-1])))
            lines.insert(
                place, f"{_indent(lines, parsed.line((*key, str(next(iter(attributes))))) - 1)}{_entry(drift)}"
            )
        case DriftKind.VANISHED if is_known:
            del lines[at]
        case DriftKind.RETYPED if is_known:
            lines[at] = _TYPE.sub(rf"\g<1>{_type(drift)}", lines[at])
        case _:
            pass
    return "".join(lines)


def _indent(lines: list[str], place: int) -> str:
    return re.match(r" *", lines[place])[0]  # type: ignore[index]  # it always matches


def _entry(drift: Drift) -> str:
    remark = "  # no record seen so far has a value" if drift.found == NO_VALUE else ""
    return f"{drift.name}: {{type: {_type(drift)}}}{remark}\n"


def _type(drift: Drift) -> str:
    """Return the manifest's word for a type that was found."""
    return "string" if drift.found == NO_VALUE else drift.found
