"""Sends alerts in processes of their own, and kills them: a line of JSON a job in, the exit status out."""

import json
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from apprise import Apprise

from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.sessions.alerting import watch_alerts
from openfaith_sync.store.database.database import open_database
from openfaith_sync_tests.laws.jobs import JobProcess

KILLED = -signal.SIGKILL
STEPS = ("compared", "written", "claimed", "sent", "recorded")


def tell(job: dict[str, Any]) -> None:
    def on_step(step: str) -> None:
        if step == job.get("kill_at"):
            os.kill(os.getpid(), signal.SIGKILL)

    database = open_database(Settings(Path(job["home"]), Path(), job["database_url"], ()))
    watch_alerts(database, job["urls"], calm_for=timedelta(), patience_seconds=120, on_step=on_step)


def main() -> None:
    # What every fork would read again: the plugins.
    Apprise().add("json://127.0.0.1")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            tell(json.loads(line))
            os._exit(0)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


class Tellers(JobProcess):
    """The other end: runs jobs in the tellers' process."""

    def __init__(self) -> None:
        super().__init__("openfaith_sync_tests.laws.teller")


if __name__ == "__main__":
    main()
