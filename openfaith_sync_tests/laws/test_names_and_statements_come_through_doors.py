"""What comes from outside is parsed before it means an org, and no value ever becomes part of a statement's text."""

import ast
from dataclasses import dataclass, field
from logging import Logger, getLogger
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from openfaith_sync.cli import main
from openfaith_sync.defs.assets.org_sync import sync_org
from openfaith_sync.defs.jobs.record_sync import sync_records
from openfaith_sync.defs.resources.database_resource import DatabaseResource
from openfaith_sync.defs.resources.frame_io_manager import CanonicalFrameIOManager
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.passes import SyncMode
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.conftest import SECRET_KEY
from openfaith_sync_tests.ten_entities import MANIFESTS, ROOT

PACKAGE = ROOT / "openfaith_sync"
HOSTILE = (
    "'; DROP TABLE openfaith.people; --", "%s", "%(org)s", "../../etc/passwd", "grace/../hope", "grace\nhope", "", " ",
    "*", "-", "Grace", "gr\N{LATIN SMALL LETTER A WITH DIAERESIS}ce", "\N{ZERO WIDTH SPACE}grace", "g" * 64, "{org}",
    '"',
)  # fmt: skip
COMMANDS = (
    ("org", "add", "ORG", "--basic", "a:b"), ("org", "connect", "ORG", "--paste"), ("org", "pause", "ORG"),
    ("org", "resume", "ORG"), ("org", "remove", "ORG", "--yes"), ("org", "set", "ORG", "--time-zone", "UTC"),
    ("org", "invite", "ORG"), ("org", "confirm", "ORG"),
    ("status", "ORG"), ("sync", "ORG"), ("holds", "list", "ORG"), ("webhooks", "status", "ORG"),
    ("webhooks", "ensure", "ORG"), ("webhooks", "rotate", "ORG"), ("webhooks", "remove", "ORG"),
)  # fmt: skip
TEXT_OF_OURS = {
    ("defs/instance/storage.py", "CREATE SCHEMA IF NOT EXISTS"),
    ("store/admin/reports.py", "SET LOCAL statement_timeout"),
    ("store/admin/readers.py", "f'CREATE ROLE {quoted(role)} LOGIN'"),
    ("store/admin/readers.py", "f'GRANT {quoted(name)} TO {quoted(role)}{options}'"),
    ("store/admin/readers.py", "f'REVOKE {quoted(name)} FROM {quoted(role)}'"),
    ("store/admin/field_views.py", "f'CREATE OR REPLACE {made}'"),
    ("store/admin/field_views.py", "f'DROP VIEW {name}'"),
    ("store/admin/field_views.py", "f'GRANT SELECT ON {name} TO {quoted(engine)}'"),
    ("store/schema/reader_roles.py", "f'CREATE ROLE {quoted(name)} NOLOGIN NOSUPERUSER NOBYPASSRLS'"),
    ("defs/checks/evaluations.py", "', '.join(dead_letter_ids)"),
}
"""What is joined where it is sent: constants, quoted names and literals, where the server takes no parameter, and
one text that goes to Dagster and to no database."""


@dataclass(frozen=True)
class Context:
    """What an asset's body asks of Dagster."""

    partition_key: str
    retry_number: int = 0
    run: Any = field(default_factory=lambda: SimpleNamespace(run_id="run"))
    log: Logger = field(default_factory=lambda: getLogger("a test"))
    asset_key: dg.AssetKey = field(default_factory=lambda: dg.AssetKey(["pco", "person"]))
    selected_asset_keys: frozenset[dg.AssetKey] = frozenset()
    definition_metadata: dict[str, Any] = field(default_factory=dict)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_no_command_takes_what_cannot_be_an_org(
    words: tuple[str, ...], module_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    environment = {
        "OPENFAITH_DATABASE_URL": module_database.libpq_url,
        "OPENFAITH_SECRET_KEYS": SECRET_KEY,
        "OPENFAITH_HOME": str(tmp_path),
        "OPENFAITH_MANIFESTS": str(MANIFESTS),
        "OPENFAITH_PUBLIC_URL": "https://sync.example.org",
        "OPENFAITH_PCO_CLIENT_ID": "a",
        "OPENFAITH_PCO_CLIENT_SECRET": "b",
    }
    for name in HOSTILE:
        told = [name if word == "ORG" else word for word in words]
        # What begins with a hyphen would be an option.
        done = CliRunner().invoke(main, [*told[:2], "--", *told[2:]] if name == "-" else told, env=environment)
        assert done.exit_code in (1, 2), (name, done.output)
        assert done.stderr.startswith("openfaith-sync: "), (name, done.stderr, done.exception)
        assert done.stdout == ""


# A hyphen is nobody (domain/ids.py): it is let in, and nothing is there.
@pytest.mark.parametrize("name", [name for name in HOSTILE if name != "-"])
def test_no_run_is_of_a_partition_that_cannot_be_an_org(
    name: str, module_database: Database, pco_manifest: Manifest, tmp_path: Path
) -> None:
    resource = DatabaseResource(home=str(tmp_path), database_url=module_database.libpq_url, secret_keys=SECRET_KEY)
    context: Any = Context(name)
    with pytest.raises(dg.Failure, match="an org's name is"):
        list(sync_org(context, pco_manifest, SyncMode.FULL, resource))
    with pytest.raises(dg.Failure, match="an org's name is"):
        sync_records(context, pco_manifest, resource)
    with pytest.raises(dg.Failure, match="an org's name is"):
        CanonicalFrameIOManager(database=resource).load_input(context)


def joined_statements(path: Path) -> list[str]:
    """Return what is sent to the database as text that was put together on the spot."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        if node.func.attr not in {"execute", "executemany", "SQL", "text"}:
            continue
        walked = list(ast.walk(node.args[0]))
        within = {id(part) for whole in walked if isinstance(whole, ast.JoinedStr) for part in ast.walk(whole)}
        parts: list[ast.expr] = [part for part in walked if isinstance(part, ast.JoinedStr)]
        parts += [part for part in walked if isinstance(part, ast.BinOp) and id(part) not in within]
        called = [
            part
            for part in ast.walk(node.args[0])
            if isinstance(part, ast.Call)
            and isinstance(part.func, ast.Attribute)
            and part.func.attr in {"format", "replace", "join"}
            and isinstance(part.func.value, ast.Constant)
        ]
        found += [ast.unparse(part) for part in (*parts, *called)]
    return found


def test_no_statement_is_joined_of_values() -> None:
    found = {
        (str(path.relative_to(PACKAGE)), text)
        for path in PACKAGE.rglob("*.py")
        if "migrations" not in path.parts and "simulator" not in path.parts
        for text in joined_statements(path)
    }
    unknown = {one for one in found if not any(one[0] == path and start in one[1] for path, start in TEXT_OF_OURS)}
    assert unknown == set()


def test_a_joined_statement_would_be_found(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.py"
    wrong.write_text("session.execute(f'SELECT {name}')\nsession.execute('SELECT %s' % name)\nsql.SQL('a' + name)\n")
    assert len(joined_statements(wrong)) == 3
