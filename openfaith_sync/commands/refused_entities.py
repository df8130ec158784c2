"""Describe the entities that sources refuse: unavailable, refused to one org, or refused to many orgs at once."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.commands.deployment import Deployment
from openfaith_sync.domain.connections.refusals import Refusal
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.connections.unavailable_entities import load_refusals
from openfaith_sync.store.database.database import Database

Refusals = Mapping[tuple[str, str], Refusal]
"""By org, and by adapter and entity as they are displayed."""


def load_access(deployment: Deployment, database: Database, org_filter: OrgId | None) -> Refusals:
    """Return what sources refuse to one org, or to all orgs."""
    folder = deployment.settings.manifests
    adapters = {connection.adapter for connection in list_connections(database, org_filter)} & set(
        list_adapters(folder)
    )
    return {
        (org, f"{adapter}/{entity}"): refusal
        for adapter in sorted(adapters)
        for org, entities in sorted(load_refusals(database, read_manifest(folder, adapter), org_filter).items())
        for entity, refusal in sorted(entities.items())
    }


def with_access(rows: Iterable[dict[str, Any]], refusals: Refusals) -> list[dict[str, Any]]:
    """Return the rows with refusals in the column ``access``.

    An entity that was never read gets a row of its own.
    """
    access_rows = {(row["org"], row["entity"]): row for row in rows}
    for (org, entity), refusal in refusals.items():
        if refusal.is_unavailable:
            access_rows.setdefault((org, entity), {"org": org, "entity": entity})
    for key, row in access_rows.items():
        row_refusal = refusals.get(key)
        row |= {
            "access": row_refusal and row_refusal.title,
            "access_reason": row_refusal and str(row_refusal),
        }
    return [access_rows[key] for key in sorted(access_rows)]


def describe_access(refusals: Refusals) -> Iterator[str]:
    """Yield one line for each entity that is not available, and one for those that an org did not select.

    What an org could read before is a problem, and told as one.
    """
    for (org, entity), refusal in refusals.items():
        if refusal.is_unavailable and not refusal.is_chosen:
            yield f"{org} {entity} is not available: {refusal}"
    for org, count in Counter(org for (org, _), refusal in refusals.items() if refusal.is_chosen).items():
        entities = "1 entity is" if count == 1 else f"{count} entities are"
        yield f"{org}: {entities} not selected, and not synced; see openfaith-sync org set {org}"
