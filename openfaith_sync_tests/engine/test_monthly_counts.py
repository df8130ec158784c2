"""The number of gifts of each complete month is compared with the source's."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import MonthlyCounts
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import ListingQuery, Page, Within
from openfaith_sync.engine.deletions.monthly_counts import compare_months, month_bounds

NOW = datetime(2026, 3, 31, 23, 59, tzinfo=UTC)
JANUARY, FEBRUARY, MARCH = (datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3))


@dataclass
class CountedSource:
    """A source that counts this many gifts in each month."""

    counts: dict[datetime, int]
    answered_at: datetime | None = NOW
    asked: list[Within | None] = field(default_factory=list)

    def read(self, query: ListingQuery) -> Page:
        self.asked.append(query.within)
        count = sum(self.counts.values()) if query.within is None else self.counts[query.within.begin or NOW]
        return Page((), count, has_next=False, answered_at=self.answered_at)


@dataclass
class StoredCounts:
    """How many gifts are stored in each month."""

    counts: dict[datetime, int]
    differing: int | None = None

    def count_between(self, column: str, bounds: Sequence[datetime]) -> Sequence[int]:
        assert column == "starts_at"
        return [self.counts[begin] for begin in bounds[:-1]]

    def note_months(self, differing: int) -> None:
        self.differing = differing


@pytest.fixture
def counted(pco_manifest: Manifest) -> Entity:
    """An entity that is counted by month; which one it is does not matter here."""
    event = pco_manifest.entities[EntityName("event")]
    counts = MonthlyCounts(attribute="starts_at", months=2)
    return event.model_copy(update={"monthly_counts": counts, "total_count": "exact"})


@pytest.mark.parametrize(
    ("source", "stored", "set_aside", "differing"),
    [
        ((5, 7), (5, 7), 0, 0),
        ((5, 7), (4, 8), 0, 2),
        ((5, 7), (5, 8), 0, 1),
        # What was set aside may be of any month; it is never more than the source has.
        ((5, 7), (4, 7), 1, 0),
        ((5, 7), (3, 7), 1, 1),
        ((5, 7), (6, 7), 1, 1),
    ],
)
def test_months_whose_numbers_differ_are_noted(
    counted: Entity, source: tuple[int, int], stored: tuple[int, int], set_aside: int, differing: int
) -> None:
    asked = CountedSource(dict(zip((JANUARY, FEBRUARY), source, strict=True)))
    evidence = StoredCounts(dict(zip((JANUARY, FEBRUARY), stored, strict=True)))
    assert compare_months(counted, asked.read, evidence, set_aside) == 3
    assert evidence.differing == differing
    # The month that has not ended is left out.
    assert asked.asked == [None, Within("starts_at", JANUARY, FEBRUARY), Within("starts_at", FEBRUARY, MARCH)]


def test_without_the_sources_time_nothing_is_compared(counted: Entity) -> None:
    evidence = StoredCounts({})
    assert compare_months(counted, CountedSource({JANUARY: 1}, answered_at=None).read, evidence, 0) == 1
    assert evidence.differing is None


def test_counts_that_are_not_reliable_are_not_asked_for(counted: Entity) -> None:
    unreliable = counted.model_copy(update={"total_count": "unreliable"})
    assert compare_months(unreliable, CountedSource({}).read, StoredCounts({}), 0) == 0


def test_months_begin_across_the_turn_of_a_year() -> None:
    assert month_bounds(NOW, 4) == [
        datetime(2025, 11, 1, tzinfo=UTC),
        datetime(2025, 12, 1, tzinfo=UTC),
        JANUARY,
        FEBRUARY,
        MARCH,
    ]
