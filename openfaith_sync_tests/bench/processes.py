"""One measured run in a process of its own."""

import json
import subprocess
import sys
from typing import Any


def measured(module: str, job: dict[str, Any]) -> dict[str, Any]:
    """Return the figures that this module of the benchmark prints for a job."""
    command = [sys.executable, "-m", f"openfaith_sync_tests.bench.{module}", json.dumps(job)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found
