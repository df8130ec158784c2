"""Reads which of the source's accounts a JSON:API document belongs to, and what it is called."""

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


def stated_name(declared: Account, account: AccountId, document: Mapping[str, object]) -> str | None:
    """Return the name of an account that a document includes, if it states one."""
    included = document.get("included")
    for found in included if declared.name and isinstance(included, list) else ():
        if isinstance(found, Mapping) and (found.get("type"), str(found.get("id"))) == (declared.resource, account):
            attributes = found.get("attributes")
            name = attributes.get(declared.name) if isinstance(attributes, Mapping) else None
            return name if isinstance(name, str) else None
    return None
