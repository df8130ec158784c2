"""Circuit breakers: an unreachable source gets one probe at a time, whichever process would call it.

A breaker opens after several requests in a row were unanswered for a while; the one for the whole
adapter opens when that is true of several orgs and of most. While it is closed, a request costs
no query; while it is open, each attempt costs one, and every so often one is let through as a
probe. The first response closes it, and the work that waited for it is due at once.
"""

import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from openfaith_sync.domain.errors import SourceAway
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import Connection


@dataclass(frozen=True, slots=True)
class BreakerRules:
    """When a breaker opens, and how often it is probed."""

    requests: int = 2
    """The number of different requests that must fail: a single one may itself be at fault."""
    lasting: timedelta = timedelta(seconds=10)
    """How long nothing must be answered: anything shorter is covered by retries."""
    orgs: int = 3
    """The number of orgs that must be affected, and most of those that sent requests, for an outage of the provider."""
    span: timedelta = timedelta(minutes=10)
    """Failures older than this are ignored."""
    first_probe: timedelta = timedelta(seconds=15)
    last_probe: timedelta = timedelta(minutes=5)
    """The waits between probes double from the first to this one."""
    probe_lasts: timedelta = timedelta(minutes=3)
    """Longer than any request may take: after this the probe was lost, and another one may be sent."""


RULES = BreakerRules()

LEFT_ALONE = """
AND NOT EXISTS (SELECT FROM sync.breakers away
                WHERE away.org_id = work.org_id AND away.adapter = work.adapter
                  AND away.opened_at IS NOT NULL AND away.probe_at > now() - interval '5 minutes')
AND NOT EXISTS (SELECT FROM sync.adapter_breakers away
                WHERE away.adapter = work.adapter AND away.probe_at > now() - interval '5 minutes')
"""
"""Excludes ``work`` whose source is unreachable; if no process probes it, any process may."""

# Only one transaction at a time changes breakers of an adapter: a response changes many, and a failure may change
# two.
_ALONE = "SELECT pg_advisory_xact_lock(hashtextextended('openfaith breakers ' || %(adapter)s, 0))"
_STATE = """
SELECT true, opened_at, probe_at, now(), reason FROM sync.adapter_breakers WHERE adapter = %(adapter)s
UNION ALL
SELECT false, opened_at, probe_at, now(), reason FROM sync.breakers
WHERE org_id = %(org)s AND adapter = %(adapter)s AND opened_at IS NOT NULL
ORDER BY 1 DESC LIMIT 1
"""
_CLAIM_ADAPTER = """
UPDATE sync.adapter_breakers SET probe_at = now() + %(lasts)s WHERE adapter = %(adapter)s AND probe_at <= now()
"""
_CLAIM = """
UPDATE sync.breakers SET probe_at = now() + %(lasts)s
WHERE org_id = %(org)s AND adapter = %(adapter)s AND opened_at IS NOT NULL AND probe_at <= now()
"""
_FAIL = """
INSERT INTO sync.breakers AS held (org_id, adapter, failing, first_failed_at, last_failed_at, reason)
SELECT org_id, adapter, ARRAY[%(request)s], now() - %(lasted)s, now(), %(reason)s
FROM sync.connections WHERE org_id = %(org)s AND adapter = %(adapter)s
ON CONFLICT (org_id, adapter) DO UPDATE SET
  failing = CASE WHEN held.opened_at IS NULL AND held.last_failed_at < now() - %(span)s THEN EXCLUDED.failing
                 WHEN cardinality(held.failing) >= %(requests)s OR held.failing @> EXCLUDED.failing THEN held.failing
                 ELSE held.failing || EXCLUDED.failing END,
  first_failed_at = CASE WHEN held.opened_at IS NULL AND held.last_failed_at < now() - %(span)s
                         THEN EXCLUDED.first_failed_at
                         ELSE least(held.first_failed_at, EXCLUDED.first_failed_at) END,
  last_failed_at = now(), reason = EXCLUDED.reason
RETURNING cardinality(failing) >= %(requests)s, first_failed_at <= now() - %(lasting)s, opened_at IS NOT NULL
"""
_OPEN = """
UPDATE sync.breakers SET opened_at = now(), probe_at = now() + %(first)s, probes = 0
WHERE org_id = %(org)s AND adapter = %(adapter)s AND opened_at IS NULL
"""
# Which orgs were answered since then is visible in what their syncs store; the table of failing orgs is short.
_OPEN_ADAPTER = """
INSERT INTO sync.adapter_breakers (adapter, probe_at, reason)
SELECT %(adapter)s, now() + %(first)s, %(reason)s
WHERE %(orgs)s <= (
  SELECT count(*) FROM sync.breakers failing
  WHERE failing.adapter = %(adapter)s AND failing.last_failed_at > now() - %(span)s
    AND failing.first_failed_at <= now() - %(lasting)s)
AND (SELECT count(DISTINCT asked.org_id) FROM sync.checkpoints asked
     WHERE asked.adapter = %(adapter)s AND greatest(asked.checked_at, asked.completed_at) > (
         SELECT failing.first_failed_at FROM sync.breakers failing
         WHERE failing.adapter = %(adapter)s AND failing.last_failed_at > now() - %(span)s
         ORDER BY failing.first_failed_at DESC OFFSET %(orgs)s - 1 LIMIT 1)
       AND NOT EXISTS (SELECT FROM sync.breakers failing
                       WHERE failing.org_id = asked.org_id AND failing.adapter = asked.adapter))
  <= (SELECT count(*) FROM sync.breakers failing
      WHERE failing.adapter = %(adapter)s AND failing.last_failed_at > now() - %(span)s)
ON CONFLICT (adapter) DO NOTHING
"""
_PROBED_IN_VAIN = """
UPDATE sync.adapter_breakers SET probes = probes + 1, reason = %(reason)s,
  probe_at = now() + least(%(first)s * power(2, least(probes + 1, 20)), %(last)s)
WHERE adapter = %(adapter)s
"""
_PROBED_ONE_IN_VAIN = """
UPDATE sync.breakers SET probes = probes + 1,
  probe_at = now() + least(%(first)s * power(2, least(probes + 1, 20)), %(last)s)
WHERE org_id = %(org)s AND adapter = %(adapter)s AND opened_at IS NOT NULL
"""
_HEAL_ADAPTER = "DELETE FROM sync.adapter_breakers WHERE adapter = %(adapter)s"
_HEAL_ALL = "DELETE FROM sync.breakers WHERE adapter = %(adapter)s RETURNING opened_at IS NOT NULL"
_HEAL = """
DELETE FROM sync.breakers WHERE org_id = %(org)s AND adapter = %(adapter)s RETURNING opened_at IS NOT NULL
"""
_RESUME = """
UPDATE sync.work SET not_before = now(), attempts = 0
WHERE adapter = %(adapter)s AND (%(org)s::text IS NULL OR org_id = %(org)s)
  AND attempts > 0 AND run_key IS NULL AND not_before > now()
"""
_AWAY = """
SELECT adapter, NULL, opened_at, probe_at, probes, reason FROM sync.adapter_breakers
UNION ALL
SELECT adapter, org_id, opened_at, probe_at, probes, reason FROM sync.breakers WHERE opened_at IS NOT NULL
ORDER BY 1, 2 NULLS FIRST
"""
# Any org will do to probe a provider that is down for all; a different one each time, since one may have a problem of
# its own.
_TO_PROBE = """
(SELECT connection.org_id FROM sync.adapter_breakers away
 JOIN sync.connections connection ON connection.adapter = away.adapter AND connection.status = 'active'
 WHERE away.adapter = %(adapter)s AND away.probe_at <= now() ORDER BY random() LIMIT 1)
UNION ALL
(SELECT away.org_id FROM sync.breakers away
 JOIN sync.connections connection
   ON (connection.org_id, connection.adapter) = (away.org_id, away.adapter) AND connection.status = 'active'
 WHERE away.adapter = %(adapter)s AND away.opened_at IS NOT NULL AND away.probe_at <= now()
   AND NOT EXISTS (SELECT FROM sync.adapter_breakers whole WHERE whole.adapter = away.adapter)
 ORDER BY away.probe_at LIMIT %(most)s)
"""


@dataclass(frozen=True, slots=True)
class UnreachableSource:
    """A source that receives only probes."""

    adapter: AdapterName
    org: OrgId | None
    """``None``: for every org."""
    since: datetime
    probe_at: datetime
    probes: int
    """The number of failed probes so far."""
    reason: str


class SharedBreaker:
    """The breaker of one connection, in one process. Safe to use from several threads."""

    def __init__(self, database: Database, org: OrgId, adapter: AdapterName, rules: BreakerRules = RULES) -> None:
        """Start without knowing the state; the first request loads it."""
        self._database, self._org, self._adapter, self._rules = database, org, adapter, rules
        self._turn = threading.Lock()
        self._is_closed = False
        self._has_failed = False
        self._prober: int | None = None
        """The thread whose request is the probe, including its retries."""

    def admit(self) -> None:
        """Return if a request may be sent.

        Raises:
            SourceAway: The source is unreachable, and no probe is due.
        """
        if self._is_closed or self._prober == threading.get_ident():
            return
        with self._turn:
            if not self._is_closed:
                self._look()

    def note_answer(self) -> None:
        """Close open breakers and resume the work that waited: the source responded."""
        if self._is_closed and not self._has_failed:
            return
        with self._turn:
            if not self._is_closed or self._has_failed:
                self._close()
            self._is_closed, self._has_failed, self._prober = True, False, None

    def end_probe(self) -> None:
        """End a probe of this thread; one without a result is followed by another, as a lost one is."""
        if self._prober == threading.get_ident():
            self._prober = None

    def note_failure(self, request: str, reason: str, lasted: timedelta) -> bool:
        """Count a request without a response for this long, and return whether to retry to find the cause."""
        parameters = self._parameters() | {"request": request, "reason": reason, "lasted": lasted}
        is_probe = self._prober == threading.get_ident()
        with self._turn, self._database.connect_fleet() as session, session.transaction():
            session.execute(_ALONE, parameters)
            found = session.execute(_FAIL, parameters).fetchone()
            if found is None:
                # The org was removed meanwhile: nothing would ever close a breaker opened now.
                return False
            is_several, is_lasting, is_open = found
            if is_probe:
                self._probe_later(session, parameters)
                self._prober = None
            elif is_several and is_lasting:
                self._open(session, parameters, was_open=is_open)
                is_open = True
            self._has_failed, self._is_closed = True, self._is_closed and not is_open
        # A failed probe only confirms what is already known.
        return not is_several and not is_probe

    def _look(self) -> None:
        """Load the breaker's state; if it is open and a probe is due, this request becomes the probe."""
        parameters = self._parameters()
        with self._database.connect_fleet() as session, session.transaction():
            row = session.execute(_STATE, parameters).fetchone()
            if row is None:
                self._is_closed = True
                return
            is_general, opened_at, probe_at, now, reason = row
            if session.execute(_CLAIM_ADAPTER if is_general else _CLAIM, parameters).rowcount:
                self._prober = threading.get_ident()
                return
        wait = max(probe_at - now, timedelta(seconds=1))
        raise SourceAway(
            f"{self._adapter} unreachable since {opened_at:%Y-%m-%d %H:%M:%S} UTC ({reason}); "
            f"next probe in {wait.total_seconds():.0f} s",
            retry_after=wait,
        )

    def _open(self, session: Connection, parameters: dict[str, Any], *, was_open: bool) -> None:
        """Open the breaker, and the adapter's if enough orgs are affected."""
        if not was_open:
            session.execute(_OPEN, parameters)
        session.execute(_OPEN_ADAPTER, parameters)

    def _probe_later(self, session: Connection, parameters: dict[str, Any]) -> None:
        if not session.execute(_PROBED_IN_VAIN, parameters).rowcount:
            session.execute(_PROBED_ONE_IN_VAIN, parameters)

    def _close(self) -> None:
        parameters = self._parameters()
        with self._database.connect_fleet() as session:
            with session.transaction():
                session.execute(_ALONE, parameters)
                was_general = session.execute(_HEAL_ADAPTER, parameters).rowcount > 0
                healed = session.execute(_HEAL_ALL if was_general else _HEAL, parameters).fetchall()
                was_open = was_general or healed == [(True,)]
            if was_open:
                session.execute(_RESUME, parameters | {"org": None if was_general else self._org})

    def _parameters(self) -> dict[str, Any]:
        rules = self._rules
        return {
            "org": self._org,
            "adapter": self._adapter,
            "requests": rules.requests,
            "lasting": rules.lasting,
            "orgs": rules.orgs,
            "span": rules.span,
            "first": rules.first_probe,
            "last": rules.last_probe,
            "lasts": rules.probe_lasts,
        }


def list_unreachable(database: Database) -> list[UnreachableSource]:
    """Return the unreachable sources, those of a whole adapter first."""
    with database.connect_fleet() as session:
        return [UnreachableSource(*row) for row in session.execute(_AWAY)]


def load_orgs_to_probe(database: Database, adapter: AdapterName, most: int) -> list[OrgId]:
    """Return the orgs whose connections can be used for a due probe."""
    with database.connect_fleet() as session:
        return [OrgId(row[0]) for row in session.execute(_TO_PROBE, {"adapter": adapter, "most": most})]
