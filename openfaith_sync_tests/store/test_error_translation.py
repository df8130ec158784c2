"""What the database says becomes one of our errors in one table, which is complete."""

import psycopg
import pytest
from psycopg import errors

from openfaith_sync.domain.errors import DefinitionError, LeaseLost, SyncError, TransientError
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.error_translation import BY_CLASS, BY_STATE, translate, translated
from openfaith_sync_tests.store.making import run

# Classes of the server's own life, of languages we do not use, and of SQL that only a bug of ours sends.
LET_THROUGH = {
    *("02", "03", "09", "0B", "0F", "0L", "0P", "0Z", "10", "20", "21", "24", "26", "27", "2B", "2D", "2F", "34"),
    *("38", "39", "3B", "44", "72", "HV", "P0"),
}


def known_classes() -> set[str]:
    every = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, psycopg.Error)]
    return {found.sqlstate[:2] for found in every if found.sqlstate}


def test_every_class_that_the_driver_knows_is_in_the_table_or_let_through_on_purpose() -> None:
    assert known_classes() == set(BY_CLASS) | LET_THROUGH
    assert not set(BY_CLASS) & LET_THROUGH
    assert not {state[:2] for state in BY_STATE} & known_classes()


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        ("SELECT pg_terminate_backend(pg_backend_pid())", TransientError),
        ("SET lock_timeout = 1; SET statement_timeout = 10; SELECT pg_sleep(5)", TransientError),
        ("BEGIN READ ONLY; CREATE TABLE t ()", TransientError),
        ("SELECT * FROM sync.no_such_table", DefinitionError),
        ("SELECT sync.check_lease('o', 'a', 'e', 1)", LeaseLost),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40001'; END $$", TransientError),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$", TransientError),
        ("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '53100'; END $$", TransientError),
    ],
)
def test_each_kind_of_failure_says_what_to_do(database: Database, statement: str, kind: type[SyncError]) -> None:
    with pytest.raises(kind) as failure:
        run(database, statement)
    assert type(failure.value) is kind


def test_every_error_of_the_driver_itself_is_a_lost_connection_or_passes() -> None:
    every = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, psycopg.Error)]
    own = {kind for kind in every if kind.sqlstate is None}
    lost = {kind for kind in own if issubclass(kind, psycopg.OperationalError | psycopg.InterfaceError)}
    assert {errors.ConnectionTimeout, errors.CancellationTimeout, errors.PipelineAborted} <= lost
    for kind in own:
        assert isinstance(translate(kind("said by the driver")), TransientError) == (kind in lost), kind


def test_a_connection_that_breaks_is_transient() -> None:
    assert isinstance(translate(psycopg.OperationalError("gone")), TransientError)
    assert isinstance(translate(psycopg.InterfaceError("closed")), TransientError)


def test_a_refused_value_is_not_repeated(database: Database) -> None:
    with pytest.raises(DefinitionError) as failure:
        run(database, "SELECT %s::date", "Anna's birthday")
    assert "Anna" not in str(failure.value)


def test_what_nobody_planned_for_goes_through() -> None:
    with pytest.raises(psycopg.ProgrammingError), translated():
        raise psycopg.ProgrammingError("a bug")
    with pytest.raises(errors.RaiseException), translated():
        raise errors.RaiseException("a bug")


@pytest.mark.parametrize(
    "statement", ["TABLE sync.gone", "SELECT gone FROM sync.orgs", "SELECT sync.gone()", "TABLE gone.orgs"]
)
def test_what_is_missing_from_a_migrated_database_asks_for_a_restart(database: Database, statement: str) -> None:
    with pytest.raises(
        DefinitionError, match="if the database was upgraded while this process was running, restart it"
    ):
        run(database, statement)
