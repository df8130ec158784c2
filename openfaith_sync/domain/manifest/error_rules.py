"""The manifest keys for error responses."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from openfaith_sync.domain.manifest.model import ManifestModel


class ErrorAction(StrEnum):
    """How to handle an error response, or a missing response."""

    RETRY = "retry"
    """A temporary failure: retry, within limits."""
    WAIT = "wait"
    """Retry when the source says; does not count as an attempt."""
    REDUCE_PAGE = "reduce_page"
    """Request a smaller page; requests other than listings are retried."""
    REFRESH = "refresh"
    """Renew the token and retry; credentials that cannot be renewed must be reconnected."""
    RECONNECT = "reconnect"
    """The org must be reconnected."""
    DISABLE_ENTITY = "disable_entity"
    """The credentials are valid, but may not read this: the entity fails visibly, others continue."""
    NOT_FOUND = "not_found"
    """The target does not exist: evidence of absence, if one record was requested."""
    DEAD_LETTER = "dead_letter"
    """Store one record as a dead letter and continue."""
    STOP = "stop"
    """The request is wrong; a person must change the manifest, the configuration or the code."""


class ErrorRule(ManifestModel):
    """One row of the error table; the first row that matches decides."""

    status: int = Field(ge=100, le=599)
    contains: str | None = None
    """Text that the body must contain for this row to match."""
    code: str | None = None
    """The source's code for the error, as the body states it."""
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
    """Not ``dead_letter``: no status refers to one record of many."""
    message: str
    """The meaning, for a person."""
    remedy: str = ""
    """What a person can do about it. Omitted from messages if the source rejects many orgs at once."""


class NotFoundAnswer(ManifestModel):
    """What the source's own "not found" looks like: any other response comes from a proxy or gateway."""

    media_types: tuple[str, ...] = Field(min_length=1)
    """Compared without case and without parameters such as `charset`; empty text stands for no media type."""
    key: str | None
    """The key of the source's error in the JSON body; its value must not be empty. If null, the body
    itself must be empty."""
