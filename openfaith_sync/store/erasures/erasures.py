"""Load what was erased of an org, and note what a page would have brought back.

The key of an org's hashes is a secret like any other: encrypted with the deployment's keys, and re-encrypted when
these are rotated, so that the hashes stay.
"""

import secrets
from collections.abc import Iterable

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId
from openfaith_sync.domain.passes.erasures import ErasedRecord, Erasures
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.postgres.statements import Connection, fetch_one

KEY_BYTES = 32

_KEY = "SELECT secret FROM sync.erasure_keys WHERE org_id = %s"
_SAVE_KEY = "INSERT INTO sync.erasure_keys (org_id, secret) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_LOAD = "SELECT entity, record_hash, subject_hash FROM sync.erased_records WHERE org_id = %s AND adapter = %s"
# What a page brings although it was erased is still at the source, and counts there.
NOTE_ERASED = b"""
WITH given AS MATERIALIZED (
  SELECT * FROM unnest(%(entities)s::text[], %(ids)s::text[], %(hashes)s::text[], %(subjects)s::text[])
    AS given (entity, external_id, record_hash, subject_hash)
), letters AS (
  DELETE FROM sync.dead_letters dead USING given
  WHERE dead.org_id = %(org)s AND dead.adapter = %(adapter)s AND dead.entity = given.entity
    AND dead.external_id = given.external_id
)
INSERT INTO sync.erased_records AS known (org_id, adapter, entity, record_hash, subject_hash, is_listed)
SELECT DISTINCT %(org)s, %(adapter)s, entity, record_hash, subject_hash, true FROM given ORDER BY 1, 2, 3, 4
ON CONFLICT (org_id, record_hash) DO UPDATE SET is_listed = true WHERE NOT known.is_listed
"""


def load_erasures(connection: Connection, keys: SecretKeys | None, org: OrgId, adapter: AdapterName) -> Erasures:
    """Return what was erased of an org; where nothing was, that costs one look-up.

    Raises:
        DefinitionError: None of our keys opens the key of the hashes; nothing may be stored without it.
    """
    row = connection.execute(_KEY, (org,)).fetchone()
    if row is None:
        return Erasures(org, adapter, b"", {})
    return _load(connection, _decrypt(keys, org, row[0]), org, adapter)


def make_erasures(connection: Connection, keys: SecretKeys, org: OrgId, adapter: AdapterName) -> Erasures:
    """Return what was erased of an org, with a key for its hashes if it had none."""
    connection.execute(_SAVE_KEY, (org, keys.encrypt(secrets.token_bytes(KEY_BYTES))))
    return _load(connection, _decrypt(keys, org, fetch_one(connection, _KEY, (org,))[0]), org, adapter)


def erased_parameters(erased: Iterable[ErasedRecord]) -> dict[str, list[str]]:
    """Return the parameters of ``NOTE_ERASED`` that say what was erased."""
    rows = list(erased)
    return {
        "entities": [one.entity for one in rows],
        "ids": [one.external_id for one in rows],
        "hashes": [one.hash for one in rows],
        "subjects": [one.subject for one in rows],
    }


def _decrypt(keys: SecretKeys | None, org: OrgId, secret: bytes) -> bytes:
    if keys is None:
        raise DefinitionError(f"records of {org} were erased: its store must be opened with the deployment's keys")
    return keys.decrypt(secret, f"{org}'s erasures")


def _load(connection: Connection, key: bytes, org: OrgId, adapter: AdapterName) -> Erasures:
    rows = connection.execute(_LOAD, (org, adapter)).fetchall()
    entities = tuple(EntityName(entity) for entity in dict.fromkeys(row[0] for row in rows))
    return Erasures(org, adapter, key, {found: subject for _, found, subject in rows}, entities)
