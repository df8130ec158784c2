import io
from datetime import timedelta

from rich.console import Console
from rich.progress import Progress as Bars

from openfaith_sync.commands.sync_progress import BAR_COLUMNS, BarDisplay, LineDisplay
from openfaith_sync.domain.errors import TransientError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.passes.passes import Counts
from openfaith_sync.engine.org_sync import EntityOutcome
from openfaith_sync.engine.passes.pass_runner import PassProgress

PERSON, EMAIL = EntityName("person"), EntityName("email")


def progress(records: int, waited: float = 0) -> PassProgress:
    return PassProgress(
        records=records,
        total=2000,
        pages=1,
        requests=3,
        waited=timedelta(seconds=waited),
        counts=Counts(created=records),
    )


def test_a_log_gets_a_line_an_entity_and_one_now_and_then() -> None:
    said: list[str] = []
    clock = iter([0.0, 3.0, 10.0, 10.5])
    lines = LineDisplay(said.append, lambda: next(clock))
    lines.show(PERSON, progress(100))
    lines.show(PERSON, progress(200))
    lines.show(PERSON, progress(300, waited=12))
    lines.show(EMAIL, progress(100))
    lines.end(EntityOutcome(PERSON, error=TransientError("the source is away")))
    lines.end(EntityOutcome(EMAIL, skipped_because=PERSON))
    assert said == [
        "person: 100 of 2,000 records, 3 requests",
        "person: 300 of 2,000 records, 3 requests, waited 12 s for the rate limit",
        "email: 100 of 2,000 records, 3 requests",
        "person: failed: the source is away",
        "email: skipped, because person was not synced",
    ]


def test_a_terminal_gets_bars_with_records_of_total_and_requests() -> None:
    screen = io.StringIO()
    with Bars(*BAR_COLUMNS, console=Console(file=screen, width=150, force_terminal=True)) as bars:
        display = BarDisplay(bars)
        display.show(PERSON, progress(100, waited=7))
        bars.refresh()
        display.end(EntityOutcome(EMAIL, skipped_because=PERSON))
    shown = screen.getvalue()
    assert "100 of 2,000" in shown
    assert "3 requests, waited 7 s for the rate limit" in shown
    assert "skipped, because person was not synced" in shown
