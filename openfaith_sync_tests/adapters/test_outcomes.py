"""Every answer, every lack of one and every body has its row in the one table."""

import httpx
import pytest
from pydantic import ValidationError

from openfaith_sync.adapters.client.outcomes import (
    BY_STATUS,
    BY_TRANSPORT,
    ERROR_OF_ACTION,
    decide,
    decide_failure,
)
from openfaith_sync.domain.errors import AnswerTooLarge, FilterIgnored, MalformedAnswer, RecordRejected, SyncError
from openfaith_sync.domain.manifest.error_rules import ErrorAction, ErrorRule
from openfaith_sync.domain.manifest.manifest import Manifest

# What a success may be refused for once it is read.
BY_BODY = {
    # No JSON, broken, of another shape, shorter than promised: never an end of a listing.
    MalformedAnswer: ErrorAction.RETRY,
    AnswerTooLarge: ErrorAction.REDUCE_PAGE,
    # Rows that were not asked for: read in another way first.
    FilterIgnored: ErrorAction.STOP,
    # A record of a page that cannot be mapped or stored.
    RecordRejected: ErrorAction.DEAD_LETTER,
}

# Mistakes of ours in the use of the library, and statuses that we never let it raise for.
LET_THROUGH = {
    httpx.HTTPStatusError,
    httpx.CookieConflict,
    httpx.StreamError,
    httpx.StreamConsumed,
    httpx.StreamClosed,
    httpx.RequestNotRead,
    httpx.ResponseNotRead,
}
# What httpx sorts its errors by and raises none of.
NEVER_RAISED = {
    httpx.HTTPError,
    httpx.TransportError,
    httpx.TimeoutException,
    httpx.NetworkError,
    httpx.ProtocolError,
}


def httpx_errors() -> set[type[Exception]]:
    return {found for found in vars(httpx).values() if isinstance(found, type) and issubclass(found, Exception)}


def test_every_status_has_an_outcome_without_any_row_of_a_manifest() -> None:
    found = {status: decide(status, "", ()) for status in range(100, 600)}
    assert {status for status, outcome in found.items() if outcome is None} == set(range(200, 300))
    by_action: dict[ErrorAction, set[int]] = {}
    for status, outcome in found.items():
        if outcome is not None:
            by_action.setdefault(outcome.action, set()).add(status)
    assert by_action.pop(ErrorAction.REFRESH) == {401}
    assert by_action.pop(ErrorAction.DISABLE_ENTITY) == {402, 403}
    assert by_action.pop(ErrorAction.NOT_FOUND) == {404, 410}
    assert by_action.pop(ErrorAction.WAIT) == {429}
    assert by_action.pop(ErrorAction.RETRY) == {*range(100, 200), 408, 421, 425}
    assert by_action.pop(ErrorAction.REDUCE_PAGE) == {*range(500, 600)}
    assert set(by_action) == {ErrorAction.STOP}


@pytest.mark.parametrize("status", [0, 99, 600, 999])
def test_what_is_no_status_stops(status: int) -> None:
    outcome = decide(status, "", ())
    assert outcome is not None
    assert outcome.action is ErrorAction.STOP


def test_no_two_rows_for_statuses_overlap_but_one_within_another() -> None:
    spans = list(BY_STATUS)
    for one in spans:
        for other in spans:
            shared = set(one) & set(other)
            assert not shared or shared in (set(one), set(other))


def test_every_error_of_the_http_library_has_a_row_or_passes_on_purpose() -> None:
    named = set(BY_TRANSPORT) - {httpx.RequestError}
    assert httpx_errors() == named | LET_THROUGH | NEVER_RAISED | {httpx.RequestError}
    assert not named & (LET_THROUGH | NEVER_RAISED)
    for kind in LET_THROUGH:
        assert not any(issubclass(kind, row) for row in BY_TRANSPORT)


def test_an_error_that_a_later_version_brings_is_tried_again() -> None:
    class Newer(httpx.NetworkError):
        pass

    outcome = decide_failure(Newer("surprise"))
    assert outcome is not None
    assert outcome.action is ErrorAction.RETRY
    assert decide_failure(KeyError("a bug")) is None


def test_every_action_becomes_an_error_of_ours() -> None:
    assert set(ERROR_OF_ACTION) == set(ErrorAction)
    assert all(issubclass(error, SyncError) for error in ERROR_OF_ACTION.values())


def test_what_a_body_is_refused_for_is_an_error_of_its_action() -> None:
    for error, action in BY_BODY.items():
        assert issubclass(error, ERROR_OF_ACTION[action])


def test_the_manifests_rows_come_first_and_the_first_that_matches_decides() -> None:
    rules = [
        ErrorRule(status=503, contains="closed for good", action=ErrorAction.STOP, message="gone"),
        ErrorRule(status=503, action=ErrorAction.WAIT, message="busy"),
    ]
    closed, busy, other = (decide(503, "closed for good", rules), decide(503, "", rules), decide(502, "", rules))
    assert closed is not None
    assert closed.action is ErrorAction.STOP
    assert busy is not None
    assert (busy.action, busy.is_unprocessed) == (ErrorAction.WAIT, True)
    assert other is not None
    assert other.action is ErrorAction.REDUCE_PAGE


def test_no_row_of_a_manifest_can_make_an_answer_a_dead_letter() -> None:
    with pytest.raises(ValidationError):
        ErrorRule.model_validate({"status": 422, "action": "dead_letter", "message": "no"})


@pytest.mark.parametrize(
    ("status", "body", "action"),
    [
        (401, "Error Code Hint: (BABOON)", ErrorAction.REFRESH),
        (401, "Error Code Hint: (CAPUCHIN)", ErrorAction.REFRESH),
        (401, "HTTP Basic: Access denied.\n", ErrorAction.REFRESH),
        (401, "Error Code Hint: (PELICAN)", ErrorAction.DISABLE_ENTITY),
        (402, "", ErrorAction.DISABLE_ENTITY),
        (403, "You do not have access to this resource", ErrorAction.DISABLE_ENTITY),
        (403, "<h1>Request blocked.</h1>", ErrorAction.RETRY),
        (404, "", ErrorAction.NOT_FOUND),
        (429, "", ErrorAction.WAIT),
        (503, "", ErrorAction.REDUCE_PAGE),
    ],
)
def test_planning_centers_answers(pco_manifest: Manifest, status: int, body: str, action: ErrorAction) -> None:
    outcome = decide(status, body, pco_manifest.adapter_file.errors)
    assert outcome is not None
    assert outcome.action is action
