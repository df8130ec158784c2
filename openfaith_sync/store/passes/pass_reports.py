"""The report of a pass: what it found beside its counts."""

from collections.abc import Mapping

from psycopg.types.json import Jsonb

from openfaith_sync.domain.ids import SyncKey
from openfaith_sync.domain.passes.passes import Lease, PassId, Report
from openfaith_sync.store.passes.leases import LEASED, lease_parameters
from openfaith_sync.store.postgres.statements import Connection, fetch_one

_LOAD = "SELECT COALESCE(report, '{}') FROM sync.passes WHERE org_id = %s AND pass_id = %s"
_WRITE = f"""
WITH {LEASED}
UPDATE sync.passes SET report = COALESCE(report, '{{}}') || %(report)s FROM leased
WHERE org_id = %(org)s AND pass_id = %(pass)s
"""  # noqa: S608  every part is a constant


def load_report(connection: Connection, key: SyncKey, pass_id: PassId) -> Report:
    """Return the report of a pass so far."""
    report: Report = fetch_one(connection, _LOAD, (key.org, pass_id))[0]
    return report


def write_report(connection: Connection, lease: Lease, pass_id: PassId, report: Mapping[str, object]) -> None:
    """Add to what a pass reports; a figure replaces the one of the same name."""
    connection.execute(_WRITE, lease_parameters(lease) | {"pass": pass_id, "report": Jsonb(dict(report))})
