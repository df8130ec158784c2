"""What a token endpoint answers: a pair in hand is kept, whatever else is said, and nothing of it is shown."""

import traceback
from datetime import timedelta

import httpx
import pytest

from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.domain.connections.connection import OAuthClient, OAuthTokens
from openfaith_sync.domain.errors import AnswerLost, DefinitionError, ReconnectRequired, SyncError, TransientError
from openfaith_sync.domain.manifest.manifest import Manifest

ASKED = frozenset({"people"})
PAIR = {"access_token": "acc3ss", "refresh_token": "r3fresh"}


def endpoints_that_answer(manifest: Manifest, answer: httpx.Response | Exception) -> OAuthEndpoints:
    def handle(_: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return answer

    client, transport = OAuthClient("client", "s3cret"), httpx.MockTransport(handle)
    return OAuthEndpoints(manifest.adapter_file, "https://pco.example", client, transport=transport)


def refreshed(manifest: Manifest, body: object) -> OAuthTokens:
    return endpoints_that_answer(manifest, httpx.Response(200, json=body)).refresh("0ld", ASKED)


@pytest.mark.parametrize(
    "more",
    [
        {"expires_in": 0},
        {"expires_in": -1},
        {"expires_in": 1e15},
        {"expires_in": "soon"},
        {"expires_in": [7200]},
        {"expires_in": None},
        {"scope": ["people"]},
        {"scope": 3},
    ],
    ids=str,
)
def test_a_pair_is_kept_whatever_else_is_said(pco_manifest: Manifest, more: dict[str, object]) -> None:
    oauth2 = pco_manifest.adapter_file.auth.oauth2
    assert oauth2 is not None
    usual = timedelta(seconds=oauth2.access_seconds)
    assert refreshed(pco_manifest, {**PAIR, **more}) == OAuthTokens("acc3ss", "r3fresh", usual, ASKED)


def test_what_is_said_of_a_pair_is_taken(pco_manifest: Manifest) -> None:
    tokens = refreshed(pco_manifest, {**PAIR, "expires_in": "60", "scope": "groups people"})
    assert (tokens.lifetime, tokens.scopes) == (timedelta(minutes=1), frozenset({"groups", "people"}))


@pytest.mark.parametrize("more", [{}, {"refresh_token": ""}, {"refresh_token": None}, {"refresh_token": 7}], ids=str)
def test_a_refresh_answer_without_a_refresh_token_keeps_the_old_one(
    pco_manifest: Manifest, more: dict[str, object]
) -> None:
    tokens = refreshed(pco_manifest, {"access_token": "acc3ss", **more})
    assert (tokens.access_token, tokens.refresh_token) == ("acc3ss", "0ld")


def test_a_code_that_brings_no_refresh_token_is_no_grant(pco_manifest: Manifest) -> None:
    answer = httpx.Response(200, json={"access_token": "acc3ss"})
    with pytest.raises(AnswerLost, match="contains no token pair"):
        endpoints_that_answer(pco_manifest, answer).exchange_code("c0de", "verifier", "https://us.example", ASKED)


GONE = {"error": "invalid_grant", "error_description": "revoked"}
PAGE = "<html><h1>Request blocked</h1></html>"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(400, json=GONE), ReconnectRequired),
        (httpx.Response(401, json=GONE), ReconnectRequired),
        (httpx.Response(403, html=PAGE), TransientError),
        (httpx.Response(403, html="<html>Forbidden</html>"), TransientError),
        (httpx.Response(403, json=GONE), TransientError),
        (httpx.Response(402, html="<html>pay</html>"), TransientError),
        (httpx.Response(429, headers={"Retry-After": "7"}), TransientError),
        (httpx.Response(421), TransientError),
        (httpx.Response(503, json=GONE), TransientError),
        (httpx.Response(502, html="<html>Bad gateway</html>"), AnswerLost),
        (httpx.Response(401, json={"error": "invalid_client"}), DefinitionError),
        (httpx.Response(401, html="<html>Unauthorized</html>"), DefinitionError),
        (httpx.Response(404, html="<html>Not found</html>"), DefinitionError),
        (httpx.Response(302, headers={"Location": "https://login.example"}), DefinitionError),
        (httpx.ConnectError("refused"), TransientError),
        (httpx.ProxyError("407"), TransientError),
        (httpx.ReadTimeout("late"), AnswerLost),
        (httpx.RemoteProtocolError("cut"), AnswerLost),
        (httpx.UnsupportedProtocol("ftp"), DefinitionError),
    ],
    ids=repr,
)
def test_every_answer_to_a_refresh_goes_through_the_table(
    pco_manifest: Manifest, answer: httpx.Response | Exception, kind: type[SyncError]
) -> None:
    with pytest.raises(SyncError) as raised:
        endpoints_that_answer(pco_manifest, answer).refresh("0ld", ASKED)
    assert type(raised.value) is kind
    assert "0ld" not in str(raised.value)


@pytest.mark.parametrize("body", [{**PAIR, "access_token": ""}, {"refresh_token": "r3fresh"}, [PAIR]], ids=str)
def test_no_variable_shows_an_answer_that_is_no_pair(pco_manifest: Manifest, body: object) -> None:
    with pytest.raises(AnswerLost, match="contains no token pair") as raised:
        refreshed(pco_manifest, body)
    shown = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    ours = shown[shown.index("in refresh\n") :]
    assert "acc3ss" not in ours
    assert "r3fresh" not in ours
