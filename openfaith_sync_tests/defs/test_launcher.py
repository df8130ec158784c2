"""A run is a fork of a warm process: as the code lies now, found again by who it is, ended with nobody."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster._core.code_pointer import ModuleCodePointer
from dagster._core.origin import RepositoryPythonOrigin
from dagster._serdes import serialize_value

from openfaith_sync.defs.instance.launcher import CAN_FORK
from openfaith_sync.defs.instance.warm_parent import ParentGone, WarmParent
from openfaith_sync.defs.instance.worker_process import Worker
from openfaith_sync_tests.ten_entities import MANIFESTS

pytestmark = pytest.mark.skipif(not CAN_FORK, reason="only Linux forks")

SECONDS = 20


@pytest.fixture
def manifests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "manifests"
    shutil.copytree(MANIFESTS, folder)
    monkeypatch.setenv("OPENFAITH_MANIFESTS", str(folder))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def parent(manifests: Path) -> Iterator[WarmParent]:
    started = WarmParent.start(sys.executable, origin("openfaith_sync.definitions"))
    yield started
    started.close()


def origin(module: str) -> str:
    return serialize_value(RepositoryPythonOrigin(sys.executable, ModuleCodePointer(module, "defs")))


def wait_until_ended(worker: Worker) -> None:
    end = time.monotonic() + SECONDS
    while worker.is_alive():
        assert time.monotonic() < end, "it goes on"
        # Nobody tells a stranger that a process ended.
        time.sleep(0.02)


def test_a_fork_waits_for_its_run_and_ends_with_a_parent_that_never_gives_one(parent: WarmParent) -> None:
    first, second = parent.fork(), parent.fork()
    assert first.pid != second.pid
    wait_until_ended(first)
    assert second.is_alive()
    parent.close()
    wait_until_ended(second)


def test_the_parent_ends_with_its_launcher_however_that_ends(parent: WarmParent) -> None:
    parent.channel.close()
    assert parent.process.wait(SECONDS) == 0


def test_a_parent_whose_manifest_changed_gives_no_fork(parent: WarmParent, manifests: Path) -> None:
    people = manifests / "pco" / "people.yaml"
    people.write_text(people.read_text() + "# changed\n")
    with pytest.raises(ParentGone, match="a manifest or"):
        parent.fork()


def test_a_parent_that_gets_a_new_manifest_gives_no_fork(parent: WarmParent, manifests: Path) -> None:
    (manifests / "pco" / "more.yaml").write_text("module: more\n")
    with pytest.raises(ParentGone):
        parent.fork()


def test_code_that_cannot_be_loaded_makes_no_parent(manifests: Path) -> None:
    with pytest.raises(ParentGone, match="it ended"):
        WarmParent.start(sys.executable, origin("openfaith_sync.no_such_module"))


def test_a_killed_parent_is_gone_and_says_so(parent: WarmParent) -> None:
    parent.process.kill()
    parent.process.wait()
    with pytest.raises(ParentGone):
        parent.fork()


def test_a_worker_is_known_by_more_than_its_number() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        worker = Worker.of(process.pid)
        assert Worker.parse(str(worker)) == worker
        assert worker.is_alive()
        another = Worker(worker.machine, worker.pid, worker.started - 1)
        elsewhere = Worker("elsewhere 0000", worker.pid, worker.started)
        for stranger in (another, elsewhere):
            assert not stranger.is_alive()
            assert not stranger.interrupt()
        assert worker.interrupt()
        assert process.wait(SECONDS) == -signal.SIGINT
        assert not worker.is_alive()
        assert not worker.interrupt()


def test_a_killed_worker_has_ended_also_before_it_is_buried() -> None:
    process = subprocess.Popen(["sleep", "60"])
    worker = Worker.of(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    wait_until_ended(worker)
    assert Path(f"/proc/{process.pid}").exists()
    process.wait()
