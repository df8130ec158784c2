"""Each kind of fault, as a client meets it."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import httpx
import pytest
from click.testing import CliRunner

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.server.command import simulate
from openfaith_sync.simulator.server.server import RunningSimulator
from openfaith_sync.simulator.settings.faults import KINDS, ArmedFaults, Fault, FaultKind, read_faults

URL = "/people/v2/people?per_page=100"


Hit = Callable[..., httpx.Response]


@pytest.fixture
def hit(moving: RunningSimulator, client: httpx.Client) -> Hit:
    """Arm a fault for the next request, and give that request's answer."""

    def ask(query: str = "", **fault: object) -> httpx.Response:
        moving.fault(Fault.model_validate({"times": 1, **fault}))
        return client.get(f"{moving.base_url}{URL}{query}")

    return ask


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 503])
def test_a_status_with_a_json_body(hit: Hit, status: int) -> None:
    answer = hit(kind="status", status=status)
    assert answer.status_code == status
    assert answer.json()["errors"][0]["status"] == str(status)


@pytest.mark.parametrize(("status", "words"), [(502, "Bad gateway"), (504, "Bad gateway")])
def test_a_proxy_answers_in_html(hit: Hit, status: int, words: str) -> None:
    answer = hit(kind="status", status=status)
    assert answer.status_code == status
    assert words in answer.text
    assert answer.headers["content-type"].startswith("text/html")


def test_both_bodies_of_refusals(hit: Hit) -> None:
    assert hit(kind="status", status=401, body="html").text == "HTTP Basic: Access denied.\n"
    assert "CAPUCHIN" in hit(kind="status", status=401).text
    assert "BABOON" in hit(kind="status", status=401, detail="Error Code Hint: (BABOON)").text
    assert "Request blocked" in hit(kind="status", status=403, body="html").text


@pytest.mark.parametrize("retry_after", [7, "7.5", "soon"])
def test_a_429_with_the_wait_it_was_given(hit: Hit, retry_after: int | str) -> None:
    assert hit(kind="status", status=429, retry_after=retry_after).headers["retry-after"] == str(retry_after)


def test_html_with_status_200(hit: Hit) -> None:
    answer = hit(kind="html_200")
    assert (answer.status_code, answer.text[:15]) == (200, "<!DOCTYPE html>")


def test_truncated_json(hit: Hit) -> None:
    answer = hit(kind="truncated_json")
    assert answer.status_code == 200
    with pytest.raises(json.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize("key", ["data", "links", "meta", "included"])
def test_a_missing_key(hit: Hit, key: str) -> None:
    # Nothing is included in the answer, so that key is never there.
    assert {"data", "links", "meta", "included"} - set(hit(kind="missing_key", key=key).json()) == {key, "included"}


def test_wrong_types(hit: Hit) -> None:
    assert isinstance(hit(kind="wrong_type", wrong="data_object").json()["data"], dict)
    assert isinstance(hit(kind="wrong_type", wrong="id_number").json()["data"][0]["id"], int)
    assert isinstance(hit(kind="wrong_type", wrong="attributes_list").json()["data"][0]["attributes"], list)


def test_a_next_that_does_not_advance(hit: Hit) -> None:
    page = hit("&offset=100", kind="stuck_next").json()
    assert page["links"]["next"] == page["links"]["self"]
    assert page["meta"]["next"] == {"offset": 100}


def test_an_empty_page_that_looks_like_an_end(hit: Hit, moving: RunningSimulator) -> None:
    page = hit(kind="empty_page").json()
    assert (page["data"], page["meta"]["total_count"]) == ([], moving.counts()["person"])
    assert "next" not in page["links"]


def test_a_short_page_that_looks_like_an_end(hit: Hit) -> None:
    page = hit(kind="short_page").json()
    assert len(page["data"]) == 50
    assert "next" not in page["links"]


def test_a_page_that_comes_twice(hit: Hit, moving: RunningSimulator, client: httpx.Client) -> None:
    first = client.get(f"{moving.base_url}{URL}").json()
    page = hit("&offset=100", kind="repeat_page").json()
    assert page["data"] == first["data"]
    assert "offset=100" in page["links"]["self"]


@pytest.mark.parametrize("kind", ["cut", "cut_chunked"])
def test_a_connection_cut_in_the_middle(hit: Hit, kind: str) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        hit(kind=kind)


@pytest.mark.parametrize("kind", ["reset", "outage"])
def test_a_connection_that_is_reset(hit: Hit, kind: str) -> None:
    with pytest.raises(httpx.ReadError):
        hit(kind=kind)


def test_an_outage_is_a_span_of_requests(moving: RunningSimulator, client: httpx.Client) -> None:
    moving.fault(Fault(kind="outage", after=1, times=2))
    answers: list[int | None] = []
    for _ in range(4):
        try:
            answers.append(client.get(f"{moving.base_url}{URL}").status_code)
        except httpx.ReadError:
            answers.append(None)
    assert answers == [200, None, None, 200]


def test_one_resource_is_denied_and_no_other(moving: RunningSimulator, client: httpx.Client) -> None:
    moving.fault(Fault(kind="status", status=403, path="/people/v2/emails"))
    found = [client.get(f"{moving.base_url}/people/v2/{name}").status_code for name in ("emails", "people", "emails")]
    assert found == [403, 200, 403]


def test_a_body_that_drips(moving: RunningSimulator, client: httpx.Client) -> None:
    moving.fault(Fault(kind="drip", delay_ms=1, times=1))
    with client.stream("GET", f"{moving.base_url}{URL}") as answer:
        assert sum(1 for _ in answer.iter_raw()) > 2
    assert len(answer.headers["content-length"]) > 3


def test_a_bomb(moving: RunningSimulator, client: httpx.Client) -> None:
    moving.fault(Fault(kind="bomb", times=1))
    with client.stream("GET", f"{moving.base_url}{URL}") as answer:
        packed = b"".join(answer.iter_raw())
    assert (answer.headers["content-encoding"], len(packed) < 100_000) == ("gzip", True)
    assert len(gzip.decompress(packed)) > 64 << 20


def test_redirects(hit: Hit, moving: RunningSimulator) -> None:
    here = hit("&offset=100", kind="redirect", to="here")
    assert (here.status_code, here.headers["location"]) == (302, f"{URL}&offset=100")
    assert hit(kind="redirect").headers["location"].startswith("https://elsewhere.invalid/people")


def test_every_kind_is_explained_in_the_command_and_by_the_control_surface(moving: RunningSimulator) -> None:
    assert set(KINDS) == set(get_args(FaultKind))
    moving.fault(Fault(kind="slow", at=3, delay_ms=5))
    shown = httpx.get(f"{moving.base_url}/_sim/faults", trust_env=False).json()
    assert shown["kinds"] == KINDS
    assert shown["armed"] == [{"kind": "slow", "at": 3, "delay_ms": 5, "seen": 0, "hits": 0}]
    told = CliRunner().invoke(simulate, ["--help"], terminal_width=200).output
    assert all(f"  {kind} " in told and what in told for kind, what in KINDS.items())


def test_a_slow_answer(moving: RunningSimulator, client: httpx.Client) -> None:
    moving.fault(Fault(kind="slow", delay_ms=60_000, times=1))
    with pytest.raises(httpx.ReadTimeout):
        client.get(f"{moving.base_url}{URL}", timeout=0.05)


def test_a_wrong_total(hit: Hit) -> None:
    assert hit(kind="wrong_total", total=3).json()["meta"]["total_count"] == 3


def test_faults_hit_the_requests_they_are_meant_for() -> None:
    armed = ArmedFaults((Fault(kind="html_200", at=2, path="/emails"), Fault(kind="reset", every=3)))
    hits = [armed.hit(path) for path in ("/people", "/emails", "/emails", "/emails", "/people", "/people")]
    assert [fault and fault.kind for fault in hits] == [None, None, "html_200", None, None, "reset"]


def test_a_fault_leaves_the_first_requests_alone() -> None:
    armed = ArmedFaults((Fault(kind="reset", after=2, every=2),))
    assert [bool(armed.hit("/people")) for _ in range(6)] == [False, False, False, True, False, True]


def test_a_fault_hits_no_more_often_than_it_may() -> None:
    armed = ArmedFaults((Fault(kind="reset", times=2),))
    assert [bool(armed.hit("/people")) for _ in range(4)] == [True, True, False, False]


def test_a_refused_request_is_logged_with_its_fault(hit: Hit, moving: RunningSimulator) -> None:
    hit(kind="status", status=503)
    assert [request["status"] for request in moving.requests()] == [503]


@pytest.mark.parametrize(
    ("name", "text"), [("faults.yaml", "- {kind: status, status: 502, at: 3}"), ("faults.json", '[{"kind": "reset"}]')]
)
def test_faults_are_read_from_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    assert len(read_faults(tmp_path / name)) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- {kind: earthquake}", "0.kind"),
        ("- {kind: status}", "requires a status"),
        ("- {kind: reset, at: 0}", "0.at"),
        ("- {kind: reset, at: 1, every: 2}", "mutually exclusive"),
        ("- {kind: reset, wen: 1}", "0.wen"),
        ("kind: reset", "list"),
        ("[", "cannot be read"),
    ],
)
def test_a_wrong_faults_file_says_what_is_wrong(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "faults.yaml").write_text(text)
    with pytest.raises(UsageError, match=r"faults\.yaml") as caught:
        read_faults(tmp_path / "faults.yaml")
    assert complaint in str(caught.value)


def test_the_command_refuses_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "faults.yaml").write_text("- {kind: earthquake}")
    for wrong in (["pco", "--rate", "fast"], ["pco", "--faults", str(tmp_path / "faults.yaml")], ["no_such_adapter"]):
        result = CliRunner().invoke(simulate, wrong)
        assert result.exit_code == 2, result.output
        assert "Error" in result.output
