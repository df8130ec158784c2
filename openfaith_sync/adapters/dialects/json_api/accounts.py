"""Reads which of the source's accounts a JSON:API document belongs to."""

from collections.abc import Iterator, Mapping, Sequence

from openfaith_sync.domain.ids import AccountId
from openfaith_sync.domain.manifest.dialect_files import Account


def stated_accounts(declared: Account, places: Sequence[str], document: Mapping[str, object]) -> Iterator[AccountId]:
    """Yield the account that a document states at each of these places; numeric ids are returned as text."""
    for place in places:
        found: object = document
        for step in place.split("/")[1:]:
            found = found.get(step) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping) and found.get("type") == declared.resource:
            identity = found.get("id")
            if type(identity) in (str, int) and identity != "":
                yield AccountId(str(identity))
