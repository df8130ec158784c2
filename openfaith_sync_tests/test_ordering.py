"""Long tests are spread over the workers and begin at once."""

import pytest

from openfaith_sync_tests.ordering import deal


@pytest.mark.parametrize("workers", [1, 2, 4, 7])
def test_every_share_begins_with_its_long_tests_and_none_is_lost(workers: int) -> None:
    long, others = ["a", "b", "c", "d", "e"], [str(number) for number in range(42)]
    dealt = deal(long, others, workers)
    assert sorted(dealt) == sorted([*long, *others])
    assert [one for one in dealt if one in others] == others
    begin = 0
    for worker in range(workers):
        size = (len(dealt) - begin) // (workers - worker)
        share = dealt[begin : begin + size]
        own = long[worker::workers]
        assert share[: len(own)] == own
        assert not set(share[len(own) :]) & set(long)
        begin += size


def test_more_long_tests_than_fit_are_all_kept() -> None:
    assert sorted(deal([1, 2, 3], [4], 3)) == [1, 2, 3, 4]
