"""Classify a response once: its outcome, the error that it becomes, and what the request cost."""

from dataclasses import dataclass
from datetime import timedelta

import httpx

from openfaith_sync.adapters.client.auth import RequestAuth
from openfaith_sync.adapters.client.outcomes import ERROR_OF_ACTION, FOREIGN_NOT_FOUND, Outcome, decide, is_sources_own
from openfaith_sync.adapters.ports.answer_reader import AnswerReader
from openfaith_sync.domain.errors import AccessDenied, SourceFailed, SyncError, TransientError
from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.domain.manifest.error_rules import ErrorAction


class NotProcessed(TransientError):
    """The source certainly did not process the request: it never received it, or rejected it with a rate limit."""


class RateLimited(NotProcessed):
    """The source rejected the request because of its rate limit; all processes pause."""


class ConnectionFailed(NotProcessed, SourceFailed):
    """No connection could be made."""


class CredentialsRenewed(NotProcessed):
    """The source rejected the credentials, and newer ones are now available."""


@dataclass(slots=True)
class RequestStats:
    """The requests and the waiting time of one call."""

    requests: int = 0
    waited: timedelta = timedelta()
    """Wall time that the call adds to the client's total waiting time; requests that wait at once count once."""


@dataclass(frozen=True, slots=True)
class ClassifiedResponse:
    """One response, the credentials that its request carried, and how it is handled."""

    response: httpx.Response
    auth: RequestAuth
    outcome: Outcome | None
    """``None`` if the request succeeded."""


def classify(response: httpx.Response, answers: AnswerReader, adapter: AdapterFile) -> Outcome | None:
    """Return how a response is handled; ``None`` if the request succeeded."""
    error = answers.stated_error(response)
    if response.is_success and error is None:
        return None
    # The charset that the response declares may be wrong or missing.
    body_text = response.content[:4096].decode(errors="replace")
    outcome = decide(response.status_code, body_text, adapter.errors, error)
    if outcome is None or outcome.action is not ErrorAction.NOT_FOUND or response.is_success:
        return outcome
    expected = adapter.not_found
    return outcome if expected is not None and is_sources_own(response, expected) else FOREIGN_NOT_FOUND


def build_error(outcome: Outcome, message: str, retry_after: timedelta | None = None) -> SyncError:
    """Return the error of an outcome, with what a person can do."""
    kind = ERROR_OF_ACTION[outcome.action]
    if issubclass(kind, AccessDenied):
        return kind(message, outcome.remedy)
    if outcome.remedy:
        message = f"{message}; {outcome.remedy}"
    if not issubclass(kind, TransientError):
        return kind(message)
    if outcome.is_unprocessed:
        kind = ConnectionFailed
    return kind(message, retry_after=retry_after)
