"""Read a file of orgs to connect, CSV or YAML, and find every mistake in it before anything is done.

No message repeats a value of the file: where columns are shifted, any of them may hold a secret.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TypeVar
from zoneinfo import available_timezones

import click
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from openfaith_sync.adapters.manifest_reader.yaml_text import YamlText
from openfaith_sync.commands.connection_options import parse_base_url, parse_basic, parse_bearer
from openfaith_sync.domain.connections.connection import BasicCredentials, BearerToken
from openfaith_sync.domain.connections.selection import parse_selection
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import OrgId, parse_org
from openfaith_sync.domain.manifest.manifest import Manifest

T = TypeVar("T")

COLUMNS = ("name", "adapter", "auth", "credentials", "base_url", "time_zone", "only")
WAYS = ("basic", "bearer", "token", "invite")


@dataclass(frozen=True, slots=True)
class FileMistake:
    """A mistake in one line, in words that repeat nothing of the line."""

    line: int
    column: str
    what: str

    def __str__(self) -> str:
        """Return ``line: column: what``."""
        return f"{self.line}: {self.column}: {self.what}"


@dataclass(frozen=True, slots=True)
class OrgLine:
    """One org of the file, valid by itself."""

    line: int
    org: OrgId
    manifest: Manifest
    credentials: BasicCredentials | BearerToken | None = field(repr=False)
    """``None`` for an org that is invited, or connected already."""
    base_url: str | None
    time_zone: str | None
    only: str | None
    """As the file has it; ``None`` leaves the selection as it is."""


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: Mapping[str, str] = field(repr=False)


class _Invalid(Exception):
    """A cell is not valid."""


def read_orgs(path: Path, manifests: Mapping[str, Manifest]) -> tuple[list[OrgLine], list[FileMistake]]:
    """Return the orgs of a file, and the mistakes in it; with any of those, nothing of it may be used.

    Raises:
        UsageError: The file cannot be read, or is neither CSV nor YAML.
    """
    readers = {".csv": _read_csv, ".yaml": _read_yaml, ".yml": _read_yaml}
    if path.suffix.lower() not in readers:
        raise UsageError(f"expected a file that ends in {', '.join(readers)}: {path}")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not UTF-8 text") from None
    mistakes: list[FileMistake] = []
    lines = []
    first_lines: dict[tuple[OrgId, str], int] = {}
    for row in readers[path.suffix.lower()](text, mistakes):
        found = _validate(row, manifests, mistakes)
        if found is None:
            continue
        first = first_lines.setdefault((found.org, found.manifest.adapter), found.line)
        if first != found.line:
            mistakes.append(FileMistake(row.line, "name", f"the same org and adapter as in line {first}"))
        lines.append(found)
    if not lines and not mistakes:
        mistakes.append(FileMistake(1, "file", "expected at least one org"))
    return lines, sorted(mistakes, key=lambda mistake: mistake.line)


def _read_csv(text: str, mistakes: list[FileMistake]) -> Iterator[_Row]:
    first = text.partition("\n")[0]
    # Spreadsheets write semicolons where a comma is the decimal sign.
    rows = csv.reader(StringIO(text), delimiter=";" if ";" in first and "," not in first else ",", strict=True)
    header: list[str] = []
    line = 1
    try:
        for cells in rows:
            if not header:
                header = [cell.strip().lower() for cell in cells]
                if not _is_header(header, mistakes):
                    return
            elif len(cells) > len(header):
                mistakes.append(
                    FileMistake(line, "line", f"expected {len(header)} values, as in the header; found {len(cells)}")
                )
            elif any(cell.strip() for cell in cells):
                yield _Row(line, {name: cell.strip() for name, cell in zip(header, cells, strict=False)})
            line = rows.line_num + 1
    except csv.Error:
        mistakes.append(FileMistake(line, "line", "expected valid CSV; is a quote missing?"))


def _is_header(header: list[str], mistakes: list[FileMistake]) -> bool:
    unknown = [place for place, name in enumerate(header, start=1) if name not in COLUMNS]
    repeated = [place for place, name in enumerate(header, start=1) if name in header[: place - 1]]
    expected = f"expected another of the columns {', '.join(COLUMNS)}"
    mistakes += [FileMistake(1, f"column {place}", expected) for place in sorted({*unknown, *repeated})]
    if "name" not in header:
        mistakes.append(FileMistake(1, "header", "expected the column name"))
    return "name" in header and not unknown and not repeated


def _read_yaml(text: str, mistakes: list[FileMistake]) -> Iterator[_Row]:
    try:
        document = YamlText(text)
    except YAMLError as error:
        mark = error.problem_mark if isinstance(error, MarkedYAMLError) else None
        mistakes.append(FileMistake(1 if mark is None else mark.line + 1, "line", "expected valid YAML"))
        return
    if not isinstance(document.found, list):
        mistakes.append(FileMistake(1, "file", f"expected a list of orgs, each a mapping with {', '.join(COLUMNS)}"))
        return
    repeated = [(again.line, again.first_line) for again in document.repetitions()]
    mistakes += [FileMistake(line, "line", f"repeats a key of line {first}") for line, first in repeated]
    for place, item in enumerate(document.found):
        line = document.line((str(place),))
        if not isinstance(item, dict):
            mistakes.append(FileMistake(line, "line", f"expected a mapping with {', '.join(COLUMNS)}"))
            continue
        for key in item:
            if key not in COLUMNS:
                at = document.line((str(place), str(key)))
                mistakes.append(FileMistake(at, "key", f"expected one of {', '.join(COLUMNS)}"))
        cells = {str(key): _cell(value) for key, value in item.items() if value is not None}
        yield _Row(line, cells)


def _cell(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value).strip()


def _validate(row: _Row, manifests: Mapping[str, Manifest], mistakes: list[FileMistake]) -> OrgLine | None:
    """Return the org of a line, or add every mistake of the line."""
    before = len(mistakes)

    def take(column: str, parse: Callable[[str], T]) -> T | None:
        text = row.cells.get(column, "")
        if not text and column not in {"name", "adapter"}:
            return None
        try:
            return parse(text)
        except _Invalid as error:
            mistakes.append(FileMistake(row.line, column, f"expected {error}"))
            return None

    org = take("name", _parse_name)
    manifest = take("adapter", lambda text: _find_manifest(text, manifests))
    base_url = take("base_url", _parse_url)
    time_zone = take("time_zone", _parse_zone)
    way = take("auth", _parse_way)
    only = credentials = None
    if manifest is not None:
        only = take("only", lambda text: _parse_only(text, manifest))
        if not row.cells.get("credentials") and way not in {None, "invite"}:
            mistakes.append(FileMistake(row.line, "credentials", f"expected what {way} needs"))
        credentials = take("credentials", lambda text: _parse_credentials(text, way, manifest))
    if len(mistakes) > before or org is None or manifest is None:
        return None
    return OrgLine(row.line, org, manifest, credentials, base_url, time_zone, only)


def _parse_name(text: str) -> OrgId:
    try:
        return parse_org(text)
    except UsageError:
        raise _Invalid("1 to 63 lower-case letters, digits and hyphens, not beginning with a hyphen") from None


def _find_manifest(text: str, manifests: Mapping[str, Manifest]) -> Manifest:
    if not text and len(manifests) == 1:
        return next(iter(manifests.values()))
    if text not in manifests:
        raise _Invalid(f"one of {', '.join(sorted(manifests))}")
    return manifests[text]


def _parse_url(text: str) -> str:
    try:
        return parse_base_url(text)
    except click.BadParameter:
        raise _Invalid("http(s)://host[:port][/path] without user, query or fragment") from None


def _parse_zone(text: str) -> str:
    if text not in available_timezones():
        raise _Invalid("an IANA time zone such as America/Chicago")
    return text


def _parse_way(text: str) -> str:
    if text not in WAYS:
        raise _Invalid(f"one of {', '.join(WAYS)}, or nothing")
    return text


def _parse_only(text: str, manifest: Manifest) -> str:
    try:
        parse_selection(manifest, text)
    except UsageError:
        modules = ", ".join(sorted({entity.module for entity in manifest.entities.values()}))
        raise _Invalid(f"all, or modules ({modules}) and entities of the {manifest.adapter} manifest") from None
    return text


def _parse_credentials(text: str, way: str | None, manifest: Manifest) -> BasicCredentials | BearerToken:
    methods = set(manifest.adapter_file.auth.methods)
    if way is None:
        way = "basic" if "basic" in methods and ":" in text else "token" if "token" in methods else "bearer"
    if way not in methods:
        raise _Invalid(f"nothing, or one of {', '.join(sorted(methods))} for {manifest.adapter}")
    try:
        return parse_basic(text) if way == "basic" else parse_bearer(text)
    except click.BadParameter:
        expected = "ID:SECRET" if way == "basic" else "a token without spaces"
        raise _Invalid(expected) from None
