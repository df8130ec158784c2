"""Write the log of a process to its standard error: as text, or as one JSON object a line."""

import logging
import sys
from collections.abc import Sequence

from openfaith_sync.domain.connections.deployment_settings import LogFormat
from openfaith_sync.domain.log_context import current_log_context

_TEXT = "%(asctime)s %(levelname)s %(message)s"
_PACKAGE = "openfaith_sync"


def configure_logging(log_format: LogFormat, info: Sequence[str] = ()) -> None:
    """Write warnings to standard error, and also what these loggers say; JSON has all that our own loggers say.

    A JSON line has ``time`` (UTC), ``level``, ``logger`` and ``message``, and where a sync writes it ``org``,
    ``adapter``, ``entity``, ``pass_id`` and ``run_id``.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_add_context)
    handler.setFormatter(_build_json() if log_format is LogFormat.JSON else logging.Formatter(_TEXT))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    for name in [_PACKAGE] if log_format is LogFormat.JSON else info:
        logging.getLogger(name).setLevel(logging.INFO)


def _add_context(record: logging.LogRecord) -> bool:
    for name, value in current_log_context().items():
        record.__dict__.setdefault(name, value)
    return True


def _build_json() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter  # noqa: PLC0415  only where it is chosen

    renamed = {"levelname": "level", "name": "logger"}
    return JsonFormatter("%(levelname)s %(name)s %(message)s", rename_fields=renamed, timestamp="time")
