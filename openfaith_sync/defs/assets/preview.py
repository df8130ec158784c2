"""A few of an entity's live rows, without anything personal."""

import re
from collections.abc import Iterable, Sequence

import dagster as dg

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.store.admin.summaries import load_some_rows
from openfaith_sync.store.database.database import Database

PREVIEW_ROWS = 5
WIDEST = 60

_MEANS_SOMETHING = re.compile(r"[\\|*_`<>\[\]!#~]")


def read_preview(database: Database, org: OrgId, entity: Entity) -> dg.MetadataValue:
    """Return the first rows of an entity for the asset's history."""
    columns = shown_columns(entity)
    rows = load_some_rows(database, org, entity.name, entity.table, columns, PREVIEW_ROWS)
    # Markdown, since Dagster's own table value takes 7 KB of event log where this takes 1.
    return dg.MetadataValue.md(draw_table(columns, rows))


def shown_columns(entity: Entity) -> Sequence[str]:
    """Return the columns that a preview may hold: none that is personal, none that could be."""
    return ("id", *(column.name for column in entity.canonical.columns if not column.private), "synced_at")


def draw_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Draw a Markdown table; long values are cut."""
    import pandas as pd  # noqa: PLC0415  half a second that only a sync should wait, not every load

    frame = pd.DataFrame([[_shown(value) for value in row] for row in rows], columns=list(columns))
    return str(frame.to_markdown(index=False, disable_numparse=True))


def _shown(value: object) -> str:
    text = "" if value is None else " ".join(str(value).split())
    text = text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"
    return _MEANS_SOMETHING.sub(r"\\\g<0>", text)
