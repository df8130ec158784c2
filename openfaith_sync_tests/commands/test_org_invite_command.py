"""``org invite``, ``invites`` and ``confirm``: a link, a church that uses it, and a person who says it is right."""

import json
from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from openfaith_sync.adapters.client.oauth import OAuthEndpoints
from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.connections.connection import ConnectionStatus
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.store.connections.authorizations import begin_authorization
from openfaith_sync.store.connections.connections import list_connections
from openfaith_sync.store.connections.invitations import find_invitation
from openfaith_sync.store.database.database import Database
from openfaith_sync.web.oauth_completion import complete_authorization
from openfaith_sync_tests.commands.conftest import Run
from openfaith_sync_tests.commands.test_bad_input import FAILED, WRONG_USAGE, expect_line
from openfaith_sync_tests.commands.test_connect_command import CLIENT
from openfaith_sync_tests.laws.sharing import CLIENT as OAUTH_CLIENT
from openfaith_sync_tests.store.making import PCO, fetch
from openfaith_sync_tests.ten_entities import MANIFESTS

GRACE = OrgId("grace")
ABLE = CLIENT | {"OPENFAITH_PUBLIC_URL": "https://sync.example.org", "OPENFAITH_OPERATOR": "Northside  Data"}
DECLINED = 1
NAME = "Church of the Demonstration"


def accept(database: Database, church: RunningSimulator, url: str) -> None:
    """Do with a link what a church and `serve` do with it."""
    found, manifest = find_invitation(database, url.rpartition("/")[2]), read_manifest(MANIFESTS, "pco")
    asked = (found.base_url, found.redirect_uri, found.scopes, found.secret_hash)
    begun = begin_authorization(database, found.org, PCO, *asked)
    endpoints = OAuthEndpoints(manifest.adapter_file, church.base_url, OAUTH_CLIENT)
    consent = endpoints.link(found.redirect_uri, found.scopes, begun.state, begun.verifier)
    back = dict(parse_qsl(urlsplit(httpx.get(consent, trust_env=False).headers["location"]).query))
    able = replace(database, oauth_clients={PCO: OAUTH_CLIENT})
    complete_authorization(able, {PCO: manifest}, back["state"], back["code"])


def invite(run_stored: Run, church: RunningSimulator, *words: str) -> str:
    answer = run_stored("org", "invite", "grace", "--base-url", church.base_url, *words, **ABLE)
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout.startswith("https://sync.example.org/invite/pco.grace.")
    return answer.stdout.strip()


def test_an_invited_church_is_synced_once_a_person_confirmed_its_name(
    run_stored: Run, church: RunningSimulator, database: Database
) -> None:
    url = invite(run_stored, church)
    (listed,) = json.loads(run_stored("org", "invites", "list", "--json").stdout)
    assert (listed["org"], listed["state"], listed["asked_by"]) == ("grace", "open", "Northside Data")
    expect_line(run_stored("org", "confirm", "grace", "--yes"), FAILED, "has not used its invitation yet")
    accept(database, church, url)
    (listed,) = json.loads(run_stored("org", "list", "--json").stdout)
    assert (listed["status"], listed["organization"]) == ("unconfirmed", NAME)

    # Until then nothing reads from it, whoever asks.
    refused = run_stored("sync", "grace", **ABLE)
    expect_line(refused, FAILED, "waits for you to confirm it: openfaith-sync org confirm grace --adapter pco")
    expect_line(run_stored("org", "resume", "grace"), FAILED, "waits for you")
    expect_line(run_stored("org", "invite", "grace", **ABLE), FAILED, "is connected already, and waits for you")
    assert fetch(database, "SELECT FROM sync.passes") == []
    assert f"the source calls it '{NAME}'" in run_stored("status", "grace").stderr

    declined = run_stored("org", "confirm", "grace", stdin="n\n", **ABLE)
    assert declined.exit_code == DECLINED
    assert list_connections(database)[0].status is ConnectionStatus.UNCONFIRMED
    confirmed = run_stored("org", "confirm", "grace", stdin="y\n", **ABLE)
    assert confirmed.exit_code == 0, confirmed.stderr
    assert f"Planning Center Online calls it '{NAME}' (account 400001)" in confirmed.stderr
    assert list_connections(database)[0].status is ConnectionStatus.ACTIVE
    assert run_stored("sync", "grace", "--entity", "campus", **ABLE).exit_code == 0
    expect_line(run_stored("org", "confirm", "grace"), FAILED, "waits to be confirmed")


def test_the_wrong_church_is_rejected_and_the_right_one_may_come(
    run_stored: Run, church: RunningSimulator, database: Database
) -> None:
    accept(database, church, invite(run_stored, church, "--only", "people"))
    assert run_stored("org", "confirm", "grace", "--reject").exit_code == 0
    assert list_connections(database) == []
    assert fetch(database, "SELECT FROM sync.accounts") == []
    # What was chosen for the org stays.
    answer = run_stored("org", "invite", "grace", "--json", **ABLE)
    assert "group" not in json.loads(answer.stdout)["entities"]
    assert find_invitation(database, json.loads(answer.stdout)["url"].rpartition("/")[2]).scopes == {"people"}


def test_a_withdrawn_invitation(run_stored: Run, church: RunningSimulator) -> None:
    invite(run_stored, church)
    assert run_stored("org", "invites", "revoke", "grace").exit_code == 0
    assert json.loads(run_stored("org", "invites", "list", "--json").stdout)[0]["state"] == "revoked"
    expect_line(run_stored("org", "invites", "revoke", "grace"), FAILED, "has no open invitation")


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("OPENFAITH_PUBLIC_URL", "OPENFAITH_PUBLIC_URL"),
        ("OPENFAITH_OPERATOR", "--asked-by"),
        ("OPENFAITH_PCO_CLIENT_ID", "OPENFAITH_PCO_CLIENT_ID"),
    ],
)
def test_a_setting_that_is_missing(run_stored: Run, missing: str, named: str) -> None:
    expect_line(run_stored("org", "invite", "grace", **ABLE | {missing: ""}), FAILED, named)


def test_what_nobody_can_be_invited_to(run_stored: Run) -> None:
    expect_line(
        run_stored("org", "invite", "grace", "--adapter", "breeze", **ABLE), FAILED, "Breeze does not use OAuth"
    )
    expect_line(run_stored("org", "invite", "grace", "--only", "peple", **ABLE), FAILED, "'peple'")
    expect_line(run_stored("org", "invite", "grace", "--days", "0", **ABLE), WRONG_USAGE, "--days")
