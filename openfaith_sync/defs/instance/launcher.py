"""Launches a run as a fork of a process that has imported everything; named in ``dagster.yaml``.

Dagster's own launcher starts a new Python for each run, which imports Dagster and
the definitions first: seconds, before a change that a webhook told of is looked at.
Here the process that launches (the daemon) keeps one warm parent for each code
location (``run_parent.py``), and a run begins within a fraction of a second. A run
is the same as with ``dagster api execute_run``, always with the code as it lies on
the disk now: a parent whose files changed says so, and a new one is started.

Where this cannot be, Dagster's own launcher does it: on systems other than Linux
(macOS forbids most of its libraries after a fork, Windows has none), and for code
locations that are served from another machine.
"""

import logging
import sys
from threading import Lock

from dagster import DagsterRun, DefaultRunLauncher
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, WorkerStatus
from dagster._core.origin import JobPythonOrigin
from dagster._core.remote_origin import (
    CodeLocationOrigin,
    GrpcServerCodeLocationOrigin,
    ManagedGrpcPythonEnvCodeLocationOrigin,
)
from dagster._grpc.types import ExecuteRunArgs
from dagster._serdes import ConfigurableClassData, serialize_value

from openfaith_sync.defs.instance.warm_parent import ParentGone, WarmParent
from openfaith_sync.defs.instance.worker_process import WORKER_TAG, Worker

CAN_FORK = sys.platform == "linux"
THIS_MACHINE = {"localhost", "127.0.0.1", "::1"}

log = logging.getLogger("dagster.openfaith")


class WarmRunLauncher(DefaultRunLauncher):
    """Forks run workers; keeps at most one parent for each code location."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        """Start nothing: every process of Dagster makes a launcher, few launch."""
        super().__init__(inst_data)
        self._parents: dict[str, WarmParent] = {}
        self._turn = Lock()

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's process, known by its tag before its first step."""
        run, origin = context.dagster_run, context.job_code_origin
        if origin is None or not CAN_FORK or not _is_here(run):
            super().launch_run(context)
            return
        try:
            self._fork(run, origin)
        except ParentGone as gone:
            # The run's process was not begun, so that starting it otherwise cannot begin it twice.
            log.warning("run %s is launched without a warm process: %s", run.run_id, gone)
            super().launch_run(context)
        self._run_ids.add(run.run_id)

    def terminate(self, run_id: str) -> bool:
        """Interrupt the run's process; says whether it was alive."""
        run = self._instance.get_run_by_id(run_id)
        worker = Worker.parse(run.tags.get(WORKER_TAG)) if run else None
        if run is None or worker is None:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        if run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        if worker.interrupt():
            return True
        self._instance.report_engine_event(f"Its process ({worker}) is not running here", run, cls=type(self))
        return False

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Say that run monitoring may ask whether a run's process lives."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Say whether a run's process lives; one on another machine is none of this launcher's."""
        worker = Worker.parse(run.tags.get(WORKER_TAG))
        if worker is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "launched by its code server, which watches it")
        if worker.is_alive():
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(worker))
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"its process ({worker}) ended without a word", run_worker_id=str(worker)
        )

    def dispose(self) -> None:
        """End the warm parents; the runs they forked go on to their end."""
        with self._turn:
            for parent in self._parents.values():
                parent.close()
            self._parents.clear()

    def _fork(self, run: DagsterRun, origin: JobPythonOrigin) -> None:
        args = ExecuteRunArgs(origin, run.run_id, self._instance.get_ref(), set_exit_code_on_failure=True)
        # One exchange at a time: it takes a few milliseconds.
        with self._turn:
            parent, worker = self._prepare(serialize_value(origin.repository_origin), origin.executable_path)
            # Before it begins, since the run's process changes the same row of Dagster's.
            self._instance.add_run_tags(run.run_id, {WORKER_TAG: str(worker)})
            parent.begin(serialize_value(args))
        self._instance.report_engine_event(f"Forked a warm process for the run ({worker})", run, cls=type(self))

    def _prepare(self, origin: str, python: str) -> tuple[WarmParent, Worker]:
        """Return a process that waits to be told its run, of a parent that is up to date."""
        kept = self._parents.pop(origin, None)
        if kept is not None:
            try:
                worker = kept.fork()
            except ParentGone:
                kept.close()
            else:
                self._parents[origin] = kept
                return kept, worker
        parent = WarmParent.start(python, origin)
        self._parents[origin] = parent
        return parent, parent.fork()


def _is_here(run: DagsterRun) -> bool:
    """Say whether the run's code is on this machine, as far as its origin tells."""
    if run.remote_job_origin is None:
        return False
    repository = run.remote_job_origin.repository_origin
    origin: CodeLocationOrigin = repository.code_location_origin
    if isinstance(origin, GrpcServerCodeLocationOrigin):
        return bool(origin.socket) or origin.host in THIS_MACHINE
    return isinstance(origin, ManagedGrpcPythonEnvCodeLocationOrigin)
