"""One org's connection, which refuses the keys of every other org (law 10)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import OrgId, SyncKey
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection

OnStep = Callable[[str], None]
"""Called before each step; tests use it to kill the process there."""


class OrgConnection:
    """The connection that all parts of one org's store use. Used from one thread."""

    def __init__(
        self, connection: Connection, org: OrgId, on_step: OnStep | None = None, keys: SecretKeys | None = None
    ) -> None:
        """Serve this org only; ``keys`` are needed once records of it were erased."""
        self._connection = connection
        self._org = org
        self._on_step = on_step
        self._keys = keys

    def _rest(self) -> None:
        """Wait for everything that was sent over the connection."""

    @contextmanager
    def _using(self, key: SyncKey) -> Iterator[Connection]:
        """Yield the connection for statements about this key; database errors become ours.

        Raises:
            DefinitionError: The key is another org's.
        """
        self._require_own(key)
        # Nothing else can be asked of a connection over which a page is being stored.
        self._rest()
        with translated():
            yield self._connection

    def _require_own(self, key: SyncKey) -> None:
        if key.org != self._org:
            raise DefinitionError(f"{key} was asked of the store of {self._org}")
