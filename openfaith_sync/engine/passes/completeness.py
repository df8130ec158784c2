"""The error of a listing that lacks records which the source counts."""

from openfaith_sync.domain.errors import ListingIncomplete
from openfaith_sync.domain.ids import SyncKey


def incomplete(key: SyncKey, listed: int, counted: int) -> ListingIncomplete:
    """Return the error of a listing that twice had the same records, and far fewer than the source counts."""
    return ListingIncomplete(
        f"{counted - listed:,} of the {counted:,} records that the source counts of {key} were not in its listing, "
        f"twice in a row; the {listed:,} that were listed are stored, and nothing was deleted. "
        "The token may see fewer records than the source counts: check its user's permissions there"
    )
