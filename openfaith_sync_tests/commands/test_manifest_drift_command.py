"""``manifest drift``: told once an adapter with the number of churches, and adopted by its own patch."""

import json
import shutil
from pathlib import Path

import pytest

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.domain.problems.problem import ProblemKind
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.admin.problems import list_problems
from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.ten_entities import MANIFESTS

GONE = "      website: {type: string, to: url}\n"
"""A line of the campus that the deployment's manifest lacks."""
EXTRA = "      zone_of_parking: {type: string}\n"
"""One that it has, and the source does not send."""


@pytest.fixture
def manifests(tmp_path: Path) -> Path:
    """Manifests that differ from what the simulator sends, which is made from the right ones."""
    folder = tmp_path / "manifests"
    shutil.copytree(MANIFESTS, folder)
    people = folder / "pco" / "people.yaml"
    text = people.read_text()
    assert GONE in text
    last = "      zip: {type: string, to: zip}\n"
    people.write_text(text.replace(GONE, "", 1).replace(last, last + EXTRA, 1))
    adapter = folder / "pco" / "adapter.yaml"
    adapter.write_text(adapter.read_text().replace('version: "2023-07-10"', 'version: "2023-08-01"', 1))
    return folder


def test_drift_is_told_once_and_adopted_by_its_patch(
    run_stored: Run, church: RunningSimulator, database: Database, manifests: Path
) -> None:
    here = {"OPENFAITH_MANIFESTS": str(manifests)}
    for org in ("grace", "hope"):
        login = f"{church.application_id}:{church.secret}"
        added = run_stored("org", "add", org, "--base-url", church.base_url, "--basic-stdin", stdin=login, **here)
        assert added.exit_code == 0, added.stderr
        assert run_stored("sync", org, "--entity", "campus", "--entity", "group", **here).exit_code == 0

    rows = json.loads(run_stored("manifest", "drift", "pco", "--json", **here).stdout)
    assert [(row["entity"], row["kind"], row["name"], row["found"], row["orgs"]) for row in rows] == [
        ("campus", "appeared", "website", "string", ["grace", "hope"]),
        ("campus", "vanished", "zone_of_parking", "null", ["grace", "hope"]),
        ("group", "version", "2023-08-01", "2023-07-10", ["grace", "hope"]),
    ]
    (problem,) = list_problems(database)
    assert (problem.kind, problem.orgs, problem.is_red, problem.is_told) == (
        ProblemKind.SCHEMA_DRIFT,
        frozenset({OrgId("grace"), OrgId("hope")}),
        False,
        True,
    )
    assert "campus.website appeared; campus.zone_of_parking is not sent any more" in problem.detail
    assert run_stored("status", "--check", **here).exit_code == 0

    patch = run_stored("manifest", "drift", "--patch", **here).stdout
    assert [line for line in patch.splitlines() if line[0] in "+-"] == [
        "--- a/people.yaml",
        "+++ b/people.yaml",
        "+      website: {type: string}",
        f"-{EXTRA.rstrip()}",
    ]
    people = manifests / "pco" / "people.yaml"
    people.write_text(_apply(people.read_text(), patch))
    adapter = manifests / "pco" / "adapter.yaml"
    adapter.write_text(adapter.read_text().replace('version: "2023-08-01"', 'version: "2023-07-10"'))
    for org in ("grace", "hope"):
        assert run_stored("sync", org, "--entity", "campus", "--entity", "group", **here).exit_code == 0
    assert list_problems(database) == []
    assert "the records are as the manifests say" in run_stored("manifest", "drift", **here).stderr
    unknown = run_stored("manifest", "drift", "nobody", **here)
    assert (unknown.exit_code, "there is no adapter 'nobody'" in unknown.stderr) == (1, True)


def _apply(text: str, patch: str) -> str:
    """Return a text with the lines of a patch added and removed, as ``patch`` would do it."""
    for line in patch.splitlines():
        if line.startswith("-  "):
            text = text.replace(f"{line[1:]}\n", "", 1)
        elif line.startswith("+  "):
            later = "      zip: {type: string, to: zip}\n"
            text = text.replace(later, f"{line[1:]}\n{later}", 1)
    return text
