"""Apply a fault to a correct response."""

import gzip
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

import orjson

from openfaith_sync.simulator.api import responses
from openfaith_sync.simulator.api.responses import ResponseEnding, SimulatedResponse
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.simulator.settings.record_damage import damage_record

Json = dict[str, Any]

_ENDINGS: Mapping[str, ResponseEnding] = {
    "cut": ResponseEnding.CUT,
    "cut_chunked": ResponseEnding.CUT_CHUNKED,
    "reset": ResponseEnding.RESET,
    "outage": ResponseEnding.NOTHING,
}
OF_RECORDS = frozenset(
    {"missing_key", "wrong_type", "stuck_next", "empty_page", "short_page", "repeat_page", "wrong_total"}
)
"""Kinds that need a document of records."""

_BOMB_BYTES = 64 << 20
_HTML_STATUSES = frozenset({502, 504})
_OK, _TOO_MANY = 200, 429


def damage_response(fault: Fault, response: SimulatedResponse, address: str, last: bytes | None) -> SimulatedResponse:
    """Return the response to send instead; ``last`` is the previous body on the same path."""
    if fault.kind in _ENDINGS:
        return replace(response, ending=_ENDINGS[fault.kind])
    match fault.kind:
        case "headers":
            return _false_headers(fault, response)
        case "slow" | "drip" as kind:
            seconds = fault.delay_ms / 1000
            return (
                replace(response, delay_seconds=seconds) if kind == "slow" else replace(response, drip_seconds=seconds)
            )
        case "truncated_json":
            return replace(response, body=response.body[: len(response.body) // 2])
        case kind if kind in OF_RECORDS or kind == "damaged_record":
            return _document(fault, response, last) if response.status == _OK else response
        case _:
            return _another(fault, address)


def _another(fault: Fault, address: str) -> SimulatedResponse:
    """Return a response that contains nothing of the correct one."""
    match fault.kind:
        case "html_200":
            return responses.html(200, "Sign in", "Please sign in to continue")
        case "bomb":
            return SimulatedResponse(200, _bomb(), responses.JSON_API, headers={"content-encoding": "gzip"})
        case "redirect":
            place = "" if fault.to == "here" else "https://elsewhere.invalid"
            return SimulatedResponse(302, headers={"location": place + address})
        case _:
            return _status(fault)


def _false_headers(fault: Fault, response: SimulatedResponse) -> SimulatedResponse:
    headers = dict(response.headers)
    if response.status == _TOO_MANY and "retry_after" in fault.values:
        headers.pop("retry-after", None)
        if (retry_after := fault.values["retry_after"]) is not None:
            headers["retry-after"] = retry_after
    return replace(response, headers=headers, header_values=dict(fault.values.items()))


@cache
def _bomb() -> bytes:
    return gzip.compress(b'{"data": "' + b"0" * _BOMB_BYTES + b'"}')


def _status(fault: Fault) -> SimulatedResponse:
    status = fault.status or 500
    if fault.body == "html" or (fault.body is None and status in _HTML_STATUSES):
        if status == 401:  # noqa: PLR2004
            return responses.refused_credentials()
        # The text of the provider's firewall (docs/pco.md 2.3).
        text = "Request blocked." if status == 403 else "Bad gateway"  # noqa: PLR2004
        return responses.html(status, f"ERROR {status}", text)
    code = {_TOO_MANY: "429", 401: "unauthorized"}.get(status)
    response = responses.error(status, fault.detail, code)
    if fault.retry_after is not None:
        response.headers["retry-after"] = str(fault.retry_after)
    return response


def _document(fault: Fault, response: SimulatedResponse, last: bytes | None) -> SimulatedResponse:
    if fault.kind == "damaged_record":
        return replace(response, body=damage_record(response.body, fault.record, fault.damage))
    document: Json = orjson.loads(response.body)
    match fault.kind:
        case "missing_key":
            document.pop(fault.key, None)
        case "wrong_type":
            _mistype(document, fault.wrong)
        case "wrong_total":
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
    count = len(data) if isinstance(data, list) else response.count
    return replace(response, body=orjson.dumps(document), count=count)


def _shorten(document: Json, to: int) -> None:
    document["data"] = document["data"][:to]
    document["meta"]["count"] = to
    for member in (document["links"], document["meta"]):
        member.pop("next", None)


def _mistype(document: Json, wrong: str) -> None:
    rows = document["data"] if isinstance(document["data"], list) else [document["data"]]
    if wrong == "data_object":
        document["data"] = rows[0] if rows else {}
    for row in rows[:1]:
        if wrong == "id_number":
            row["id"] = int(row["id"])
        elif wrong == "attributes_list":
            row["attributes"] = list(row["attributes"].values())
