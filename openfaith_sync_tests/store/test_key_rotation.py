"""Old keys go: everything encrypted comes under the newest one, whatever happens on the way."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.webhooks.subscription import Subscription
from openfaith_sync.store.admin import key_rotation as rotation
from openfaith_sync.store.admin.key_rotation import ENCRYPTED, count_key_use, rotate_secrets
from openfaith_sync.store.admin.pruning import prune_authorizations
from openfaith_sync.store.connections.connections import add_connection, load_connection
from openfaith_sync.store.database.database import Database, open_database
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.webhooks.subscriptions import open_subscriptions
from openfaith_sync_tests.store.making import PCO, fetch, run

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()
ORGS = [OrgId(f"church-{number}") for number in range(7)]
HASHES = {"content_hash", "held_hash", "parent_hash", "state_hash", "secret_hash", "invitation_hash"}
"""Columns of bytes that no key opens."""


def with_keys(database: Database, *keys: str) -> Database:
    return replace(database, keys=SecretKeys(Path("/nonexistent"), keys))


def connection(org: OrgId, secret: str = "s3cret") -> Connection:
    return Connection(org, PCO, "http://x", BasicCredentials("id", f"{secret} of {org}"))


@pytest.fixture
def small_batches() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rotation, "BATCH", 2)
        yield


@pytest.fixture
def filled(database: Database, small_batches: None) -> Database:
    """Secrets of every kind, all under the old key; gives the database with both keys."""
    old = with_keys(database, OLD)
    for org in ORGS:
        add_connection(old, connection(org))
        with open_subscriptions(old, org, PCO) as store:
            for secret in ("first", "second"):
                store.save(Subscription("1", "name", "http://x", is_active=True, secret=f"{secret} of {org}"))
    run(
        old,
        "INSERT INTO sync.authorizations (org_id, adapter, state_hash, verifier, redirect_uri, base_url, scopes,"
        " expires_at) VALUES ('church-1', 'pco', '', %s, '', '', '{}', now() + interval '1 minute')",
        old.keys.encrypt(b"verifier"),
    )
    return with_keys(database, NEW, OLD)


SECRETS = 3 * len(ORGS) + 1


def test_what_nobody_will_read_needs_no_key(filled: Database) -> None:
    run(filled, "UPDATE sync.authorizations SET expires_at = now() - interval '25 hours'")
    run(filled, "UPDATE sync.webhook_subscriptions SET previous_until = now()")
    assert sum(count_key_use(filled).by_key) == 2 * len(ORGS)
    assert rotate_secrets(filled) == 2 * len(ORGS)
    assert count_key_use(with_keys(filled, NEW)).is_rotated
    assert prune_authorizations(filled, timedelta(days=1)) == 1
    assert prune_authorizations(filled, timedelta(days=1)) == 0


def test_every_secret_column_takes_part(database: Database) -> None:
    found = fetch(
        database,
        "SELECT table_schema, table_name, column_name FROM information_schema.columns"
        " WHERE table_schema IN ('openfaith', 'sync') AND data_type = 'bytea'",
    )
    secret = {(table, column) for schema, table, column in found if column not in HASHES}
    assert secret == set(ENCRYPTED)
    assert {schema for schema, _, column in found if column not in HASHES} == {"sync"}


def test_all_come_under_the_newest_key_and_the_old_one_may_go(filled: Database) -> None:
    assert count_key_use(filled).by_key == [0, SECRETS]
    assert rotate_secrets(filled) == SECRETS
    use = count_key_use(filled)
    assert (use.by_key, use.lost, use.is_rotated) == ([SECRETS, 0], {}, True)
    assert rotate_secrets(filled) == 0
    alone = with_keys(filled, NEW)
    assert load_connection(alone, ORGS[3], PCO).credentials == BasicCredentials("id", f"s3cret of {ORGS[3]}")
    with open_subscriptions(alone, ORGS[0], PCO) as store:
        assert store.load()["name"].secret == f"second of {ORGS[0]}"
    with pytest.raises(DefinitionError, match="a key that is not in"):
        load_connection(with_keys(filled, OLD), ORGS[0], PCO)


def test_what_is_stored_meanwhile_is_never_overwritten(filled: Database) -> None:
    """Somebody connects anew, still with the old key, between the reading of a secret and its replacement."""
    late: list[bool] = []

    class Slow(SecretKeys):
        def re_encrypt(self, encrypted: bytes) -> bytes | None:
            if not late:
                late.append(add_connection(with_keys(filled, OLD), connection(ORGS[0], "newer")))
            return super().re_encrypt(encrypted)

    rotate_secrets(replace(filled, keys=Slow(Path("/nonexistent"), (NEW, OLD))))
    assert late == [False]
    assert count_key_use(filled).by_key == [SECRETS, 0]
    held = load_connection(with_keys(filled, NEW), ORGS[0], PCO).credentials
    assert held == BasicCredentials("id", f"newer of {ORGS[0]}")


def test_a_secret_that_no_key_opens_stays_and_is_named(filled: Database) -> None:
    add_connection(with_keys(filled, Fernet.generate_key().decode()), connection(ORGS[2]))
    assert rotate_secrets(filled) == SECRETS - 1
    use = count_key_use(filled)
    assert (use.by_key, use.lost, use.is_rotated) == ([SECRETS - 1, 0], {ORGS[2]: 1}, False)


@pytest.mark.parametrize("batches", [1, 3, 6])
def test_killed_anywhere_it_goes_on(filled: Database, batches: int) -> None:
    script = f"""
import os, signal
from pathlib import Path
from openfaith_sync.store.admin import key_rotation as rotation
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.postgres.database_url import DatabaseUrl
rotation.BATCH, done = 2, []
def on_batch(count):
    done.append(count)
    if len(done) == {batches}:
        os.kill(os.getpid(), signal.SIGKILL)
database = Database(DatabaseUrl({filled.libpq_url!r}), SecretKeys(Path("/nonexistent"), {filled.keys.given!r}))
rotation.rotate_secrets(database, on_batch)
"""
    killed = subprocess.run([sys.executable, "-c", script], env=dict(os.environ), check=False)
    assert killed.returncode == -signal.SIGKILL
    done = count_key_use(filled).by_key[0]
    assert 0 < done < SECRETS
    assert rotate_secrets(filled) == SECRETS - done
    assert count_key_use(filled).is_rotated


def test_a_database_of_ones_own_needs_keys_of_ones_own(database: Database, tmp_path: Path) -> None:
    settings = Settings(tmp_path, Path("manifests"), database.libpq_url, ())
    with open_database(settings) as opened, pytest.raises(DefinitionError, match="OPENFAITH_SECRET_KEYS is not set"):
        add_connection(opened, connection(ORGS[0]))
    assert not (tmp_path / "secret.key").exists()
    with open_database(replace(settings, secret_keys=(NEW,))) as opened:
        add_connection(opened, connection(ORGS[0]))
