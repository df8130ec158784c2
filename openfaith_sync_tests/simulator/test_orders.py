"""Orders, as measured at the source."""

import itertools
import unicodedata
from collections.abc import Callable
from typing import Any

import pytest

from openfaith_sync_tests.simulator.conftest import Get


def listing(read: Callable[..., Any], query: str) -> list[dict[str, Any]]:
    return [
        record
        for offset in (0, 100, 200)
        for record in read("/people/v2/people", f"{query}&per_page=100&offset={offset}")["data"]
    ]


def plain(name: str) -> str:
    marks = unicodedata.normalize("NFKD", name)
    return "".join(sign for sign in marks if not unicodedata.combining(sign)).lower()


def test_the_usual_order_is_by_number_not_by_text(read: Callable[..., Any]) -> None:
    ids = [record["id"] for record in listing(read, "")]
    assert ids == sorted(ids, key=int)
    assert ids != sorted(ids)


@pytest.mark.parametrize("sign", ["", "-"])
def test_ties_are_ordered_by_rising_id_either_way(read: Callable[..., Any], sign: str) -> None:
    found = listing(read, f"order={sign}updated_at")
    times = [r["attributes"]["updated_at"] for r in found]
    assert times == sorted(times, reverse=bool(sign))
    ties = [
        (a, b) for a, b in itertools.pairwise(found) if a["attributes"]["updated_at"] == b["attributes"]["updated_at"]
    ]
    assert ties
    assert all(int(a["id"]) < int(b["id"]) for a, b in ties)


def test_nulls_come_first(read: Callable[..., Any]) -> None:
    values = [r["attributes"]["birthdate"] for r in listing(read, "order=birthdate")]
    assert values[0] is None
    known = [v for v in values if v]
    assert values == [None] * (len(values) - len(known)) + sorted(known)


@pytest.mark.parametrize("sign", ["", "-"])
def test_names_compare_without_accents_and_case(read: Callable[..., Any], sign: str) -> None:
    names = [plain(r["attributes"]["last_name"]) for r in listing(read, f"order={sign}last_name")]
    assert names == sorted(names, reverse=bool(sign))


def test_later_keys_order_ties_of_earlier_ones(read: Callable[..., Any]) -> None:
    found = listing(read, "order=status,-created_at")
    assert [r["attributes"]["status"] for r in found] == sorted(r["attributes"]["status"] for r in found)
    active = [r["attributes"]["created_at"] for r in found if r["attributes"]["status"] == "active"]
    assert active == sorted(active, reverse=True)


def test_an_unknown_order_is_ignored(get: Get, read: Callable[..., Any]) -> None:
    assert get("/people/v2/people", "order=shoe_size").status_code == 200
    assert [r["id"] for r in listing(read, "order=shoe_size")] == [r["id"] for r in listing(read, "")]
