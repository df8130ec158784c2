"""Launch each run as a fork of a process that has imported everything; named in ``dagster.yaml``.

Dagster's own launcher starts a new Python process for each run, which first imports Dagster
and the definitions: that takes seconds, before a change that a webhook announced is even read.
Here the launching process (the daemon) keeps one warm parent per code location
(``run_parent.py``), and a run starts within a fraction of a second. A run is the same as with
``dagster api execute_run``, and always runs the code that is on disk now: a parent whose files
have changed reports it, and a new parent is started.

Where forking is impossible, Dagster's own launcher is used: on systems other than Linux (most
macOS libraries must not be used after a fork, Windows has none), and for code locations that
are served from another machine.
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
    """Forks run workers; keeps at most one parent per code location."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        """Start no process yet: every Dagster process creates a launcher, but few launch runs."""
        super().__init__(inst_data)
        self._parents: dict[str, WarmParent] = {}
        self._lock = Lock()

    def launch_run(self, context: LaunchRunContext) -> None:
        """Start the run's process, and tag the run with it before its first step."""
        run, origin = context.dagster_run, context.job_code_origin
        if origin is None or not CAN_FORK or not _is_on_this_machine(run):
            super().launch_run(context)
            return
        try:
            self._fork(run, origin)
        except ParentGone as gone:
            # The run has not started, so starting it another way cannot start it twice.
            log.warning("launching run %s without a warm process: %s", run.run_id, gone)
            super().launch_run(context)
        self._run_ids.add(run.run_id)

    def terminate(self, run_id: str) -> bool:
        """Interrupt the run's process, and return whether it was alive."""
        run = self._instance.get_run_by_id(run_id)
        worker = Worker.parse(run.tags.get(WORKER_TAG)) if run else None
        if run is None or worker is None:
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        if run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        if worker.interrupt():
            return True
        self._instance.report_engine_event(
            f"Its process ({worker}) is not running on this machine", run, cls=type(self)
        )
        return False

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Return that run monitoring may check a run's process."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Return whether a run's process is alive; one on another machine cannot be checked."""
        worker = Worker.parse(run.tags.get(WORKER_TAG))
        if worker is None:
            return CheckRunHealthResult(WorkerStatus.RUNNING, "launched by its code server, which monitors it")
        if worker.is_alive():
            return CheckRunHealthResult(WorkerStatus.RUNNING, run_worker_id=str(worker))
        return CheckRunHealthResult(
            WorkerStatus.FAILED, f"its process ({worker}) ended unexpectedly", run_worker_id=str(worker)
        )

    def dispose(self) -> None:
        """Stop the warm parents; the runs that they forked continue."""
        with self._lock:
            for parent in self._parents.values():
                parent.close()
            self._parents.clear()

    def _fork(self, run: DagsterRun, origin: JobPythonOrigin) -> None:
        args = ExecuteRunArgs(origin, run.run_id, self._instance.get_ref(), set_exit_code_on_failure=True)
        # One exchange at a time: it takes a few milliseconds.
        with self._lock:
            parent, worker = self._prepare(serialize_value(origin.repository_origin), origin.executable_path)
            # Tag the run before it starts, since its process updates the same row of Dagster's tables.
            self._instance.add_run_tags(run.run_id, {WORKER_TAG: str(worker)})
            parent.begin(serialize_value(args))
        self._instance.report_engine_event(f"Forked a warm process for the run ({worker})", run, cls=type(self))

    def _prepare(self, origin: str, python: str) -> tuple[WarmParent, Worker]:
        """Return a process that waits for its run, forked from an up-to-date parent."""
        parent = self._parents.pop(origin, None)
        if parent is not None:
            try:
                worker = parent.fork()
            except ParentGone:
                parent.close()
            else:
                self._parents[origin] = parent
                return parent, worker
        parent = WarmParent.start(python, origin)
        self._parents[origin] = parent
        return parent, parent.fork()


def _is_on_this_machine(run: DagsterRun) -> bool:
    """Return whether the run's code is on this machine, as far as its origin shows."""
    if run.remote_job_origin is None:
        return False
    repository = run.remote_job_origin.repository_origin
    origin: CodeLocationOrigin = repository.code_location_origin
    if isinstance(origin, GrpcServerCodeLocationOrigin):
        return bool(origin.socket) or origin.host in THIS_MACHINE
    return isinstance(origin, ManagedGrpcPythonEnvCodeLocationOrigin)
