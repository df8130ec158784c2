"""Compare what a pass stored with what the source counts, and tolerate a count that is slightly wrong.

A count is evidence and no gate: sources were seen to count a record twice (docs/pco.md 1.3) or
to count what they do not list. A count that contradicts the listing causes a second reading; it never
prevents records from being stored, and never deletes anything.
"""

from openfaith_sync.domain.errors import ListingIncomplete
from openfaith_sync.domain.ids import SyncKey

TOLERATED_RECORDS = 3
TOLERATED_SHARE = 0.01


def count_missing(source_count: int, stored: int, set_aside: int, rows: int) -> int:
    """Return how many records the source counts that a full pass neither stored nor set aside.

    ``rows`` is how many the pass read. Records that are gone at the source are still stored until they are
    proven gone, so they must not stand in for others that were never read.
    """
    return max(0, source_count - stored - set_aside, source_count - rows)


def is_tolerable(missing: int, source_count: int) -> bool:
    """Return whether so many missing records may be a wrong count, once two listings agree on fewer."""
    return missing <= max(TOLERATED_RECORDS, TOLERATED_SHARE * source_count)


def incomplete(key: SyncKey, listed: int, counted: int) -> ListingIncomplete:
    """Return the error of a listing that twice had the same records, and far fewer than the source counts."""
    return ListingIncomplete(
        f"{counted - listed:,} of the {counted:,} records that the source counts of {key} were not in its listing, "
        f"twice in a row; the {listed:,} that were listed are stored, and nothing was deleted. "
        "The token may see fewer records than the source counts: check its user's permissions there"
    )
