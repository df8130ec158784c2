"""What a manifest says of answers that are no success."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from openfaith_sync.domain.manifest.model import Part


class ErrorAction(StrEnum):
    """What to do about an answer, or the lack of one, that is not a success."""

    RETRY = "retry"
    """The world may heal: ask again, within bounds."""
    WAIT = "wait"
    """Ask again when the source said, and count nothing against it."""
    REDUCE_PAGE = "reduce_page"
    """Ask for a smaller page; what is no listing is retried."""
    REFRESH = "refresh"
    """Get a new token and ask again; where the credentials have none to get, connect again."""
    RECONNECT = "reconnect"
    """The org must authorise again."""
    DISABLE_ENTITY = "disable_entity"
    """The credentials are right, but may not read this: this entity fails visibly, the others go on."""
    NOT_FOUND = "not_found"
    """There is no such thing: evidence, where one record was asked for."""
    DEAD_LETTER = "dead_letter"
    """Set one record aside and go on."""
    STOP = "stop"
    """The request is wrong; a person must change the manifest, the configuration or the code."""


class ErrorRule(Part):
    """One row of the error table; the first row that matches decides."""

    status: int = Field(ge=100, le=599)
    contains: str | None = None
    """Text the body must hold for this row to match."""
    code: str | None = None
    """The source's own number or name for the error, as the body states it."""
    action: Literal[
        ErrorAction.RETRY,
        ErrorAction.WAIT,
        ErrorAction.REDUCE_PAGE,
        ErrorAction.REFRESH,
        ErrorAction.RECONNECT,
        ErrorAction.DISABLE_ENTITY,
        ErrorAction.NOT_FOUND,
        ErrorAction.STOP,
    ]
    """Not ``dead_letter``: no status is about one record of many."""
    message: str
    """What it means, for a person."""
    remedy: str = ""
    """What a person can do about it. Left out of messages about a refusal that hits many orgs at once."""


class NotFoundAnswer(Part):
    """What the source's own "not found" looks like: an answer of another shape comes from something on the way."""

    media_types: tuple[str, ...] = Field(min_length=1)
    """Compared without case and without parameters such as `charset`; an empty text for none."""
    key: str | None
    """The key of the JSON object that holds the source's error; what it holds must not be empty.
    Without one, the body itself must be empty."""
