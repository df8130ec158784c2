"""What people read of entities that sources refuse: not available, refused for now, or refused to many orgs at once."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.commands.deployment import Deployment
from openfaith_sync.domain.connections.refusals import Refusal
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.connections.unavailable_entities import load_refusals
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.outages.incidents import list_incidents

Refusals = Mapping[tuple[str, str], Refusal]
"""By org, and by adapter and entity as people read them."""


def load_access(deployment: Deployment, database: Database, wanted: OrgId | None) -> Refusals:
    """Return what sources refuse to an org, or to all of them."""
    folder = deployment.settings.manifests
    adapters = {connection.adapter for connection in list_connections(database, wanted)} & set(list_adapters(folder))
    return {
        (org, f"{adapter}/{entity}"): refusal
        for adapter in sorted(adapters)
        for org, entities in sorted(load_refusals(database, read_manifest(folder, adapter), wanted).items())
        for entity, refusal in sorted(entities.items())
    }


def with_access(rows: Iterable[dict[str, Any]], refusals: Refusals) -> list[dict[str, Any]]:
    """Return the rows with what is refused in the column ``access``; what never was read has a row of its own."""
    found = {(row["org"], row["entity"]): row for row in rows}
    for (org, entity), refusal in refusals.items():
        if refusal.is_unavailable:
            found.setdefault((org, entity), {"org": org, "entity": entity})
    for key, row in found.items():
        held = refusals.get(key)
        row |= {"access": held and held.title, "access_reason": held and str(held)}
    return [found[key] for key in sorted(found)]


def describe_access(database: Database, refusals: Refusals) -> Iterator[str]:
    """Yield a line for each refusal, and one for all orgs that share an incident."""
    for (org, entity), refusal in refusals.items():
        if not refusal.is_incident:
            judged = "not available: " if refusal.is_unavailable else ""
            yield f"{org} {entity} is {judged}{refusal}"
    adapters = {entity.partition("/")[0] for (_, entity) in refusals}
    for incident in list_incidents(database):
        if incident.adapter in adapters:
            yield (
                f"{incident.adapter}/{incident.entity} is refused to many orgs since "
                f"{incident.since:%Y-%m-%d %H:%M:%S} UTC ({incident.reason}); nothing but a probe asks for it, "
                f"the next at {incident.probe_at:%H:%M:%S} UTC"
            )
