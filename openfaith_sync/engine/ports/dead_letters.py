"""What the engine needs of a store to replay dead letters."""

from collections.abc import Sequence
from typing import Protocol

from openfaith_sync.domain.dead_letters.dead_letter import LetterFilter, WaitingLetter
from openfaith_sync.domain.ids import ExternalId, SyncKey


class DeadLetters(Protocol):
    """The records that were set aside."""

    def load_waiting_letters(
        self, key: SyncKey, chosen: LetterFilter, after: ExternalId | None, most: int
    ) -> Sequence[WaitingLetter]:
        """Return the next dead letters after an id that wait and can be mapped again, ordered by external id."""
        ...
