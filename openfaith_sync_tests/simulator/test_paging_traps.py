"""What the source does with page sizes and offsets nobody should ask for."""

from collections.abc import Callable
from typing import Any

import pytest

from openfaith_sync_tests.simulator.conftest import PEOPLE


def test_twenty_five_is_the_usual_page(read: Callable[..., Any]) -> None:
    assert read("/people/v2/people")["meta"]["count"] == 25


def test_more_than_a_hundred_are_silently_a_hundred(read: Callable[..., Any]) -> None:
    page = read("/people/v2/people", "per_page=500")
    assert len(page["data"]) == 100
    assert page["links"]["self"].endswith("per_page=500")
    assert page["meta"]["next"] == {"offset": 100}


def test_none_a_page_never_ends(read: Callable[..., Any]) -> None:
    page = read("/people/v2/people", "per_page=0")
    assert page["data"] == []
    assert page["meta"]["next"] == {"offset": 0}


@pytest.mark.parametrize("offset", [PEOPLE, PEOPLE + 1000])
def test_past_the_end_is_empty_with_a_way_back(read: Callable[..., Any], offset: int) -> None:
    page = read("/people/v2/people", f"offset={offset}&per_page=25")
    assert page["data"] == []
    assert page["meta"]["prev"] == {"offset": offset - 25}
    assert "next" not in page["links"]
    assert page["meta"]["total_count"] == PEOPLE


def test_senseless_numbers_count_as_not_asked(read: Callable[..., Any]) -> None:
    assert read("/people/v2/people", "per_page=many&offset=few")["meta"]["count"] == 25
