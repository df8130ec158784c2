"""Delete old passes that nothing references, and expired authorizations."""

from datetime import timedelta

from openfaith_sync.store.database.database import Database

BATCH = 10_000

# Kept: the pass behind each checkpoint, passes with holds that await a decision, and every open walk, with the
# sideloaded passes of all three.
_OLD = """
SELECT old.ctid FROM sync.passes old
WHERE old.ended_at < now() - %s AND old.status <> 'open'
  AND NOT EXISTS (SELECT FROM sync.checkpoints held
                  WHERE held.org_id = old.org_id AND held.completed_pass_id IN (old.pass_id, old.parent_pass_id))
  AND NOT EXISTS (SELECT FROM sync.holds hold
                  WHERE hold.org_id = old.org_id AND hold.pass_id = old.pass_id AND hold.status = 'open')
  AND NOT EXISTS (SELECT FROM sync.passes rider
                  WHERE rider.org_id = old.org_id AND rider.parent_pass_id = old.pass_id AND rider.status = 'open')
LIMIT %s
"""
_PRUNE = f"DELETE FROM sync.passes WHERE ctid = ANY (ARRAY({_OLD}))"  # noqa: S608  our own constant
_PRUNE_AUTHORIZATIONS = "DELETE FROM sync.authorizations WHERE expires_at < now() - %s"


def prune_passes(database: Database, older_than: timedelta) -> int:
    """Delete the passes of all orgs that ended longer ago than this, in batches, and return how many."""
    gone = 0
    with database.connect_fleet() as session:
        while batch := session.execute(_PRUNE, (older_than, BATCH)).rowcount:
            gone += batch
    return gone


def prune_authorizations(database: Database, older_than: timedelta) -> int:
    """Delete the authorizations that expired longer ago than this, and return how many."""
    with database.connect_fleet() as session:
        return session.execute(_PRUNE_AUTHORIZATIONS, (older_than,)).rowcount
