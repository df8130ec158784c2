"""One bad record is one dead letter; most of an entity set aside is a failed sync."""

import pytest

from openfaith_sync.domain.errors import MostlyRejected
from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId, SyncKey
from openfaith_sync.domain.passes.passes import Counts
from openfaith_sync.domain.passes.rejections import RejectedRecords, require_mostly_stored

KEY = SyncKey(OrgId("grace"), AdapterName("pco"), EntityName("person"))


@pytest.mark.parametrize(("dead", "stored"), [(0, 0), (0, 9), (1, 0), (2, 0), (1, 1), (10, 10), (11, 44)], ids=str)
def test_a_few_records_set_aside_are_a_success(dead: int, stored: int) -> None:
    counts = Counts(unchanged=stored, dead=dead)
    require_mostly_stored(KEY, counts, RejectedRecords(dead, dead + stored))


@pytest.mark.parametrize(("dead", "stored"), [(3, 0), (11, 43), (100, 0), (300, 700)], ids=str)
def test_most_records_set_aside_are_a_failure_in_the_pass_and_while_they_wait(dead: int, stored: int) -> None:
    with pytest.raises(MostlyRejected, match=f"{dead:,} of the {dead + stored:,} records of grace/pco/person"):
        require_mostly_stored(KEY, Counts(unchanged=stored, dead=dead), RejectedRecords(0, 0))
    with pytest.raises(MostlyRejected, match="that are known"):
        require_mostly_stored(KEY, Counts(), RejectedRecords(dead, dead + stored))


def test_a_delta_of_a_few_bad_records_is_a_success_beside_many_good_ones() -> None:
    require_mostly_stored(KEY, Counts(dead=5), RejectedRecords(5, 2_000))
    with pytest.raises(MostlyRejected, match="12 of the 12"):
        require_mostly_stored(KEY, Counts(dead=12), RejectedRecords(12, 2_000))


def test_the_share_is_the_orgs() -> None:
    require_mostly_stored(KEY, Counts(updated=50, dead=50), RejectedRecords(50, 100, share=0.5))
    with pytest.raises(MostlyRejected, match="51%; grace allows 50%"):
        require_mostly_stored(KEY, Counts(updated=49, dead=51), RejectedRecords(51, 100, share=0.5))
    with pytest.raises(MostlyRejected):
        require_mostly_stored(KEY, Counts(dead=100), RejectedRecords(100, 100, share=1.0))
