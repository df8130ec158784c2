"""What a token endpoint answers: a pair in hand is kept, whatever else is said, and nothing of it is shown."""

import traceback
from datetime import timedelta

import httpx
import pytest

from openfaith_sync.adapters.oauth import OAuthEndpoints
from openfaith_sync.domain.connection import OAuthClient, OAuthTokens
from openfaith_sync.domain.errors import AnswerLost
from openfaith_sync.domain.manifest import Manifest

ASKED = frozenset({"people"})
PAIR = {"access_token": "acc3ss", "refresh_token": "r3fresh"}


def refreshed(manifest: Manifest, body: object) -> OAuthTokens:
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json=body))
    client = OAuthClient("client", "s3cret")
    endpoints = OAuthEndpoints(manifest.adapter_file, "https://pco.example", client, transport=transport)
    return endpoints.refresh("0ld", ASKED)


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
def test_a_pair_is_kept_whatever_else_is_said(pco_manifest: Manifest, more: dict[str, object]):
    oauth2 = pco_manifest.adapter_file.auth.oauth2
    assert oauth2 is not None
    usual = timedelta(seconds=oauth2.access_seconds)
    assert refreshed(pco_manifest, {**PAIR, **more}) == OAuthTokens("acc3ss", "r3fresh", usual, ASKED)


def test_what_is_said_of_a_pair_is_taken(pco_manifest: Manifest):
    tokens = refreshed(pco_manifest, {**PAIR, "expires_in": "60", "scope": "groups people"})
    assert (tokens.lifetime, tokens.scopes) == (timedelta(minutes=1), {"groups", "people"})


@pytest.mark.parametrize("body", [{"access_token": "acc3ss"}, {**PAIR, "refresh_token": ""}, [PAIR]], ids=str)
def test_no_variable_shows_an_answer_that_is_no_pair(pco_manifest: Manifest, body: object):
    with pytest.raises(AnswerLost, match="holds no pair of tokens") as raised:
        refreshed(pco_manifest, body)
    shown = "".join(traceback.TracebackException.from_exception(raised.value, capture_locals=True).format())
    ours = shown[shown.index("in refresh\n") :]
    assert "acc3ss" not in ours
    assert "r3fresh" not in ours
