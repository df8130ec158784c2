"""The database as the engine sees it."""

from typing import Protocol

from openfaith_sync.engine.ports.dead_letters import DeadLetters
from openfaith_sync.engine.ports.deletions import Deletions
from openfaith_sync.engine.ports.inbox import Inbox
from openfaith_sync.engine.ports.pages import Pages
from openfaith_sync.engine.ports.passes import Passes
from openfaith_sync.engine.ports.records import Records
from openfaith_sync.engine.ports.redirects import Redirects


class Store(Passes, Pages, Records, DeadLetters, Redirects, Deletions, Inbox, Protocol):
    """All of the store, for one org at a time. Used from one thread."""
