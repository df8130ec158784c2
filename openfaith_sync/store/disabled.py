"""Entities that a source refuses to an org: asked for once a day, to see whether that is over, and by people.

What a grant's scopes do not reach needs no row: it follows from the scopes that are stored with the tokens.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from openfaith_sync.domain.connection import Connection
from openfaith_sync.domain.errors import AccessDenied
from openfaith_sync.domain.granting import find_ungranted
from openfaith_sync.domain.ids import EntityName, OrgId
from openfaith_sync.domain.manifest import Manifest
from openfaith_sync.store.connections import list_connections
from openfaith_sync.store.database import Database

ASK_AGAIN_AFTER = timedelta(days=1)

_DISABLE = """
INSERT INTO sync.disabled_entities (org_id, adapter, entity, reason, ask_again_at) VALUES (%s, %s, %s, %s, now() + %s)
ON CONFLICT (org_id, adapter, entity) DO UPDATE SET reason = EXCLUDED.reason, ask_again_at = EXCLUDED.ask_again_at
"""
_ENABLE = "DELETE FROM sync.disabled_entities WHERE org_id = %s AND adapter = %s AND entity = %s"
_LOAD = """
SELECT org_id, entity, reason FROM sync.disabled_entities
WHERE adapter = %(adapter)s AND (%(org)s::text IS NULL OR org_id = %(org)s) AND ask_again_at > now()
"""

Refused = Mapping[OrgId, Mapping[EntityName, str]]


@contextmanager
def noting_access(database: Database, connection: Connection, entity: EntityName) -> Iterator[None]:
    """Have an entity disabled when the source refuses it in this block, and enabled when it does not."""
    try:
        yield
    except AccessDenied as error:
        note_access(database, connection, entity, str(error))
        raise
    note_access(database, connection, entity, None)


def note_access(database: Database, connection: Connection, entity: EntityName, refusal: str | None) -> None:
    """Have an entity disabled for a day by what the source said, or enabled."""
    key = (connection.org, connection.adapter, entity)
    with database.connect(connection.org) as session:
        if refusal is None:
            session.execute(_ENABLE, key)
        else:
            session.execute(_DISABLE, (*key, refusal, ASK_AGAIN_AFTER))


def load_refused(database: Database, manifest: Manifest, org: OrgId | None = None) -> Refused:
    """Give what is not asked for, by org, with the reason: what was refused lately, and what was not granted."""
    refused: dict[OrgId, dict[EntityName, str]] = {}
    with database.connect_reading(org) as session:
        for whose, entity, reason in session.execute(_LOAD, {"adapter": manifest.adapter, "org": org}):
            refused.setdefault(OrgId(whose), {})[EntityName(entity)] = reason
    for connection in list_connections(database, org):
        if connection.adapter == manifest.adapter and (found := find_ungranted(manifest, connection.scopes)):
            refused.setdefault(connection.org, {}).update(found)
    return refused
