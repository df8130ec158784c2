"""One librarian for each base URL that clients know the simulator by."""

import re
from collections.abc import Collection

from openfaith_sync.simulator.api.documents import Librarian
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.unmodelled_resources import organization_id

_MOST = 8
_SANE_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+")


class Libraries:
    """Links must lead back to the host that was asked, by whatever name it was asked."""

    def __init__(self, world: World, seed: int, left_out: Collection[str] = ("included",)) -> None:
        """Start without any."""
        self._left_out = left_out
        self._world, self._organization = world, organization_id(seed)
        self._librarians: dict[str, Librarian] = {}

    def under(self, base_url: str) -> Librarian:
        """Return the librarian of a base URL; too many names, or senseless ones, share one."""
        librarian = self._librarians.get(base_url)
        if librarian is None:
            if len(self._librarians) >= _MOST or _SANE_URL.fullmatch(base_url) is None:
                base_url = "http://127.0.0.1"
            librarian = self._librarians.get(base_url) or Librarian(
                self._world, base_url, self._organization, self._left_out
            )
            self._librarians[base_url] = librarian
        return librarian
