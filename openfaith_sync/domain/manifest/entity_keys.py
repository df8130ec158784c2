"""The keys of one entity in a module file."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field

from openfaith_sync.domain.defaults import OVERLAP
from openfaith_sync.domain.manifest.attribute import Attribute, Relationship
from openfaith_sync.domain.manifest.model import KeyPath, Part, SnakeCase, UrlPath


class DeltaCapability(StrEnum):
    """What the source can do to list only what changed."""

    FILTER = "filter"
    """It filters and orders by the version attribute."""
    ORDERED = "ordered"
    """It only orders by it."""
    NONE = "none"
    """It can do neither: full listing and content hash."""


class Delta(Part):
    """How changes of an entity can be found."""

    by: DeltaCapability
    attribute: SnakeCase | None = "updated_at"
    """The attribute that holds the source's version of a record."""
    overlap_seconds: int = Field(default=int(OVERLAP.total_seconds()), ge=0, le=86_400)
    """How far a delta looks back below the watermark."""

    @property
    def overlap(self) -> timedelta:
        """The overlap as a span of time."""
        return timedelta(seconds=self.overlap_seconds)


class BlindSpot(Part):
    """A change that the version attribute does not show."""

    change: str
    """What changes unseen."""
    source: str
    """Where this is known from."""
    covered_by: Literal["reconciliation", "full", "webhook"] = "reconciliation"


class Endpoints(Part):
    """Where an entity is read, below its product's path."""

    list: UrlPath
    get: UrlPath | None = None
    """Holds `{id}`, unless its parameters do. Left out where no record can be read alone."""
    get_parameters: dict[str, str] = Field(default_factory=dict)
    """Query parameters of a single read; `{id}` and `{parent}` are filled in."""


class Dependencies(Part):
    """Declared dependencies; they add to and override those of relationships."""

    hard: tuple[SnakeCase, ...] = ()
    soft: tuple[SnakeCase, ...] = ()


class Nested(Part):
    """How an entity is listed that exists only below another one."""

    under: SnakeCase
    """The relationship to the parent: its id fills `{parent}` in the endpoints."""
    members: SnakeCase | None = None
    """The parent's to-many relationship that names who belongs, where it has one."""
    member: SnakeCase | None = None
    """This entity's relationship that the parent's list names."""


class Merges(Part):
    """Where the source tells that one record became part of another."""

    list: UrlPath
    """Ordered and filtered by `created_at`; nothing is ever taken off it."""
    resource: str
    keep: SnakeCase
    """The attribute with the id that stays."""
    remove: SnakeCase
    """The attribute with the id that is gone."""
    webhook: str | None = None
    """The event that announces one."""


class EntityKeys(Part):
    """The keys of one entity."""

    resource: str = ""
    """The type that records name on the wire, where they name one."""
    table: SnakeCase
    """The canonical table its records are stored in."""
    description: str
    endpoints: Endpoints
    order_by: tuple[SnakeCase, ...] = ()
    """Keys the source can order by; unknown ones it ignores in silence."""
    filters: tuple[SnakeCase, ...] = ()
    """Attributes that the source really filters by; of unknown ones some return all rows."""
    includes: tuple[SnakeCase, ...] = ()
    """Relationships the source can include."""
    edges: tuple[SnakeCase, ...] = ()
    """What a record that is read alone links to."""
    scopes: tuple[SnakeCase, ...] = ()
    """The named selections that `filter=` takes."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """Query parameters of every listing, such as `where[archive_status]: include`
    where the source would otherwise leave records out. `{parent}` is the parent's id."""
    delta: Delta
    total_count: Literal["exact", "unreliable", "none"] = "exact"
    """Whether the source says how many records a listing has, and can be believed."""
    listed_by: Literal["id", "other"] = "id"
    """The order of a listing when none is asked for: ascending ids, or any other."""
    is_paged: bool = True
    """Whether the listing comes in pages; otherwise one answer holds all of it."""
    rows: KeyPath | None = None
    """Where the rows of its listing stand, when elsewhere than those of other entities."""
    record: KeyPath | None = None
    """Where the record stands in the answer to a single read, when elsewhere than that of other entities."""
    id: KeyPath = "id"
    """Where a record's id stands."""
    id_format: Literal["text", "number"] = "text"
    """What an id may be: nothing else is put into a path or stored."""
    blind_spots: tuple[BlindSpot, ...] = ()
    sideload: dict[SnakeCase, SnakeCase] = Field(default_factory=dict)
    """Child entities that are sideloaded with this one: include name to entity."""
    nested: Nested | None = None
    """Set when it exists only below a parent; `{parent}` in the endpoints is the parent's id."""
    merges: Merges | None = None
    depends_on: Dependencies = Dependencies()
    attributes: dict[SnakeCase, Attribute]
    relationships: dict[SnakeCase, Relationship] = Field(default_factory=dict)
    webhooks: tuple[str, ...] = ()
    """Event names that announce changes of this entity."""
