"""What clients of tests are given beside an address and credentials."""

from typing import Any

from openfaith_sync.adapters.client.allowed_requests import AllowedRequests, allowed_reads
from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.domain.manifest.manifest import Manifest


class AnyRequest(AllowedRequests):
    """Allows everything, for tests of a client alone."""

    def require(self, request: Request) -> None:
        """Allow it."""


def guarded(manifest: Manifest) -> dict[str, Any]:
    """Return a client's guard and dialect, as an opened source has them."""
    dialect = open_dialect(manifest)
    writes = dialect.webhooks.allowed_requests() if dialect.webhooks else ()
    return {"allowed": AllowedRequests(allowed_reads(manifest), writes), "answers": dialect.answers}


def unguarded(manifest: Manifest) -> dict[str, Any]:
    """Return the same without the guard."""
    return {"allowed": AnyRequest(), "answers": open_dialect(manifest).answers}
