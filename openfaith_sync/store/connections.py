"""Connections: whose data may be read, where, and with which credentials."""

import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openfaith_sync.domain.connection import BasicCredentials, Connection, ConnectionStatus, Credentials
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.store.database import Database

_ORG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

_ADD = """
INSERT INTO sync.connections (org_id, adapter, base_url, auth_method, secret) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (org_id, adapter) DO UPDATE
SET base_url = EXCLUDED.base_url, auth_method = EXCLUDED.auth_method, secret = EXCLUDED.secret,
    status = 'active', status_reason = NULL, updated_at = now()
RETURNING xmax = 0
"""
_LIST = """
SELECT org_id, adapter, base_url, auth_method, status, status_reason, created_at FROM sync.connections
WHERE %(org)s::text IS NULL OR org_id = %(org)s ORDER BY org_id, adapter
"""
_LOAD = """
SELECT base_url, auth_method, secret, status, status_reason FROM sync.connections WHERE org_id = %s AND adapter = %s
"""
_SET_STATUS = """
UPDATE sync.connections SET status = %s, status_reason = %s, updated_at = now() WHERE org_id = %s AND adapter = %s
"""


@dataclass(frozen=True, slots=True)
class ListedConnection:
    """A connection without its credentials, for people."""

    org: OrgId
    adapter: AdapterName
    base_url: str
    auth_method: str
    status: ConnectionStatus
    status_reason: str | None
    created_at: datetime


def parse_org(text: str) -> OrgId:
    """Give an org's name: a slug that fits a URL, a partition key and a log line.

    Raises:
        UsageError: It is not one.
    """
    if not _ORG.fullmatch(text):
        raise UsageError(
            f"an org's name is 1 to 63 lower-case letters, digits and hyphens, not a hyphen first; found {text[:80]!r}"
        )
    return OrgId(text)


def add_connection(database: Database, connection: Connection) -> bool:
    """Store a connection, active and encrypted; says whether it is new or replaced one."""
    method, secret = _written(connection.credentials)
    encrypted = database.keys.encrypt(secret)
    told = (connection.org, connection.adapter, connection.base_url, method, encrypted)
    with database.connect() as session:
        row = session.execute(_ADD, told).fetchone()
    return bool(row and row[0])


def list_connections(database: Database, org: OrgId | None = None) -> list[ListedConnection]:
    """Give the connections of one org or of all, in order; no key is needed for that."""
    with database.connect() as session:
        rows = session.execute(_LIST, {"org": org}).fetchall()
    return [
        ListedConnection(OrgId(row[0]), AdapterName(row[1]), row[2], row[3], ConnectionStatus(row[4]), row[5], row[6])
        for row in rows
    ]


def load_connection(database: Database, org: OrgId, adapter: AdapterName) -> Connection:
    """Give an org's connection with its credentials.

    Raises:
        UsageError: The org has none to this adapter.
        DefinitionError: Its credentials were encrypted with a key that we do not have.
    """
    with database.connect() as session:
        row = session.execute(_LOAD, (org, adapter)).fetchone()
    if row is None:
        raise UsageError(f"{org} is not connected to {adapter}; connect it with: openfaith-sync org add {org}")
    base_url, method, encrypted, status, reason = row
    secret = database.keys.decrypt(encrypted, f"{org}/{adapter}")
    return Connection(org, adapter, base_url, _read(method, secret), ConnectionStatus(status), reason)


def set_connection_status(
    database: Database, org: OrgId, adapter: AdapterName, status: ConnectionStatus, reason: str | None = None
) -> None:
    """Say whether a connection may be used, and why not.

    Raises:
        UsageError: The org has none to this adapter.
    """
    with database.connect() as session:
        changed = session.execute(_SET_STATUS, (status.value, reason, org, adapter)).rowcount
    if not changed:
        raise UsageError(f"{org} is not connected to {adapter}")


def _written(credentials: Credentials) -> tuple[str, bytes]:
    """Give the method's name and what is to be encrypted."""
    told = {"application_id": credentials.application_id, "secret": credentials.secret}
    return "basic", json.dumps(told).encode()


def _read(method: str, secret: bytes) -> Credentials:
    if method != "basic":
        raise UsageError(f"this version does not know the method {method!r} that a connection is stored with")
    told: dict[str, Any] = json.loads(secret)
    return BasicCredentials(told["application_id"], told["secret"])
