"""The page commit and the leases of one org, as the engine needs them."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import EntityName, OrgId, SyncKey
from openfaith_sync.domain.passes.passes import Counts, Lease, PageCommit
from openfaith_sync.store.database.org_connection import OnStep, OrgConnection
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.pages.page_writer import PageWriter, SentPage
from openfaith_sync.store.passes import leases
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection


class PageStore(OrgConnection):
    """Implements ``engine.ports.pages.Pages``, and the leases under which pages are written."""

    def __init__(
        self,
        connection: Connection,
        org: OrgId,
        on_step: OnStep | None = None,
        terms: leases.LeaseTerms = leases.USUAL_TERMS,
        keys: SecretKeys | None = None,
    ) -> None:
        """Serve this org only; ``keys`` are needed once records of it were erased."""
        super().__init__(connection, org, on_step, keys)
        self._terms = terms
        self._pages = PageWriter(connection, on_step)
        self._held: set[SyncKey] = set()

    @contextmanager
    def hold_lease(self, key: SyncKey, holder: str) -> Iterator[Lease]:
        """Hold the right to write under a key until the block ends, the process ends, or it is silent for too long."""
        self._require_own(key)
        self._rest()
        if key in self._held:
            # The server would grant a session its own lock again.
            raise DefinitionError(f"{key} is held by this store already")
        with leases.hold_lease(self._connection, key, holder, self._terms) as lease:
            self._held.add(key)
            self._pages.know_tables()
            self._pages.know_erasures(self._keys, key)
            try:
                yield lease
            finally:
                self._held.discard(key)
                self._pages.rest()

    def commit_page(self, lease: Lease, page: PageCommit) -> Mapping[EntityName, Counts]:
        """Store a page, its checkpoint and its counts in one transaction."""
        return self.begin_commit(lease, page).result()

    def begin_commit(self, lease: Lease, page: PageCommit) -> SentPage:
        """Send a page to be stored, without waiting for it."""
        self._require_own(lease.key)
        with translated():
            return self._pages.begin(lease, page)

    def _rest(self) -> None:
        self._pages.rest()
