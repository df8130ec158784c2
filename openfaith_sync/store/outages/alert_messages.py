"""The outbox of alerts: what each target is told, from the moment it is due until it was accepted.

Every statement here covers all orgs on purpose: one message is about all orgs that an alert affects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from openfaith_sync.domain.alerts.announcing import SETTLES_AFTER, AlertState, MessageKind, Told, choose_message
from openfaith_sync.domain.alerts.causes import AlertSeverity
from openfaith_sync.domain.alerts.messages import Explanation, Message, choose_explained, count_told, write_message
from openfaith_sync.domain.alerts.retrying import GIVE_UP_AFTER, LONGEST_WAIT, TROUBLE_AFTER, wait_after
from openfaith_sync.domain.alerts.targets import AlertTarget, TargetKey
from openfaith_sync.domain.ids import AdapterName
from openfaith_sync.domain.problems.problem import ProblemKind
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.statements import Connection, fetch_one

CLAIM_LASTS = timedelta(minutes=2)
"""Longer than the sending of one message may take: after this its process is taken for dead."""

# Only one process at a time changes alerts and decides what is due, so that no message is written twice.
ALONE = "SELECT now() FROM pg_advisory_xact_lock(hashtextextended('openfaith alert messages', 0))"
_ALERTS = """
SELECT alert.alert_id, alert.adapter, alert.cause, alert.severity, alert.detail, alert.command, alert.is_general,
       alert.first_seen_at, alert.closed_at, concerned.orgs, concerned.since
FROM sync.alerts alert
CROSS JOIN LATERAL (
  SELECT COALESCE(array_agg(org_id), '{}') AS orgs, COALESCE(array_agg(since), '{}') AS since
  FROM sync.alert_orgs WHERE alert_orgs.alert_id = alert.alert_id) concerned
WHERE alert.closed_at IS NULL OR EXISTS (
  SELECT FROM sync.alert_messages told
  WHERE told.alert_id = alert.alert_id AND told.target = ANY (%(targets)s) AND NOT EXISTS (
    SELECT FROM sync.alert_messages last
    WHERE (last.alert_id, last.target) = (told.alert_id, told.target) AND last.kind = 'recovered'))
ORDER BY alert.first_seen_at, alert.alert_id
"""
_TOLD = """
SELECT DISTINCT ON (alert_id, target) alert_id, target, number, kind, created_at, severity, is_general, orgs,
       sent_at IS NOT NULL OR gave_up_at IS NOT NULL
FROM sync.alert_messages WHERE alert_id = ANY (%(alerts)s) AND target = ANY (%(targets)s)
ORDER BY alert_id, target, number DESC
"""
_EXPLAIN = """
SELECT org_id, detail, command FROM sync.alert_orgs WHERE alert_id = %s AND org_id = ANY (%s)
ORDER BY since, org_id
"""
_WRITE = """
INSERT INTO sync.alert_messages
  (message_id, alert_id, target, number, place, kind, severity, title, body, is_general, orgs)
VALUES (%(id)s, %(alert)s, %(target)s, %(number)s, %(place)s, %(kind)s, %(severity)s, %(title)s, %(body)s,
        %(is_general)s, %(orgs)s)
"""
# The messages to a target about one alert go in their order.
_IS_DUE = """
waiting.sent_at IS NULL AND waiting.gave_up_at IS NULL AND waiting.not_before <= now()
AND (waiting.claimed_until IS NULL OR waiting.claimed_until < now())
AND NOT EXISTS (
  SELECT FROM sync.alert_messages earlier
  WHERE (earlier.alert_id, earlier.target) = (waiting.alert_id, waiting.target) AND earlier.number < waiting.number
    AND earlier.sent_at IS NULL AND earlier.gave_up_at IS NULL)
"""
_DUE_TARGETS = f"""
SELECT DISTINCT target FROM sync.alert_messages waiting WHERE target = ANY (%(targets)s) AND {_IS_DUE}
"""  # noqa: S608  our own constants, here and below
_CLAIM = f"""
UPDATE sync.alert_messages SET attempts = attempts + 1, claimed_until = now() + %(lasts)s
WHERE message_id = (
  SELECT message_id FROM sync.alert_messages waiting WHERE target = %(target)s AND {_IS_DUE}
  ORDER BY created_at, number LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING message_id, kind, severity, title, body, attempts
"""  # noqa: S608
# What else waits for a target that accepts messages again is due at once.
_SENT = """
WITH sent AS (
  UPDATE sync.alert_messages SET sent_at = now(), claimed_until = NULL, failure = NULL WHERE message_id = %(id)s)
UPDATE sync.alert_messages SET not_before = now()
WHERE target = %(target)s AND message_id <> %(id)s AND sent_at IS NULL AND gave_up_at IS NULL AND not_before > now()
"""
# While an alert is open, its messages are never given up.
_FAILED = """
UPDATE sync.alert_messages SET claimed_until = NULL, failure = %(reason)s, not_before = now() + %(wait)s,
  gave_up_at = CASE WHEN created_at < now() - %(give_up)s AND EXISTS (
    SELECT FROM sync.alerts WHERE alerts.alert_id = alert_messages.alert_id AND closed_at IS NOT NULL) THEN now() END
WHERE message_id = %(id)s AND sent_at IS NULL
"""
_IS_FAILING = "sent_at IS NULL AND gave_up_at IS NULL AND failure IS NOT NULL"
_STATES = f"""
SELECT target, max(place), max(sent_at), count(*) FILTER (WHERE sent_at IS NULL AND gave_up_at IS NULL),
       count(*) FILTER (WHERE gave_up_at IS NOT NULL),
       (array_agg(failure ORDER BY attempts DESC) FILTER (WHERE {_IS_FAILING}))[1],
       COALESCE(max(attempts) FILTER (WHERE {_IS_FAILING}), 0), min(not_before) FILTER (WHERE {_IS_FAILING})
FROM sync.alert_messages GROUP BY target ORDER BY 2, 1
"""  # noqa: S608
# A target that is no longer set is not tried any more, and no trouble.
_FAILING = f"""
SELECT DISTINCT ON (target) place, failure FROM sync.alert_messages
WHERE {_IS_FAILING} AND attempts >= %s AND not_before > now() - %s
ORDER BY target, attempts DESC
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class TargetState:
    """What became of the messages to one target."""

    key: TargetKey
    place: str
    last_sent_at: datetime | None
    waiting: int
    given_up: int
    failure: str | None
    """Why the target does not accept messages now; ``None`` if it does."""
    failures: int
    """In a row."""
    next_at: datetime | None


def write_due_messages(
    database: Database, targets: Sequence[AlertTarget], settles_after: timedelta = SETTLES_AFTER
) -> list[AlertTarget]:
    """Write the messages that are due to these targets, and return the targets that have any to be sent now.

    What is due follows from the alerts and from what was written before, so this may be killed and repeated.
    """
    by_key = {target.key: target for target in targets}
    parameters = {"targets": list(by_key)}
    with database.connect_fleet() as session, session.transaction():
        (now,) = fetch_one(session, ALONE, ())
        alerts = [_alert(row) for row in session.execute(_ALERTS, parameters)]
        told = _load_told(session, {**parameters, "alerts": [alert.alert_id for alert in alerts]})
        for alert in alerts:
            for target in targets:
                known = told.get((alert.alert_id, target.key))
                if kind := choose_message(alert, known, now, settles_after):
                    _write(session, kind, alert, target, known, now)
        due = session.execute(_DUE_TARGETS, parameters).fetchall()
    return [by_key[row[0]] for row in due]


def list_target_states(database: Database) -> list[TargetState]:
    """Return what became of the messages to every target that any was written to."""
    with database.connect_fleet() as session:
        return [TargetState(*row) for row in session.execute(_STATES)]


def list_failing_targets(database: Database) -> list[tuple[str, str]]:
    """Return the targets that accept no messages for a while, and why."""
    with database.connect_fleet() as session:
        return [(place, reason) for place, reason in session.execute(_FAILING, (TROUBLE_AFTER, 2 * LONGEST_WAIT))]


@dataclass(frozen=True, slots=True)
class PostgresOutbox:
    """The outbox in the database; each call is a transaction of its own."""

    database: Database

    def claim(self, target: AlertTarget) -> Message | None:
        """Return the next message that is due to a target; for a while no other process gets it."""
        with self.database.connect_fleet() as session:
            row = session.execute(_CLAIM, {"target": target.key, "lasts": CLAIM_LASTS}).fetchone()
        if row is None:
            return None
        message_id, kind, severity, *rest = row
        return Message(message_id, MessageKind(kind), AlertSeverity(severity), *rest)

    def record_sent(self, message: Message, target: AlertTarget) -> None:
        """Record that a message was accepted."""
        with self.database.connect_fleet() as session:
            session.execute(_SENT, {"id": message.message_id, "target": target.key})

    def record_failure(self, message: Message, target: AlertTarget, reason: str) -> None:  # noqa: ARG002  the port's
        """Record why a message was not accepted; it is due again later."""
        parameters = {"id": message.message_id, "reason": reason, "wait": wait_after(message.attempts)}
        with self.database.connect_fleet() as session:
            session.execute(_FAILED, {**parameters, "give_up": GIVE_UP_AFTER})


def _write(
    session: Connection, kind: MessageKind, alert: AlertState, target: AlertTarget, told: Told | None, now: datetime
) -> None:
    explained = session.execute(_EXPLAIN, (alert.alert_id, list(choose_explained(alert, told)))).fetchall()
    title, body = write_message(kind, alert, told, [Explanation(*row) for row in explained], now)
    parameters = {
        "id": uuid4(),
        "alert": alert.alert_id,
        "target": target.key,
        "number": (told.messages if told else 0) + 1,
        "place": target.name,
        "kind": kind.value,
        "severity": alert.severity.value,
        "title": title,
        "body": body,
        "is_general": alert.is_general or bool(told and told.was_general),
        "orgs": count_told(alert, told),
    }
    session.execute(_WRITE, parameters)


def _load_told(session: Connection, parameters: dict[str, Any]) -> dict[tuple[int, TargetKey], Told]:
    rows = session.execute(_TOLD, parameters).fetchall()
    return {
        (alert_id, TargetKey(target)): Told(number, MessageKind(kind), at, AlertSeverity(severity), *rest)
        for alert_id, target, number, kind, at, severity, *rest in rows
    }


def _alert(row: tuple[Any, ...]) -> AlertState:
    alert_id, adapter, cause, severity, *rest, orgs, since = row
    affected = dict(zip(orgs, since, strict=True))
    values: list[Any] = [alert_id, AdapterName(adapter), ProblemKind(cause), AlertSeverity(severity), *rest, affected]
    return AlertState(*values)
