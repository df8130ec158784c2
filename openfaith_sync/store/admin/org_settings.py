"""The settings of one org: its time zone, its deletion and rejection limits, and how far back it reads."""

from dataclasses import dataclass

from openfaith_sync.domain.defaults import DELETION_COUNT, DELETION_SHARE, HISTORY_MONTHS, REJECTED_SHARE
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.database.database import Database

_SET = """
INSERT INTO sync.orgs AS held (org_id, time_zone, deletion_count, deletion_share, rejected_share, history_months)
VALUES (%(org)s, COALESCE(%(zone)s, 'UTC'), COALESCE(%(count)s, %(default_count)s),
        COALESCE(%(share)s, %(default_share)s), COALESCE(%(rejected)s, %(default_rejected)s),
        COALESCE(%(history)s, %(default_history)s))
ON CONFLICT (org_id) DO UPDATE SET time_zone = COALESCE(%(zone)s, held.time_zone),
  deletion_count = COALESCE(%(count)s, held.deletion_count), deletion_share = COALESCE(%(share)s, held.deletion_share),
  rejected_share = COALESCE(%(rejected)s, held.rejected_share),
  history_months = COALESCE(%(history)s, held.history_months)
RETURNING time_zone, deletion_count, deletion_share, rejected_share, history_months
"""
_TIME_ZONE = "SELECT time_zone FROM sync.orgs WHERE org_id = %s"


@dataclass(frozen=True, slots=True)
class OrgSettings:
    """The settings of one org."""

    time_zone: str
    """The time zone of its nights."""
    deletion_count: int
    """Deletions up to this number need no approval."""
    deletion_share: float
    """Deletions up to this share of the records need no approval."""
    rejected_share: float
    """A sync fails if it rejects more than this share of the records."""
    history_months: int
    """How far back records are read that cost a request for each parent."""


def set_org(
    database: Database,
    org: OrgId,
    *,
    time_zone: str | None = None,
    deletion_count: int | None = None,
    deletion_share: float | None = None,
    rejected_share: float | None = None,
    history_months: int | None = None,
) -> OrgSettings:
    """Change the settings that are passed, and return all of them."""
    given = {
        "org": org,
        "zone": time_zone,
        "count": deletion_count,
        "share": deletion_share,
        "rejected": rejected_share,
        "history": history_months,
        "default_count": DELETION_COUNT,
        "default_share": DELETION_SHARE,
        "default_rejected": REJECTED_SHARE,
        "default_history": HISTORY_MONTHS,
    }
    with database.connect(org) as session:
        row = session.execute(_SET, given).fetchone()
    assert row is not None
    return OrgSettings(*row)


def load_time_zone(database: Database, org: OrgId) -> str:
    """Return the time zone of an org; UTC if none was set."""
    with database.connect(org) as session:
        row = session.execute(_TIME_ZONE, (org,)).fetchone()
    return str(row[0]) if row else "UTC"
