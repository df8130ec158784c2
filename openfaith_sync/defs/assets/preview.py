"""A preview of a few live rows, without personal data."""

import re
from collections.abc import Iterable, Sequence

import dagster as dg

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.store.admin.summaries import load_some_rows
from openfaith_sync.store.database.database import Database

PREVIEW_ROWS = 5
MAX_WIDTH = 60

_MARKDOWN_CHARACTERS = re.compile(r"[\\|*_`<>\[\]!#~]")


def read_preview(database: Database, org: OrgId, entity: Entity) -> dg.MetadataValue:
    """Return the first rows of an entity, for the asset's materialization."""
    columns = shown_columns(entity)
    rows = load_some_rows(database, org, entity.name, entity.record_table, columns, PREVIEW_ROWS)
    # Markdown, since Dagster's own table value takes 7 KB of the event log where this takes 1.
    return dg.MetadataValue.md(draw_table(columns, rows))


def shown_columns(entity: Entity) -> Sequence[str]:
    """Return the columns that a preview may contain: none that is, or could be, personal."""
    shown = [column.name for column in entity.record_table.columns if entity.column_sensitivities[column.name].is_shown]
    return ("id", *shown, "synced_at")


def draw_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; long values are truncated."""
    cells = [[_shown(value) for value in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in (columns, ["---"] * len(columns), *cells))


def _shown(value: object) -> str:
    text = "" if value is None else " ".join(str(value).split())
    text = text if len(text) <= MAX_WIDTH else f"{text[: MAX_WIDTH - 1]}…"
    return _MARKDOWN_CHARACTERS.sub(r"\\\g<0>", text)
