"""Print results to standard output: tables for people, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import click
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from rich.text import Text

from openfaith_sync.domain.errors import UsageError

as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")

_PIPE_WIDTH = 200


def print_rows(
    rows: Sequence[Mapping[str, Any]], columns: Iterable[str], *, as_json: bool, otherwise: str | None = None
) -> None:
    """Print rows as a table, or as a JSON list of objects; without rows, say ``otherwise`` instead of a table."""
    if as_json:
        print_json([dict(row) for row in rows])
        return
    if otherwise is not None and not rows:
        click.echo(otherwise, err=True)
        return
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        numbers = [isinstance(row.get(column), int | float) for row in rows if row.get(column) is not None]
        is_numeric = bool(numbers) and all(numbers)
        table.add_column(column.replace("_", " "), justify="right" if is_numeric else "left", overflow="fold")
    for row in rows:
        # As Text, since rich would interpret markup in a value.
        table.add_row(*(Text(_cell(row.get(column))) for column in columns))
    console().print(table)


def print_json(value: Any) -> None:
    """Print a value as JSON; times in ISO format, durations in seconds."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_json_value))


def console() -> Console:
    """Return the console to print to; wide if the output is not a terminal, so that programs read unbroken lines."""
    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else _PIPE_WIDTH, highlight=False)


def _cell(value: Any) -> str:
    match value:
        case None:
            text = "-"
        case bool():
            text = "yes" if value else "no"
        case int():
            text = f"{value:,}"
        case float():
            text = f"{value:,.1f}"
        case datetime():
            text = value.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        case _:
            text = str(value)
    return text


def _json_value(value: Any) -> Any:
    match value:
        case datetime():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case _:
            return str(value)


def counted(number: int, noun: str) -> str:
    """Return a number and its noun: `1 request`, `1,200 requests`."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def require_yes(question: str) -> None:
    """Ask on standard error, and return if the answer is yes.

    Raises:
        UsageError: The answer is no, or nobody is there to answer.
    """
    try:
        is_confirmed = click.confirm(question, err=True)
    except click.Abort:
        if sys.stdin.isatty():
            raise
        click.echo(err=True)
        raise UsageError("nothing was done, since nobody answered; --yes does not ask") from None
    if not is_confirmed:
        raise UsageError("nothing was done")
