"""The place inside a pass: disjoint slices of one listing, each with its own position.

A listing ordered by version is cut by time, one ordered by id is cut by id.
A slice knows where it is by *anchor*: the last record read. The next request
asks from the anchor on, the anchor included, so the answer proves by its first
row that nothing before it moved. Where no row can come in, an equal count proves
as much, and the anchor is left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from openfaith_sync.domain.ids import EntityName


@dataclass(frozen=True, slots=True)
class Slice:
    """One part of a listing, with the position its walker has reached."""

    lower: str | None = None
    """The first key inside; ``None`` for the listing's beginning."""
    upper: str | None = None
    """The first key outside; ``None`` for the listing's end."""
    offset: int = 0
    """The place of the anchor, counted from the first row at or after ``lower``: the next request starts there."""
    anchor: str | None = None
    """External id that the next answer must begin with when ``offset`` is not 0."""
    seen: tuple[str, ...] = ()
    """External ids read already that a request from ``lower`` on may bring again."""
    token: str | None = None
    """What the next request is made with, in a listing whose pages give that."""
    remaining: int | None = None
    """The number of records still to come, according to the source; a hint, never a proof."""
    counted: int | None = None
    """What the source must count from ``lower`` on if no row has left; the next request then starts behind the
    anchor. Never stored: a walk that is resumed begins with its anchors."""
    variant: int = 0
    """Which variant of the listing it is a part of."""
    done: bool = False


_STORED = [name for name in Slice.__slots__ if name != "counted"]


@dataclass(frozen=True, slots=True)
class WalkPlace:
    """Where a pass is: all its slices, in listing order."""

    slices: tuple[Slice, ...] = (Slice(),)
    resumed_at: str | None = None
    """The newest version read before the pass was first interrupted. A record may have changed again
    within that second after it was read, so the watermark must not pass it."""
    answered_from: str | None = None
    """When the source first answered in this pass, by its own clock; in a listing of several variants only."""
    page_size: int | None = None
    """The size of page that the source serves of this listing, where that is less than a full one."""
    is_without_children: bool = False
    """Whether the source does not serve this listing with its children, which are then walked by themselves."""
    counted_children: Mapping[EntityName, int] = field(default_factory=dict)
    """What the source counted of each sideloaded child before the first page, until a page brings a newer one."""

    @property
    def is_done(self) -> bool:
        """Return whether every slice has been read to its end."""
        return all(slice_.done for slice_ in self.slices)

    def with_slice(self, index: int, slice_: Slice) -> "WalkPlace":
        """Return the place with one slice moved on."""
        return replace(self, slices=(*self.slices[:index], slice_, *self.slices[index + 1 :]))

    def to_json(self) -> dict[str, Any]:
        """Return the place as JSON, empty members left out, and slices that are done with them."""
        defaults = Slice()
        slices = [
            {name: value for name in _STORED if (value := getattr(slice_, name)) != getattr(defaults, name)}
            for slice_ in self.slices
            if not slice_.done
        ]
        learnt = {
            "answered_from": self.answered_from,
            "page_size": self.page_size,
            "is_without_children": self.is_without_children,
            "counted_children": dict(self.counted_children),
        }
        return {"slices": slices, "resumed_at": self.resumed_at} | {
            name: value for name, value in learnt.items() if value
        }

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> "WalkPlace":
        """Read back what ``to_json`` gave."""
        slices = (Slice(**{**slice_, "seen": tuple(slice_.get("seen", ()))}) for slice_ in found["slices"])
        return cls(
            tuple(slices),
            found["resumed_at"],
            found.get("answered_from"),
            found.get("page_size"),
            found.get("is_without_children", False),
            found.get("counted_children", {}),
        )


def version_key(version: datetime) -> str:
    """Return a version as a slice key: the wire form, whole seconds in UTC, which sorts as text."""
    # strftime does not pad years before 1000 on Linux.
    return f"{version.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"
