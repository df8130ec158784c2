"""The statements that read what may be wrong now.

Every statement covers many orgs on purpose; no record is read. Only rows that may be a problem are returned: of
healthy orgs, their connections.
"""

from openfaith_sync.domain.connections.refusals import NOT_SELECTED

_OF_ORG = "(%(org)s::text IS NULL OR org_id = %(org)s)"
CONNECTIONS = f"""
SELECT org_id, adapter, status, status_reason, status_since, auth_method FROM sync.connections
WHERE {_OF_ORG}
"""  # noqa: S608  joined of our own constants, here and below
# A row without `opened_at` is only suspected.
OUTAGES = f"""
SELECT adapter, NULL, opened_at, reason FROM sync.adapter_breakers
UNION ALL
SELECT adapter, org_id, opened_at, reason FROM sync.breakers WHERE opened_at IS NOT NULL AND {_OF_ORG}
"""  # noqa: S608
INCIDENTS = "SELECT adapter, entity, opened_at, reason FROM sync.refusal_incidents"
# What an org never could read is not available to it, which is no failure.
REFUSED = f"""
SELECT org_id, adapter, entity, since, reason, remedy, read_until, refusals FROM sync.disabled_entities
WHERE read_until IS NOT NULL AND {_OF_ORG}
"""  # noqa: S608
DEAD_LETTERS = f"""
SELECT org_id, adapter, entity, field, reason, value_type, count(*), min(first_seen_at)
FROM sync.dead_letters WHERE resolved_at IS NULL AND {_OF_ORG}
GROUP BY org_id, adapter, entity, field, reason, value_type
"""  # noqa: S608
HOLDS = f"""
SELECT org_id, adapter, entity, hold_id, kind, status, missing, reason, created_at FROM sync.holds
WHERE status IN ('open', 'approved') AND {_OF_ORG}
"""  # noqa: S608
# What an org does not sync any more, it may leave incomplete.
COUNTED = f"""
SELECT org_id, adapter, entity, source_count, stored_count, set_aside_count, counted_at,
       COALESCE(dangling_references, 0), references_checked_at
FROM sync.checkpoints
WHERE (source_count > stored_count + set_aside_count OR dangling_references > 0) AND {_OF_ORG}
  AND NOT EXISTS (
    SELECT FROM sync.work
    WHERE (work.org_id, work.adapter, work.entity, work.mode)
        = (checkpoints.org_id, checkpoints.adapter, checkpoints.entity, 'delta')
      AND work.not_before IS NULL AND work.run_key IS NULL AND work.reason = '{NOT_SELECTED}')
"""  # noqa: S608
GIVING = f"""
SELECT org_id, adapter, entity, jsonb_object_agg(kind, records), min(since) FROM sync.giving_differences
WHERE {_OF_ORG} GROUP BY org_id, adapter, entity
"""  # noqa: S608
# Rows of usable connections whose source can be asked. What is refused is told as that; so is what stands below it,
# which is due again on time and never asked for. Of the rows that are not due, only those are looked at whose last
# check did not end well: all others were asked when they were due.
LATE = f"""
WITH candidate AS MATERIALIZED (
  SELECT org_id, adapter, entity, mode FROM sync.work
  WHERE mode IN ('full', 'delta', 'reconciliation') AND not_before < now() - %(overdue)s AND {_OF_ORG}
  UNION
  SELECT org_id, adapter, entity, mode FROM sync.work
  WHERE (run_key IS NOT NULL OR (not_before IS NOT NULL AND reason NOT IN ('no changes', 'done')))
    AND mode IN ('full', 'delta', 'reconciliation') AND {_OF_ORG}),
planned AS MATERIALIZED (
  SELECT work.org_id, work.adapter, work.entity, work.mode, work.not_before, work.reason, work.attempts, work.every,
         CASE WHEN work.run_key IS NOT NULL THEN work.asked_at END AS requested_at,
         connection.status_since AS usable_since,
         CASE WHEN work.mode = 'delta' THEN greatest(held.checked_at, held.completed_at) END AS asked_at
  FROM candidate
  JOIN sync.work USING (org_id, adapter, entity, mode)
  JOIN sync.connections connection
    ON (connection.org_id, connection.adapter) = (work.org_id, work.adapter) AND connection.status = 'active'
  LEFT JOIN sync.checkpoints held
    ON (held.org_id, held.adapter, held.entity) = (work.org_id, work.adapter, work.entity)),
late AS (
  SELECT planned.*, planned.mode = 'delta' AND planned.asked_at < now() - interval '3 hours'
           AND planned.asked_at < now() - interval '1 hour' - 2 * greatest(planned.every, interval '1 hour')
         AS is_unasked
  FROM planned
  WHERE planned.attempts >= %(failures)s
     OR planned.requested_at < now() - %(run)s
     OR (planned.requested_at IS NULL AND planned.not_before < now() - %(overdue)s)
     OR planned.asked_at < now() - interval '3 hours')
SELECT late.org_id, late.adapter, late.entity, late.mode, late.not_before, late.requested_at, late.attempts,
       late.reason,
       CASE WHEN late.entity <> '*' THEN late.asked_at ELSE (
         SELECT min(held.completed_at) FROM sync.checkpoints held
         WHERE (held.org_id, held.adapter) = (late.org_id, late.adapter) AND NOT starts_with(held.entity, '$')) END,
       late.usable_since,
       EXISTS (SELECT FROM sync.work whole
               WHERE (whole.org_id, whole.adapter) = (late.org_id, late.adapter)
                 AND whole.mode IN ('full', 'reconciliation') AND whole.run_key IS NOT NULL
                 AND whole.asked_at > now() - %(run)s),
       COALESCE(late.is_unasked, false),
       EXISTS (SELECT FROM sync.refusal_incidents away WHERE away.adapter = late.adapter)
         OR EXISTS (SELECT FROM sync.disabled_entities held
                    WHERE (held.org_id, held.adapter) = (late.org_id, late.adapter) AND held.read_until IS NOT NULL)
FROM late
WHERE NOT EXISTS (SELECT FROM sync.adapter_breakers away WHERE away.adapter = late.adapter)
  AND NOT EXISTS (SELECT FROM sync.breakers away
                  WHERE (away.org_id, away.adapter) = (late.org_id, late.adapter) AND away.opened_at IS NOT NULL)
  AND NOT EXISTS (SELECT FROM sync.disabled_entities held
                  WHERE (held.org_id, held.adapter, held.entity) = (late.org_id, late.adapter, late.entity))
"""  # noqa: S608
PLANNED = """
SELECT work.adapter, array_agg(work.org_id) FROM sync.work
JOIN sync.connections connection
  ON (connection.org_id, connection.adapter) = (work.org_id, work.adapter) AND connection.status = 'active'
WHERE work.mode = 'full' AND NOT EXISTS (
  SELECT FROM sync.breakers away
  WHERE (away.org_id, away.adapter) = (work.org_id, work.adapter) AND away.opened_at IS NOT NULL)
GROUP BY work.adapter
"""
