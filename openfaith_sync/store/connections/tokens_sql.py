"""The SQL statements of a token refresh."""

# A different key than a sync's: an entity's name never contains a space.
LOCK = "SELECT pg_advisory_lock(hashtextextended(%s || '/' || %s || '/its tokens', 0))"
LOCK_NAME = "{}/{}/its tokens"
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%s || '/' || %s || '/its tokens', 0))"
LOOK = """
SELECT held.auth_method, held.secret, held.credentials_version, held.expires_at - now(), held.base_url,
       journal.outcome, journal.begun_at, journal.holder, journal.detail
FROM sync.connections held
LEFT JOIN sync.token_refreshes journal
  ON (journal.org_id, journal.adapter, journal.version) = (held.org_id, held.adapter, held.credentials_version)
WHERE held.org_id = %s AND held.adapter = %s
"""
BEGIN = """
INSERT INTO sync.token_refreshes (org_id, adapter, version, holder) VALUES (%s, %s, %s, %s)
ON CONFLICT (org_id, adapter, version) DO UPDATE
SET outcome = 'begun', detail = NULL, holder = EXCLUDED.holder, begun_at = now(), ended_at = NULL
WHERE token_refreshes.outcome = 'unspent'
"""
END = """
UPDATE sync.token_refreshes SET outcome = %(outcome)s, detail = %(detail)s, ended_at = now()
WHERE org_id = %(org)s AND adapter = %(adapter)s AND version = %(version)s AND outcome = 'begun'
"""
STORE = """
WITH ended AS (
  UPDATE sync.token_refreshes SET outcome = 'stored', detail = NULL, ended_at = now()
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND version = %(version)s RETURNING begun_at),
forgotten AS (
  DELETE FROM sync.token_refreshes
  WHERE org_id = %(org)s AND adapter = %(adapter)s AND version < %(version)s - %(kept)s)
UPDATE sync.connections SET secret = %(secret)s, expires_at = ended.begun_at + %(lifetime)s, scopes = %(scopes)s,
  credentials_version = %(version)s + 1, updated_at = now(),
  status = CASE WHEN status <> 'reconnect_needed' THEN status
                WHEN awaits_confirmation THEN 'unconfirmed' ELSE 'active' END,
  status_reason = CASE WHEN status = 'reconnect_needed' THEN NULL ELSE status_reason END,
  status_since = CASE WHEN status = 'reconnect_needed' THEN now() ELSE status_since END
FROM ended WHERE org_id = %(org)s AND adapter = %(adapter)s AND credentials_version = %(version)s
"""
HOLD = """
SELECT status FROM sync.connections
WHERE org_id = %s AND adapter = %s AND credentials_version = %s FOR UPDATE
"""
REFUSE = """
UPDATE sync.connections SET status = 'reconnect_needed', status_reason = %s, status_since = now(), updated_at = now()
WHERE org_id = %s AND adapter = %s
"""
