"""The process that ``running_simulator`` starts: it reads its settings, and ends when its parent does."""

import os
import sys
import threading

import orjson

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import SETTINGS, serve


def main() -> None:
    """Serve with the settings in the first line of standard input, until standard input closes."""
    configuration = orjson.loads(sys.stdin.buffer.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        serve(SETTINGS.validate_python(configuration["settings"]), Manifest.model_validate(configuration["manifest"]))
    except UsageError as error:
        print(error, flush=True)  # noqa: T201  the parent reads it


def _end_with_parent() -> None:
    # Anything that ends the parent, even SIGKILL, closes its end of the pipe.
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    main()
