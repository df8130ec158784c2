import json
import re
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from openfaith_sync.commands.database import _shipped_psql, _split_password
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schema.reader_roles import load_reader_roles
from openfaith_sync_tests.commands.conftest import Run, Start


def test_a_query_gives_rows_as_json(run_stored: Run) -> None:
    answer = run_stored("db", "query", "select 1 as one, 'é' as text, null as nothing", "--json")
    assert json.loads(answer.stdout) == [{"one": 1, "text": "é", "nothing": None}]


def test_a_query_gives_a_table_that_keeps_markup_as_it_is(run_stored: Run) -> None:
    answer = run_stored("db", "query", "-", stdin="select '[bold]x[/bold]' as text")
    assert "[bold]x[/bold]" in answer.stdout


@pytest.mark.parametrize("statement", ["delete from sync.connections", "select 1; commit", "nonsense"])
def test_a_query_that_does_not_only_read_is_refused(run_stored: Run, statement: str) -> None:
    answer = run_stored("db", "query", statement)
    assert answer.exit_code == 1
    assert answer.stderr.startswith("openfaith-sync: the query cannot be run: ")
    assert answer.stderr.count("\n") == 1


def test_the_url_is_one_that_psql_takes(run_stored: Run) -> None:
    url = run_stored("db", "url").stdout.strip()
    psql = _shipped_psql()
    assert psql is not None
    answer = subprocess.run([psql, url, "-Atc", "select 1"], capture_output=True, text=True, check=True)
    assert answer.stdout == "1\n"


@pytest.mark.parametrize(
    ("url", "shown", "password"),
    [
        ("postgresql://a:b%21@host:1/db?sslmode=require", "postgresql://a@host:1/db?sslmode=require", "b!"),
        ("postgresql://a@host/db?password=b", "postgresql://a@host/db", "b"),
        ("postgresql://postgres@/postgres?host=%2Ftmp%2Fx&port=5433",) * 2 + (None,),
        ("postgresql:///postgres?host=%2Ftmp",) * 2 + (None,),
    ],
)
def test_the_url_is_shown_without_its_password(url: str, shown: str, password: str | None) -> None:
    assert _split_password(url) == (shown, password)


def test_the_password_is_shown_when_asked_for(run_stored: Run, database: Database) -> None:
    assert run_stored("db", "url", "--show-password").stdout.strip() == database.libpq_url


def test_the_shell_is_psql_with_what_stands_behind_the_dashes(run_stored: Run, start: Start) -> None:
    with start("db", "shell", "--", "-Atc", "select 42") as process:
        assert process.communicate()[0] == "42\n"
    assert process.returncode == 0


def test_no_help_shows_a_sign_that_is_meant_for_the_program(run: Run) -> None:
    answer = run("db", "shell", "--help")
    assert answer.exit_code == 0
    assert "\\b" not in answer.stdout
    assert r"openfaith-sync db shell -- -c '\dt openfaith.*'" in answer.stdout
    assert "can change and delete everything" in " ".join(answer.stdout.split())


def test_a_role_is_granted_orgs_and_loses_them_again(run_stored: Run, database: Database) -> None:
    role = f"analyst_{database.libpq_url.rpartition('/')[2].partition('?')[0]}"
    with database.connect_fleet() as connection:
        connection.execute("INSERT INTO sync.checkpoints (org_id, adapter, entity) VALUES ('grace', 'pco', 'person')")
    for wrong in (["--all-orgs", "--org", "grace"], [], ["--revoke", "--create"], ["--org", "Not An Org"]):
        assert run_stored("db", "grant", role, *wrong).exit_code == 2
    assert run_stored("db", "grant", role, "--org", "grace").stderr == (
        f"openfaith-sync: there is no role {role}; --create creates it, as a login without a password\n"
    )
    answer = run_stored("db", "grant", role, "--create", "--org", "grace")
    assert answer.stdout.splitlines()[0] == f"{role} reads grace, without what is sensitive"
    assert json.loads(run_stored("db", "grants", "--json").stdout) == [
        {"role": role, "orgs": ["grace"], "sensitive": False, "can_log_in": True, "granted": True}
    ]
    assert f"{role}  grace  no" in re.sub(" {2,}", "  ", run_stored("db", "grants").stdout)
    assert run_stored("db", "grant", role, "--revoke").stdout == f"{role} reads nothing any more\n"
    assert run_stored("db", "grants").stdout.startswith("no role was granted anything")
    with database.connect_fleet() as connection:
        for name in (role, *load_reader_roles(connection).names):
            connection.execute(f"DROP OWNED BY {name}; DROP ROLE {name}".encode())


def test_the_data_dictionary_is_printed_and_written_in_each_format(run: Run, tmp_path: Path) -> None:
    assert run("data-dictionary").stdout.startswith("# Data dictionary\n")
    relations = json.loads(run("data-dictionary", "--format", "json").stdout)["relations"]
    path = tmp_path / "sources.yml"
    assert run("data-dictionary", "--format", "dbt", "-o", str(path)).stdout == f"wrote {path}\n"
    yaml = YAML(typ="safe")
    yaml.version = (1, 1)  # as dbt reads it
    sources = yaml.load(path)["sources"]
    assert sum(len(source["tables"]) for source in sources) == len(relations) > 40
    assert all(isinstance(table["name"], str) for source in sources for table in source["tables"])
    assert run("data-dictionary", "-o", str(tmp_path / "new" / "folder.md")).exit_code == 0
    assert run("data-dictionary", "-o", str(path / "below a file")).exit_code == 1
