"""A command finds the only adapter that it can mean, and asks where there are several."""

import re
import shutil
from pathlib import Path

import pytest

from openfaith_sync.commands.adapters import find_adapter, find_manifest
from openfaith_sync.domain.connections.connection import BearerToken, Connection
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.store.connections.connections import add_connection
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.ten_entities import MANIFESTS

GRACE = OrgId("grace")


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two adapters' manifests, alike but for their names; only one connects by OAuth."""
    root = tmp_path / "manifests"
    for name in ("pco", "other"):
        shutil.copytree(MANIFESTS / "pco", root / name)
    file = root / "other" / "adapter.yaml"
    text = file.read_text(encoding="utf-8").replace("adapter: pco", "adapter: other")
    # Without the method, and without the mapping below its key.
    text = re.sub(r"^  oauth2:\n(?:    .*\n)+", "", text.replace(", oauth2]", "]"), flags=re.MULTILINE)
    file.write_text(text, encoding="utf-8")
    return root


def connect(database: Database, adapter: str) -> None:
    add_connection(database, Connection(GRACE, AdapterName(adapter), "http://x", BearerToken("t")))


def test_the_only_manifest_that_fits_is_found(two: Path) -> None:
    assert find_manifest(two, None, lambda m: m.adapter_file.auth.oauth2 is not None).adapter == "pco"
    assert find_manifest(two, "other").adapter == "other"


def test_several_manifests_are_named(two: Path) -> None:
    with pytest.raises(UsageError, match="name the system with --adapter: other, pco"):
        find_manifest(two, None)
    with pytest.raises(UsageError, match="name the system with --adapter: other, pco"):
        find_manifest(two, None, lambda _: False)


def test_the_adapter_of_an_orgs_only_connection_is_found(database: Database) -> None:
    with pytest.raises(UsageError, match="there is no org 'grace'"):
        find_adapter(database, GRACE, None)
    connect(database, "other")
    assert find_adapter(database, GRACE, None) == "other"
    connect(database, "pco")
    with pytest.raises(UsageError, match="grace is connected to other, pco; choose one with --adapter"):
        find_adapter(database, GRACE, None)
    assert find_adapter(database, GRACE, "pco") == "pco"
