"""Damage: what a fault makes of an answer that was right."""

import gzip
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import orjson

from openfaith_sync.simulator.api import responses as answers
from openfaith_sync.simulator.api.responses import Answer, Ending
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.simulator.settings.record_damage import make_odd

Json = dict[str, Any]

_ENDINGS: Mapping[str, Ending] = {
    "cut": Ending.CUT,
    "cut_chunked": Ending.CUT_CHUNKED,
    "reset": Ending.RESET,
    "outage": Ending.NOTHING,
}
OF_RECORDS = frozenset(
    {"missing_key", "wrong_type", "stuck_next", "empty_page", "short_page", "repeat_page", "lying_total"}
)
"""Kinds that need a document of records."""

_BOMB_BYTES = 64 << 20
_HTML_STATUSES = frozenset({502, 504})
_OK, _TOO_MANY = 200, 429


def damage(fault: Fault, answer: Answer, address: str, last: bytes | None) -> Answer:
    """Return what is sent instead; ``last`` is the body sent before on the same path."""
    if fault.kind in _ENDINGS:
        return replace(answer, ending=_ENDINGS[fault.kind])
    match fault.kind:
        case "headers":
            return _lying(fault, answer)
        case "slow" | "drip" as kind:
            seconds = fault.delay_ms / 1000
            return replace(answer, delay_seconds=seconds) if kind == "slow" else replace(answer, drip_seconds=seconds)
        case "truncated_json":
            return replace(answer, body=answer.body[: len(answer.body) // 2])
        case kind if kind in OF_RECORDS or kind == "odd_record":
            return _document(fault, answer, last) if answer.status == _OK else answer
        case _:
            return _another(fault, address)


def _another(fault: Fault, address: str) -> Answer:
    """Return an answer that has nothing of the right one."""
    match fault.kind:
        case "html_200":
            return answers.html(200, "Sign in", "Please sign in to continue")
        case "bomb":
            return Answer(200, _bomb(), answers.JSON_API, headers={"content-encoding": "gzip"})
        case "redirect":
            place = "" if fault.to == "here" else "https://elsewhere.invalid"
            return Answer(302, headers={"location": place + address})
        case _:
            return _status(fault)


def _lying(fault: Fault, answer: Answer) -> Answer:
    headers = dict(answer.headers)
    if answer.status == _TOO_MANY and "retry_after" in fault.says:
        headers.pop("retry-after", None)
        if (said := fault.says["retry_after"]) is not None:
            headers["retry-after"] = said
    return replace(answer, headers=headers, lies=dict(fault.says.items()))


@cache
def _bomb() -> bytes:
    return gzip.compress(b'{"data": "' + b"0" * _BOMB_BYTES + b'"}')


def _status(fault: Fault) -> Answer:
    status = fault.status or 500
    if fault.body == "html" or (fault.body is None and status in _HTML_STATUSES):
        if status == 401:  # noqa: PLR2004
            return answers.refused_credentials()
        # The text of the provider's firewall (docs/pco.md 2.3).
        text = "Request blocked." if status == 403 else "Bad gateway"  # noqa: PLR2004
        return answers.html(status, f"ERROR {status}", text)
    code = {_TOO_MANY: "429", 401: "unauthorized"}.get(status)
    answer = answers.error(status, fault.detail, code)
    if fault.retry_after is not None:
        answer.headers["retry-after"] = str(fault.retry_after)
    return answer


def _document(fault: Fault, answer: Answer, last: bytes | None) -> Answer:
    if fault.kind == "odd_record":
        return replace(answer, body=make_odd(answer.body, fault.record, fault.odd))
    document: Json = orjson.loads(answer.body)
    match fault.kind:
        case "missing_key":
            document.pop(fault.key, None)
        case "wrong_type":
            _mistype(document, fault.wrong)
        case "lying_total":
            document["meta"]["total_count"] = fault.total
        case "repeat_page" if last is not None:
            repeated = orjson.loads(last)
            document |= {key: repeated[key] for key in ("data", "included") if key in repeated}
        case "stuck_next" if "next" in document.get("links", {}):
            document["links"]["next"] = document["links"]["self"]
            document["meta"]["next"]["offset"] -= document["meta"]["count"]
        case "empty_page" | "short_page" if isinstance(document["data"], list):
            _shorten(document, to=0 if fault.kind == "empty_page" else len(document["data"]) // 2)
        case _:
            pass
    data = document.get("data")
    count = len(data) if isinstance(data, list) else answer.count
    return replace(answer, body=orjson.dumps(document), count=count)


def _shorten(document: Json, to: int) -> None:
    document["data"] = document["data"][:to]
    document["meta"]["count"] = to
    for part in (document["links"], document["meta"]):
        part.pop("next", None)


def _mistype(document: Json, wrong: str) -> None:
    rows = document["data"] if isinstance(document["data"], list) else [document["data"]]
    if wrong == "data_object":
        document["data"] = rows[0] if rows else {}
    for row in rows[:1]:
        if wrong == "id_number":
            row["id"] = int(row["id"])
        elif wrong == "attributes_list":
            row["attributes"] = list(row["attributes"].values())
