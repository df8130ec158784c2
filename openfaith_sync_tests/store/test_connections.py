"""Connections are kept with their credentials encrypted, under keys that can be replaced."""

import stat
import sys
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from subprocess import PIPE, Popen

import pytest
from cryptography.fernet import Fernet

from openfaith_sync.domain.connections.connection import (
    BasicCredentials,
    BearerToken,
    Connection,
    ConnectionStatus,
    OAuthTokens,
)
from openfaith_sync.domain.errors import DefinitionError, UsageError
from openfaith_sync.domain.ids import parse_org
from openfaith_sync.store.admin.erase import disconnect_org
from openfaith_sync.store.connections.connections import (
    add_connection,
    list_connections,
    load_connection,
    set_connection_status,
)
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync_tests.processes import read_line, write_line
from openfaith_sync_tests.store.making import ORG, OTHER_ORG, PCO, fetch, run

CONNECTION = Connection(ORG, PCO, "https://api.example.org", BasicCredentials("app-1", "s3cret"))


MADE = {name: Fernet.generate_key().decode() for name in ("old", "new", "other")}


def loaded(database: Database) -> Connection:
    """The connection, without what only storing it gives it."""
    return replace(load_connection(database, ORG, PCO), status_since=None, version=0, left=None)


@pytest.mark.parametrize(
    "credentials",
    [
        BasicCredentials("app-1", "s3cret"),
        BearerToken("t0ken"),
        OAuthTokens("acc3ss", "r3fresh", timedelta(hours=2), frozenset({"people", "groups"})),
    ],
    ids=lambda credentials: type(credentials).__name__,
)
def test_a_connection_is_loaded_as_it_was_added_and_shows_no_secret(
    database: Database, credentials: BasicCredentials | BearerToken | OAuthTokens
) -> None:
    connection = replace(CONNECTION, credentials=credentials)
    assert add_connection(database, connection) is True
    assert loaded(database) == connection
    for secret in ("s3cret", "t0ken", "acc3ss", "r3fresh"):
        assert secret not in repr(connection)
        assert secret.encode() not in fetch(database, "SELECT secret FROM sync.connections")[0][0]


def test_credentials_of_a_method_that_only_a_newer_version_knows_are_named(database: Database) -> None:
    add_connection(database, CONNECTION)
    run(database, "UPDATE sync.connections SET auth_method = 'carrier_pigeon'")
    with pytest.raises(DefinitionError, match="'carrier_pigeon'"):
        load_connection(database, ORG, PCO)


def test_the_version_grows_with_each_credentials(database: Database) -> None:
    versions = []
    for _ in range(3):
        add_connection(database, CONNECTION)
        versions.append(load_connection(database, ORG, PCO).version)
    assert versions == [versions[0], versions[0] + 1, versions[0] + 2]


def test_an_org_that_was_removed_and_added_has_no_version_that_it_had_before(database: Database) -> None:
    add_connection(database, CONNECTION)
    before = load_connection(database, ORG, PCO).version
    disconnect_org(database, ORG)
    add_connection(database, CONNECTION)
    assert load_connection(database, ORG, PCO).version > before


def test_adding_again_replaces_it_and_makes_it_active(database: Database) -> None:
    add_connection(database, CONNECTION)
    set_connection_status(database, ORG, PCO, ConnectionStatus.RECONNECT_NEEDED, "token revoked")
    assert load_connection(database, ORG, PCO).status_reason == "token revoked"
    changed = replace(CONNECTION, credentials=BasicCredentials("app-2", "other"))
    assert add_connection(database, changed) is False
    assert loaded(database) == changed


def test_connections_are_listed_without_any_key(database: Database) -> None:
    add_connection(database, CONNECTION)
    add_connection(database, replace(CONNECTION, org=OTHER_ORG))
    database = replace(database, keys=SecretKeys(database.keys.home, (), is_production=True))
    assert [(c.org, c.adapter, c.auth_method, c.status) for c in list_connections(database)] == [
        (ORG, PCO, "basic", ConnectionStatus.ACTIVE),
        (OTHER_ORG, PCO, "basic", ConnectionStatus.ACTIVE),
    ]
    assert [c.org for c in list_connections(database, OTHER_ORG)] == [OTHER_ORG]


def test_an_org_that_is_not_connected_is_named(database: Database) -> None:
    with pytest.raises(UsageError, match="first-baptist is not connected to pco"):
        load_connection(database, ORG, PCO)
    with pytest.raises(UsageError, match="first-baptist is not connected to pco"):
        set_connection_status(database, ORG, PCO, ConnectionStatus.PAUSED)


def test_neither_rows_nor_values_show_a_secret(database: Database) -> None:
    add_connection(database, CONNECTION)
    stored = fetch(database, "SELECT c::text, encode(secret, 'escape') FROM sync.connections c")
    assert "s3cret" not in str(stored)
    assert "app-1" not in str(stored)
    shown = (
        repr(load_connection(database, ORG, PCO))
        + repr(database)
        + repr(SecretKeys(database.keys.home, (MADE["old"],)))
    )
    assert "s3cret" not in shown
    assert MADE["old"] not in shown


def test_keys_rotate(tmp_path: Path) -> None:
    old = SecretKeys(tmp_path, (MADE["old"],))
    rotated = SecretKeys(tmp_path, (MADE["new"], MADE["old"]))
    written = old.encrypt(b"token")
    assert rotated.decrypt(written, "x") == b"token"
    with pytest.raises(DefinitionError, match="OPENFAITH_SECRET_KEYS"):
        old.decrypt(rotated.encrypt(b"token"), "x")


def test_a_wrong_key_names_the_variable_and_whose_credentials(database: Database, tmp_path: Path) -> None:
    add_connection(database, CONNECTION)
    for wrong in (SecretKeys(tmp_path, (MADE["other"],)), SecretKeys(tmp_path / "elsewhere")):
        says = r"credentials of first-baptist/pco.*OPENFAITH_SECRET_KEYS"
        with pytest.raises(DefinitionError, match=says) as failure:
            load_connection(replace(database, keys=wrong), ORG, PCO)
        assert MADE["other"] not in str(failure.value)


def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="key 2 of 2 in OPENFAITH_SECRET_KEYS is not a Fernet key") as failure:
        SecretKeys(tmp_path, (MADE["new"], "my-password")).encrypt(b"token")
    assert "my-password" not in str(failure.value)


def test_the_development_key_is_for_its_owner_only_and_stays(tmp_path: Path) -> None:
    first = SecretKeys(tmp_path / "home").encrypt(b"token")
    assert stat.S_IMODE((tmp_path / "home" / "secret.key").stat().st_mode) == 0o600
    assert SecretKeys(tmp_path / "home").decrypt(first, "x") == b"token"
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["secret.key"]


# It takes its time to make a key, so that all of them find none and make one.
RACER = """
import sys, time
from pathlib import Path
from cryptography.fernet import Fernet
from openfaith_sync.store.database.secrets import SecretKeys
make = Fernet.generate_key
Fernet.generate_key = lambda: (time.sleep(0.5), make())[1]
print("ready", flush=True)
sys.stdin.readline()
print(SecretKeys(Path(sys.argv[1])).encrypt(b"token").hex())
"""


def test_processes_that_race_for_the_first_key_use_the_same(tmp_path: Path) -> None:
    command = [sys.executable, "-c", RACER, str(tmp_path / "home")]
    with ExitStack() as racers:
        racing = [racers.enter_context(Popen(command, stdin=PIPE, stdout=PIPE, text=True)) for _ in range(8)]
        assert [read_line(process) for process in racing] == ["ready\n"] * 8
        for process in racing:
            write_line(process, "go")
        written = [bytes.fromhex(process.communicate()[0]) for process in racing]
    assert [SecretKeys(tmp_path / "home").decrypt(one, "x") for one in written] == [b"token"] * 8


@pytest.mark.parametrize("name", ["a", "first-baptist", "0x", "a" * 63])
def test_an_orgs_name_is_a_slug(name: str) -> None:
    assert parse_org(name) == name


@pytest.mark.parametrize("name", ["", "-a", "A", "a_b", "a b", "a/b", "é", "a\n", "a" * 64])
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="lower-case letters"):
        parse_org(name)
