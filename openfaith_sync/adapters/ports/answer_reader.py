"""The Protocol by which a client reads errors and accounts from responses; every dialect implements it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import httpx

from openfaith_sync.domain.ids import AccountId


@dataclass(frozen=True, slots=True)
class StatedError:
    """An error that the body of a response states."""

    code: str | None
    """The source's code for the error; ``None`` if it has none."""


class AnswerReader(Protocol):
    """Reads errors and accounts from responses."""

    @property
    def media_type(self) -> str:
        """Return the media type that requests accept."""
        ...

    def stated_error(self, response: httpx.Response) -> StatedError | None:
        """Return the error that the body states, whatever the status; ``None`` if it states none."""
        ...

    def accounts_in(self, response: httpx.Response) -> Iterable[AccountId]:
        """Return the source's accounts that a successful response states.

        Raises:
            MalformedAnswer: The body cannot be read.
        """
        ...
