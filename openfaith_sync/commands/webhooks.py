"""``webhooks``: the webhook subscriptions of each org, and the events received."""

from collections.abc import Callable
from typing import Any

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.commands.adapters import adapter_option, find_adapter
from openfaith_sync.commands.connection_lookup import load_usable_connection
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json, print_rows
from openfaith_sync.domain.connections.selection import find_unselected
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import EntityName, parse_org
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.webhooks.event_names import announcements
from openfaith_sync.domain.webhooks.subscription import SubscriptionReport
from openfaith_sync.engine.ports.subscriptions import SubscriptionSource, SubscriptionStore
from openfaith_sync.engine.webhooks.subscriptions import ensure_subscriptions, remove_subscriptions, rotate_secrets
from openfaith_sync.sessions.opening import open_shared_subscriptions
from openfaith_sync.store.connections.connections import load_connection
from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.webhooks.subscriptions import open_subscriptions
from openfaith_sync.store.webhooks.webhook_status import WebhookStatus, load_webhook_status

COLUMNS = ("event", "subscribed", "active", "checked", "received", "waiting", "malformed", "last_received")

Change = Callable[[frozenset[EntityName], Manifest, SubscriptionSource, SubscriptionStore], SubscriptionReport]


@click.group()
def webhooks() -> None:
    """Manage the subscriptions through which sources send webhooks to openfaith-sync serve."""


@webhooks.command()
@click.argument("org")
@adapter_option
@as_json
@pass_deployment
@click.pass_context
def status(context: click.Context, deployment: Deployment, org: str, adapter: str | None, as_json: bool) -> None:
    """Show which events ORG's source sends, as of the last check, and what was received.

    The exit status is 1 if an event that the manifest lists is not sent.
    """
    name = parse_org(org)
    with open_database(deployment.settings) as database:
        adapter = find_adapter(database, name, adapter)
        manifest = read_manifest(deployment.settings.manifests, adapter)
        connection = load_connection(database, name, adapter)
        wanted = announcements(manifest, find_unselected(manifest, connection.only, connection.sensitive))
        rows_by_event = {row.name: row for row in load_webhook_status(database, name, adapter)}
    rows = [_row(event, rows_by_event.get(event)) for event in sorted({*wanted, *rows_by_event})]
    print_rows(rows, COLUMNS, as_json=as_json)
    if not all(event in rows_by_event and rows_by_event[event].is_active for event in wanted):
        context.exit(1)


@webhooks.command()
@click.argument("org")
@adapter_option
@as_json
@pass_deployment
@click.pass_context
def ensure(context: click.Context, deployment: Deployment, org: str, adapter: str | None, as_json: bool) -> None:
    """Subscribe to every event that the manifest lists, and fetch the events that were missed.

    Creates missing subscriptions, adopts or replaces existing ones, reactivates those that
    the source deactivated, and removes those that are not needed. Requires
    OPENFAITH_PUBLIC_URL. The exit status is 1 if the source refuses an event.
    """
    public_url = deployment.settings.public_url
    if public_url is None:
        raise UsageError(
            "OPENFAITH_PUBLIC_URL is not set; set it to the URL at which sources reach openfaith-sync serve"
        )
    report = _change(
        deployment,
        org,
        adapter,
        lambda unselected, m, source, store: ensure_subscriptions(m, source, store, public_url, unselected),
    )
    _print(report, as_json=as_json)
    if report.refused:
        context.exit(1)


@webhooks.command()
@click.argument("org")
@adapter_option
@as_json
@pass_deployment
@click.pass_context
def rotate(context: click.Context, deployment: Deployment, org: str, adapter: str | None, as_json: bool) -> None:
    """Rotate the secrets that ORG's source signs with; the old ones stay valid for 24 hours."""
    report = _change(deployment, org, adapter, lambda _unselected, _, source, store: rotate_secrets(source, store))
    _print(report, as_json=as_json)
    if report.refused:
        context.exit(1)


@webhooks.command()
@click.argument("org")
@adapter_option
@as_json
@pass_deployment
def remove(deployment: Deployment, org: str, adapter: str | None, as_json: bool) -> None:
    """Remove all webhook subscriptions of ORG at its source."""
    public_url = deployment.settings.public_url
    report = _change(
        deployment, org, adapter, lambda _unselected, _, source, store: remove_subscriptions(source, store, public_url)
    )
    _print(report, as_json=as_json)


def _change(deployment: Deployment, org: str, adapter: str | None, change: Change) -> SubscriptionReport:
    with open_database(deployment.settings) as database:
        manifest = read_manifest(deployment.settings.manifests, find_adapter(database, parse_org(org), adapter))
        connection = load_usable_connection(database, org, manifest.adapter)
        with (
            open_shared_subscriptions(database, manifest, connection) as source,
            open_subscriptions(database, connection.org, manifest.adapter) as store,
        ):
            return change(find_unselected(manifest, connection.only, connection.sensitive), manifest, source, store)


def _row(event: str, status_row: WebhookStatus | None) -> dict[str, Any]:
    return {
        "event": event,
        "subscribed": bool(status_row and status_row.url),
        "active": bool(status_row and status_row.is_active),
        "url": status_row and status_row.url,
        "checked": status_row and status_row.checked_at,
        "received": status_row.received if status_row else 0,
        "waiting": status_row.waiting if status_row else 0,
        "malformed": status_row.malformed if status_row else 0,
        "last_received": status_row and status_row.last_received_at,
    }


def _print(report: SubscriptionReport, *, as_json: bool) -> None:
    lists = ("created", "adopted", "reactivated", "rotated", "removed")
    if as_json:
        names = {name: list(getattr(report, name)) for name in lists}
        print_json({"wanted": report.wanted, **names, "refused": dict(report.refused), "missed": report.missed_events})
        return
    done = [f"{len(getattr(report, name))} {name}" for name in lists if getattr(report, name)]
    if report.missed_events:
        done.append(f"{report.missed_events} missed events fetched")
    click.echo(", ".join(done) or f"all {report.wanted} subscriptions are up to date")
    for name, why in report.refused.items():
        click.echo(f"{name}: {why}", err=True)
