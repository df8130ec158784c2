"""Show a sync's progress on standard error: bars for people, lines for logs."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Protocol

import click
from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBars
from rich.text import Text

from openfaith_sync.commands.output import counted
from openfaith_sync.domain.connections.deployment_settings import LogFormat
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.passes.pass_notes import remarks
from openfaith_sync.engine.org_sync import EntityOutcome
from openfaith_sync.engine.passes.pass_runner import PassProgress

SECONDS_BETWEEN_LINES = 10.0


class ProgressDisplay(Protocol):
    """Shows the progress of a sync."""

    def show(self, entity: EntityName, progress: PassProgress) -> None:
        """Show an entity's progress."""
        ...

    def end(self, outcome: EntityOutcome) -> None:
        """Show an entity's outcome."""
        ...


@contextmanager
def open_display(log_format: LogFormat) -> Iterator[ProgressDisplay]:
    """Yield progress bars on a terminal, and lines elsewhere; lines of the log where that is JSON."""
    if log_format is LogFormat.JSON:
        yield LineDisplay(logging.getLogger(__name__).info)
        return
    if not sys.stderr.isatty():
        yield LineDisplay()
        return
    with ProgressBars(*BAR_COLUMNS, console=Console(stderr=True)) as bars:
        yield BarDisplay(bars)


class LineDisplay:
    """Prints a line when an entity ends, and one every few seconds until then."""

    def __init__(
        self,
        say: Callable[[str], None] = lambda line: click.echo(line, err=True),
        clock: Callable[[], float] = monotonic,
    ) -> None:
        """Print with ``say``; an entity's first line is printed immediately."""
        self._say = say
        self._clock = clock
        self._last: tuple[EntityName | None, float] = (None, 0.0)

    def show(self, entity: EntityName, progress: PassProgress) -> None:
        """Print an entity's progress, unless a line about it was just printed."""
        now = self._clock()
        if self._last[0] == entity and now - self._last[1] < SECONDS_BETWEEN_LINES:
            return
        self._last = (entity, now)
        self._say(
            f"{entity}: {_of_total(progress)} records, {counted(progress.requests, 'request')}{_waited(progress)}"
        )

    def end(self, outcome: EntityOutcome) -> None:
        """Print an entity's outcome."""
        self._say(f"{outcome.entity}: {_ending(outcome)}")


class BarDisplay:
    """Shows a bar per entity: records of the total, rate, requests, waiting, and the time left."""

    def __init__(self, bars: ProgressBars) -> None:
        """Show progress on these bars, made of ``BAR_COLUMNS``."""
        self._bars = bars
        self._tasks: dict[EntityName, TaskID] = {}

    def show(self, entity: EntityName, progress: PassProgress) -> None:
        """Advance the entity's bar."""
        text = f"{counted(progress.requests, 'request')}{_waited(progress)}"
        self._bars.update(self._task(entity), completed=progress.records, total=progress.total, text=text)

    def end(self, outcome: EntityOutcome) -> None:
        """Fill the entity's bar, or leave it where it stopped."""
        task = self._task(outcome.entity)
        if outcome.result is None:
            self._bars.update(task, text=_ending(outcome))
            self._bars.stop_task(task)
        else:
            records = outcome.result.counts.records
            self._bars.update(task, completed=records or 1, total=records or 1, text=_ending(outcome), is_ended=True)

    def _task(self, entity: EntityName) -> TaskID:
        if entity not in self._tasks:
            self._tasks[entity] = self._bars.add_task(entity, total=None, text="", is_ended=False)
        return self._tasks[entity]


class _SummaryColumn(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.fields["is_ended"]:
            return Text(task.fields["text"])
        total = "" if task.total is None else f" of {task.total:,.0f}"
        rate = "" if task.speed is None else f", {task.speed:,.0f}/s"
        return Text(f"{task.completed:,.0f}{total}{rate}, {task.fields['text']}")


BAR_COLUMNS = (
    TextColumn("{task.description:<14}"),
    BarColumn(bar_width=24),
    _SummaryColumn(),
    TimeRemainingColumn(compact=True),
)


def _of_total(progress: PassProgress) -> str:
    return f"{progress.records:,}" + ("" if progress.total is None else f" of {progress.total:,}")


def _waited(progress: PassProgress) -> str:
    seconds = progress.waited.total_seconds()
    return f", waited {seconds:.0f} s for the rate limit" if seconds >= 1 else ""


def _ending(outcome: EntityOutcome) -> str:
    result = outcome.result
    if result is None:
        because = outcome.skipped_because
        if outcome.is_unavailable:
            return f"not available, because {because} is not" if because else f"not available: {outcome.error}"
        return f"skipped, because {because} was not synced" if because else f"failed: {outcome.error}"
    counts = result.counts
    older = f"{taken:,} older versions accepted, " if (taken := result.report.get("older_taken")) else ""
    waiting = f"{left:,} older at the source, " if (left := result.report.get("older_at_source")) else ""
    tombstoned = f"{counts.tombstoned:,} tombstoned, " if counts.tombstoned else ""
    return (
        f"{counts.created:,} created, {counts.updated:,} updated, {counts.unchanged:,} unchanged, "
        f"{tombstoned}{older}{waiting}{counts.dead:,} rejected; "
        f"{counted(result.requests, 'request')}, {result.duration.total_seconds():.1f} s"
        + "".join(f"; {remark}" for remark in remarks(result.report))
    )
