"""The engine's ``Store``, for one org, over one connection; each part stands in the room of its tables."""

from collections.abc import Iterator
from contextlib import contextmanager

from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.org_connection import OnStep
from openfaith_sync.store.dead_letters.waiting_letters import DeadLetterStore
from openfaith_sync.store.deletions.deletion_store import DeletionStore
from openfaith_sync.store.inbox.inbox_store import InboxStore
from openfaith_sync.store.merges.merge_store import MergeStore
from openfaith_sync.store.pages.page_store import PageStore
from openfaith_sync.store.passes.leases import LeaseTerms
from openfaith_sync.store.passes.pass_store import PassStore


class PostgresStore(PageStore, PassStore, DeadLetterStore, DeletionStore, MergeStore, InboxStore):
    """One org's data in PostgreSQL; implements ``engine.ports.store.Store``. Used from one thread.

    Law 10: a key of another org is refused, and every statement names the org.
    """


@contextmanager
def open_store(database: Database, org: OrgId, on_step: OnStep | None = None) -> Iterator[PostgresStore]:
    """Yield the store of one org, over one connection of its own.

    ``on_step`` is the seam of the kill tests: called with one of ``COMMIT_STEPS``
    before each statement of a page's commit, and after the last.
    """
    terms = LeaseTerms(database.lease_lasts, lambda: database.connect(org))
    with database.connect_for_pages(org) as connection:
        yield PostgresStore(connection, org, on_step, terms, database.keys)
