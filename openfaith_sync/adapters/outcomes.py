"""What to do about an answer: one table, the manifest's rows before the classes of statuses."""

from collections.abc import Sequence

from openfaith_sync.domain.adapter_file import ErrorAction, ErrorRule
from openfaith_sync.domain.errors import (
    AccessDenied,
    DefinitionError,
    NotFoundAtSource,
    ReconnectRequired,
    SyncError,
    TransientError,
)

FIRST_ERROR_STATUS = 300

ERROR_OF_ACTION: dict[ErrorAction, type[SyncError]] = {
    ErrorAction.RETRY: TransientError,
    ErrorAction.WAIT: TransientError,
    ErrorAction.RECONNECT: ReconnectRequired,
    ErrorAction.NOT_FOUND: NotFoundAtSource,
    ErrorAction.DENIED: AccessDenied,
    ErrorAction.STOP: DefinitionError,
}


def decide(status: int, body: str, rules: Sequence[ErrorRule]) -> ErrorRule | None:
    """Give the rule for an answer, or ``None`` when it is a success.

    A status that no rule of the manifest names is decided by its class: the
    source's own failures (5xx) and time-outs (408, 425) may heal, a redirect or
    any other refusal will not.
    """
    if status < FIRST_ERROR_STATUS:
        return None
    for rule in rules:
        if rule.status == status and (rule.contains is None or rule.contains in body):
            return rule
    if status >= 500 or status in {408, 425}:  # noqa: PLR2004  the classes of RFC 9110
        return ErrorRule(status=status, action=ErrorAction.RETRY, message="the source failed on its side")
    if status < 400:  # noqa: PLR2004
        message = "the source redirects; check the connection's base URL"
        return ErrorRule(status=status, action=ErrorAction.STOP, message=message)
    return ErrorRule(status=status, action=ErrorAction.STOP, message="the source refused the request")
