"""What a client must know of a dialect to judge an answer, as a Protocol: implemented by every dialect."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

import httpx

from openfaith_sync.domain.ids import AccountId


@dataclass(frozen=True, slots=True)
class StatedError:
    """An error that the body of an answer states."""

    code: str | None
    """The source's number or name for it; ``None`` where it has none."""


class AnswerReader(Protocol):
    """Reads of an answer what decides whether it is one."""

    @property
    def media_type(self) -> str:
        """Return what answers are asked for as."""
        ...

    def stated_error(self, response: httpx.Response) -> StatedError | None:
        """Return the error that the body states, whatever the status; ``None`` where it states none."""
        ...

    def accounts_in(self, response: httpx.Response) -> Iterable[AccountId]:
        """Return the source's accounts that a successful answer states.

        Raises:
            MalformedAnswer: The body cannot be read.
        """
        ...
