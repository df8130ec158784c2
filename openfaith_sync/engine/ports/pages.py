"""What the engine needs of a store to commit pages."""

from collections.abc import Mapping
from typing import Protocol

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.passes.passes import Counts, Lease, PageCommit


class PendingCommit(Protocol):
    """A page that was sent to the database."""

    def result(self) -> Mapping[EntityName, Counts]:
        """Wait until the page is stored, and return its counts by entity.

        Raises:
            LeaseLost: Another worker took over; nothing was written.
            SyncError: The page was not stored.
        """
        ...


class Pages(Protocol):
    """The page commit."""

    def commit_page(self, lease: Lease, page: PageCommit) -> Mapping[EntityName, Counts]:
        """Store a page, its checkpoint and its counts in one transaction.

        Law 1: atomic, and refused whole when the lease was lost.
        Law 2: a record older than the stored one, or equal to it, writes nothing.

        Raises:
            LeaseLost: Another worker took over; nothing was written.
        """
        ...

    def begin_commit(self, lease: Lease, page: PageCommit) -> PendingCommit:
        """Send a page without waiting for it.

        Pages are stored in the order in which they were sent, each only after all before it. Nothing else may
        be asked of the store before the result of the last one has come.
        """
        ...
