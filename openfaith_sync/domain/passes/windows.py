"""The window of a listing: the records whose attribute lies within some days of now."""

from datetime import UTC, datetime, timedelta

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.manifest.cadence_keys import TimeWindow
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.passes.listing import Within
from openfaith_sync.domain.passes.passes import Report
from openfaith_sync.domain.record_tables import MAPPED_COMMON, ColumnType

SCOPE = "scope"
"""The part of a pass's report that says what it covered; a pass that covered everything has none."""
WINDOW, IDS = "window", "ids and versions"
_ATTRIBUTE, _BEGIN, _END = "window_attribute", "window_begin", "window_end"


def open_window(window: TimeWindow, now: datetime) -> Within:
    """Return what a window covers now, in whole days of UTC: the same all day, so that a pass can be resumed."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    begin, end = (None if days is None else today + timedelta(days=days) for days in (window.from_days, window.to_days))
    return Within(window.attribute, begin, end)


def report_window(within: Within) -> Report:
    """Return a window as a part of a pass's report."""
    begin, end = (None if at is None else at.isoformat() for at in (within.begin, within.end))
    return {SCOPE: WINDOW, _ATTRIBUTE: within.attribute, _BEGIN: begin, _END: end}


def reported_window(report: Report) -> Within | None:
    """Return the window that a pass covers; ``None`` if it covers everything."""
    if report.get(SCOPE) != WINDOW:
        return None
    begin, end = (report.get(key) for key in (_BEGIN, _END))
    times = (None if at is None else datetime.fromisoformat(str(at)) for at in (begin, end))
    return Within(str(report[_ATTRIBUTE]), *times)


def stored_in(entity: Entity, within: Within) -> str:
    """Return the column that holds the attribute of a window.

    Raises:
        DefinitionError: No column of times does; then a window cannot be compared with what is stored.
    """
    name = entity.attributes[within.attribute].to
    column = next((one for one in (*entity.record_table.columns, *MAPPED_COMMON) if one.name == name), None)
    if column is None or column.type not in {ColumnType.TIMESTAMP, ColumnType.DATE}:
        raise DefinitionError(
            f"{entity.name}.cadence: expected the attribute of a window in a column of times; "
            f"found {within.attribute!r}, which has none"
        )
    return column.name
