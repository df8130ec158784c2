"""One document builder for each base URL under which clients reach the simulator."""

import re
from collections.abc import Collection

from openfaith_sync.simulator.api.documents import DocumentBuilder
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.unmodelled_resources import organization_id

_MOST = 8
_SANE_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")


class DocumentBuilders:
    """Builders by base URL, since links must lead back to the host that the client used."""

    def __init__(self, world: World, seed: int, left_out: Collection[str] = ("included",)) -> None:
        """Start without builders."""
        self._left_out = left_out
        self._world, self._organization = world, organization_id(seed)
        self._builders: dict[str, DocumentBuilder] = {}

    def for_base_url(self, base_url: str) -> DocumentBuilder:
        """Return the builder for a base URL; malformed URLs, and those beyond the limit, share one."""
        builder = self._builders.get(base_url)
        if builder is None:
            if len(self._builders) >= _MOST or _SANE_URL.fullmatch(base_url) is None:
                base_url = "http://127.0.0.1"
            builder = self._builders.get(base_url) or DocumentBuilder(
                self._world, base_url, self._organization, self._left_out
            )
            self._builders[base_url] = builder
        return builder
