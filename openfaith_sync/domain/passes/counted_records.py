"""What the source counted at the end of a pass, beside what was stored and set aside then.

A count is evidence and no gate: sources were seen to count a record twice (docs/pco.md 1.3) or
to count what they do not list. A count that contradicts the listing causes a second reading; it never
prevents records from being stored, and never deletes anything.
"""

from dataclasses import dataclass

TOLERATED_RECORDS = 3
TOLERATED_SHARE = 0.01


@dataclass(frozen=True, slots=True)
class CountedRecords:
    """The counts of one entity at the end of a pass."""

    source: int
    """What the source counted."""
    stored: int
    """Live records."""
    set_aside: int
    """Records with a dead letter and no stored version."""

    @property
    def missing(self) -> int:
        """How many records are neither stored nor set aside.

        Records that are stored although the source has them no more are no answer to this: they are candidates for
        deletion until they are proven gone.
        """
        return max(0, self.source - self.stored - self.set_aside)

    def count_missing(self, rows: int) -> int:
        """Return how many records the source counts that a full pass neither stored nor set aside.

        ``rows`` is how many the pass read. Records that are gone at the source are still stored until they are
        proven gone, so they must not stand in for others that were never read.
        """
        return max(self.missing, self.source - rows)


def is_tolerable(missing: int, source_count: int) -> bool:
    """Return whether so many missing records may be a wrong count, once two listings agree on fewer."""
    return missing <= max(TOLERATED_RECORDS, TOLERATED_SHARE * source_count)
