"""``org import``: connect or invite many orgs from a file."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.adapters.sources import verify_connection
from openfaith_sync.commands.connection_lookup import choose_base_url
from openfaith_sync.commands.dagster_partitions import Partitions, open_partitions
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.org_file import FileMistake, OrgLine, read_orgs
from openfaith_sync.commands.org_invite import DAYS, MOST_DAYS, require_invitable, send_invitation
from openfaith_sync.commands.output import as_json, counted, print_json
from openfaith_sync.domain.connections.connection import Connection, ConnectionStatus
from openfaith_sync.domain.connections.selection import parse_selection
from openfaith_sync.domain.errors import SyncError, UsageError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.domain.schedule.due_work import WHAT_REPEATS
from openfaith_sync.store.admin.org_settings import set_org
from openfaith_sync.store.connections.connections import (
    ListedConnection,
    add_connection,
    list_connections,
    load_connection,
)
from openfaith_sync.store.connections.invitations import Invitation, InvitationState, list_invitations
from openfaith_sync.store.connections.selections import select_only
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.schedule.work import make_due, replan_nights

FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one line."""

    line: int
    org: OrgId
    adapter: AdapterName
    result: str
    detail: str | None = None
    url: str | None = None
    """The link to send, of a new invitation."""

    def __str__(self) -> str:
        """Describe it in one line."""
        told = self.url or self.detail
        return f"{self.line}: {self.org} ({self.adapter}): {self.result}" + (f": {told}" if told else "")


@dataclass(frozen=True, slots=True)
class _Known:
    """What is stored of the orgs before the import."""

    connections: Mapping[tuple[OrgId, AdapterName], ListedConnection]
    open_invitations: Mapping[tuple[OrgId, AdapterName], Invitation]


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check the file, and say what would be done; ask and store nothing.")
@click.option("--invite", "is_inviting", is_flag=True, help="Invite the orgs that have no credentials in the file.")
@click.option(
    "--days", type=click.IntRange(1, MOST_DAYS), default=DAYS, show_default=True, help="How long links are valid."
)
@click.option("--asked-by", metavar="TEXT", help="Who asks, as the page says; by default OPENFAITH_OPERATOR.")
@as_json
@pass_deployment
@click.pass_context
def import_(
    context: click.Context,
    deployment: Deployment,
    file: Path,
    *,
    dry_run: bool,
    is_inviting: bool,
    days: int,
    asked_by: str | None,
    as_json: bool,
) -> None:
    """Connect or invite the orgs in FILE, a CSV file with a header or a YAML list.

    Columns: name, adapter, auth (basic, bearer, token or invite), credentials (ID:SECRET or a
    token), base_url, time_zone, only. Only name is always required.

    The whole file is checked first; with a mistake, nothing is done. Then each line is done by
    itself: one that the source refuses stops no other, and the exit status is 1. Importing the same
    file again changes nothing. No message repeats a value of the file; delete it when you are done.

    \b
    Examples:
      openfaith-sync org import churches.csv --invite --dry-run
      openfaith-sync org import churches.csv --invite --days 14
    """  # noqa: D301  click's marker for lines that are not rewrapped
    folder = deployment.settings.manifests
    lines, mistakes = read_orgs(file, {name: read_manifest(folder, name) for name in list_adapters(folder)})
    with open_database(deployment.settings) as database:
        known = _load_known(database)
        mistakes += _find_unusable(lines, known, is_inviting=is_inviting)
        if mistakes:
            if as_json:
                print_json({"mistakes": [asdict(mistake) for mistake in mistakes]})
            for mistake in sorted(mistakes, key=lambda found: found.line):
                click.echo(f"{file}:{mistake}", err=True)
            raise UsageError(f"{file} has {counted(len(mistakes), 'mistake')}; nothing was done")
        database.keys.require()
        invited = [one for one in lines if one.credentials is None and _key(one) not in known.connections]
        who = {one.manifest.adapter: require_invitable(deployment, one.manifest, asked_by) for one in invited}
        done = []
        with nullcontext() if dry_run else open_partitions(deployment) as partitions:
            for line in lines:
                if partitions is None:
                    found = _foretell(database, line, known)
                else:
                    found = _do(deployment, database, partitions, line, known, who=who, days=days)
                done.append(found)
                if not as_json:
                    # At once: the link of an invitation is known only now.
                    click.echo(f"{file}:{found}")
    if as_json:
        print_json([asdict(found) for found in done])
    if any(found.result == FAILED for found in done):
        context.exit(1)


def _load_known(database: Database) -> _Known:
    invitations = [one for one in list_invitations(database) if one.state is InvitationState.OPEN]
    return _Known(
        {(one.org, one.adapter): one for one in list_connections(database)},
        {(one.org, one.adapter): one for one in invitations},
    )


def _key(line: OrgLine) -> tuple[OrgId, AdapterName]:
    return line.org, line.manifest.adapter


def _find_unusable(lines: Sequence[OrgLine], known: _Known, *, is_inviting: bool) -> list[FileMistake]:
    """Return the mistakes that only show beside what is stored."""
    mistakes = []
    for line in lines:
        is_connected = _key(line) in known.connections
        if line.credentials is None and not is_connected:
            if line.manifest.adapter_file.auth.oauth2 is None:
                mistakes.append(
                    FileMistake(line.line, "credentials", f"required, since {line.manifest.adapter} has no OAuth")
                )
            elif not is_inviting:
                mistakes.append(FileMistake(line.line, "credentials", "required; or invite the org with --invite"))
        if line.base_url is None and not is_connected and line.manifest.adapter_file.has_base_url_per_org:
            mistakes.append(FileMistake(line.line, "base_url", "required: each org has an address of its own"))
    return mistakes


def _foretell(database: Database, line: OrgLine, known: _Known) -> Done:
    """Return what would be done; nothing is asked of the source."""
    org, adapter = _key(line)
    if line.credentials is not None:
        result = "unchanged" if _is_current(database, line, known) else "would connect"
    elif (org, adapter) in known.connections:
        result = "connected already"
    else:
        result = "invited already" if (org, adapter) in known.open_invitations else "would invite"
    return Done(line.line, org, adapter, result)


def _do(
    deployment: Deployment,
    database: Database,
    partitions: Partitions,
    line: OrgLine,
    known: _Known,
    *,
    who: Mapping[AdapterName, str],
    days: int,
) -> Done:
    org, adapter = _key(line)
    try:
        if line.credentials is not None and not _is_current(database, line, known):
            return _connect(database, partitions, line)
        is_changed = _set(database, line)
        if (org, adapter) in known.connections:
            return Done(line.line, org, adapter, "settings changed" if is_changed else "unchanged")
        if (found := known.open_invitations.get((org, adapter))) is not None:
            until = f"until {found.expires_at:%Y-%m-%d %H:%M} UTC; a new link: openfaith-sync org invite {org}"
            return Done(line.line, org, adapter, "invited already", until)
        sent = send_invitation(
            deployment, database, line.manifest, org, who=who[adapter], days=days, base_url=line.base_url
        )
        return Done(line.line, org, adapter, "invited", f"until {sent.expires_at:%Y-%m-%d %H:%M} UTC", sent.url)
    except SyncError as error:
        return Done(line.line, org, adapter, FAILED, str(error))


def _connect(database: Database, partitions: Partitions, line: OrgLine) -> Done:
    org, adapter = _key(line)
    assert line.credentials is not None
    url = choose_base_url(database, org, line.manifest, line.base_url)
    connection = Connection(org, adapter, url, line.credentials)
    identity = verify_connection(line.manifest, connection)
    # Before the connection is there, so that its first sync knows them.
    _set(database, line)
    identified = replace(connection, account=identity.account)
    is_new = add_connection(database, identified, organization=identity.organization)
    partitions.register(org)
    make_due(database, org, adapter, WHAT_REPEATS, "reconnected")
    whose = f"{identity.organization or 'name unknown'}, account {identity.account or 'unknown'}"
    return Done(line.line, org, adapter, "connected" if is_new else "credentials replaced", whose)


def _set(database: Database, line: OrgLine) -> bool:
    """Store the settings in a line, and return whether that changed any."""
    org, adapter = _key(line)
    is_changed = False
    if line.only is not None:
        is_changed = select_only(database, org, adapter, parse_selection(line.manifest, line.only))
    if line.time_zone is not None and set_org(database, org).time_zone != line.time_zone:
        set_org(database, org, time_zone=line.time_zone)
        replan_nights(database, org, line.time_zone)
        is_changed = True
    return is_changed


def _is_current(database: Database, line: OrgLine, known: _Known) -> bool:
    """Return whether an org is connected with the credentials of its line already, and they were not refused."""
    listed = known.connections.get(_key(line))
    if listed is None or listed.status is ConnectionStatus.RECONNECT_NEEDED:
        return False
    if line.base_url not in {None, listed.base_url}:
        return False
    return load_connection(database, listed.org, listed.adapter).credentials == line.credentials
