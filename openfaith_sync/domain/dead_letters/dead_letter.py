"""A dead letter: a record that was set aside, with its raw record and the reason."""

from dataclasses import dataclass
from datetime import datetime
from shlex import quote
from typing import NamedTuple

from openfaith_sync.domain.ids import ExternalId, SyncKey
from openfaith_sync.domain.records.record import JsonObject


@dataclass(frozen=True, slots=True)
class Origin:
    """What brought a dead letter last, as far as it is still stored."""

    pass_id: int | None
    """``None`` for one that an earlier version of this program stored."""
    mode: str | None = None
    """How the entity was synced; ``None`` once the pass was pruned."""
    trigger: str | None = None
    page: int | None = None
    """Which page of the pass; ``None`` for a record that was read by its id."""
    events: tuple[str, ...] = ()
    """The webhook events that were set aside with it."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record that was set aside."""

    letter_id: int
    key: SyncKey
    external_id: ExternalId
    field: str
    value_type: str
    reason: str
    raw: JsonObject
    """The record as it came; holds personal data."""
    is_replayable: bool
    """Whether ``raw`` is the whole record, so that it can be mapped again without a request."""
    parent_id: ExternalId | None
    manifest_version: str
    """The fingerprint of what the manifest said of the entity when the record was last mapped."""
    first_seen_at: datetime
    last_seen_at: datetime
    occurrences: int
    resolved_at: datetime | None
    origin: Origin


@dataclass(frozen=True, slots=True)
class DeadLetterGroup:
    """The waiting dead letters of one entity that have the same reason."""

    key: SyncKey
    field: str
    value_type: str
    reason: str
    count: int
    replayable: int
    first_seen_at: datetime
    last_seen_at: datetime
    examples: tuple[int, ...]
    """The ids of a few of them, the newest first."""

    @property
    def described(self) -> str:
        """Return the field and the reason in one line, without any value."""
        return describe_reason(self.field, self.value_type, self.reason)

    @property
    def show_command(self) -> str:
        """Return the command that shows one of them."""
        return f"openfaith-sync dead-letters show {self.examples[0]}"

    @property
    def replay_command(self) -> str:
        """Return the command that maps all of them again; what cannot be replayed is read by a full sync instead."""
        org, adapter, entity = self.key.org, self.key.adapter, self.key.entity
        if not self.replayable:
            return f"openfaith-sync sync {org} --adapter {adapter} --entity {entity} --mode full"
        chosen = f"--adapter {adapter} --entity {entity} --reason {quote(self.described)}"
        return f"openfaith-sync dead-letters replay {org} {chosen}"


@dataclass(frozen=True, slots=True)
class LetterFilter:
    """Which waiting dead letters of an entity are meant."""

    letter_id: int | None = None
    reason: str | None = None
    """A part of what ``describe_reason`` returns, in upper or lower case."""
    not_mapped_by: str | None = None
    """Only those that another manifest version than this one mapped last."""


class WaitingLetter(NamedTuple):
    """A dead letter that can be mapped again."""

    external_id: ExternalId
    parent_id: ExternalId | None
    occurrences: int
    """How often it was set aside; a later number is a later raw record."""
    read_since: datetime
    """Before the source was asked for it: what was written to its record since then may be newer."""
    raw: JsonObject


def describe_reason(field: str, value_type: str, reason: str) -> str:
    """Return why a record was set aside, in one line and without any value."""
    return f"{field}: {reason} (found {value_type})"
