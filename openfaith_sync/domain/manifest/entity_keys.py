"""The keys of one entity in a module file."""

from datetime import timedelta
from enum import StrEnum
from typing import Literal

from pydantic import Field

from openfaith_sync.domain.defaults import OVERLAP
from openfaith_sync.domain.manifest.attribute import Attribute, Relationship
from openfaith_sync.domain.manifest.cadence_keys import Cadence
from openfaith_sync.domain.manifest.model import IncludePath, KeyPath, ManifestModel, SnakeCase, UrlPath
from openfaith_sync.domain.manifest.nested_keys import Nested
from openfaith_sync.domain.sensitivity import Sensitivity


class DeltaCapability(StrEnum):
    """How the source can list only changed records."""

    FILTER = "filter"
    """It filters and orders by the version attribute."""
    ORDERED = "ordered"
    """It only orders by it."""
    NONE = "none"
    """It can do neither; every sync lists all records and compares content hashes."""


class Delta(ManifestModel):
    """How changes of an entity can be found."""

    by: DeltaCapability
    attribute: SnakeCase | None = "updated_at"
    """The attribute that holds the source's version of a record."""
    overlap_seconds: int = Field(default=int(OVERLAP.total_seconds()), ge=0, le=86_400)
    """How far a delta sync looks back below the watermark."""

    @property
    def overlap(self) -> timedelta:
        """Return the overlap as a time span."""
        return timedelta(seconds=self.overlap_seconds)


class BlindSpot(ManifestModel):
    """A change that the version attribute does not show."""

    change: str
    """The change that is not seen."""
    source: str
    """The source of this information."""
    covered_by: Literal["reconciliation", "full", "webhook"] = "reconciliation"


class Endpoints(ManifestModel):
    """The paths of an entity, below its product's path."""

    list: UrlPath
    get: UrlPath | None = None
    """Contains `{id}`, unless its parameters do. Omitted if records cannot be read individually."""
    get_parameters: dict[str, str] = Field(default_factory=dict)
    """Query parameters of a single read; `{id}` and `{parent}` are filled in."""


class Dependencies(ManifestModel):
    """Declared dependencies, which add to and override those derived from relationships."""

    hard: tuple[SnakeCase, ...] = ()
    soft: tuple[SnakeCase, ...] = ()


class MonthlyCounts(ManifestModel):
    """Of which months a reconciliation compares the number of records with the source's."""

    attribute: SnakeCase
    """The time that decides the month, one of `filters`."""
    months: int = Field(default=24, ge=1, le=60)
    """How many, the last complete one first; each costs a request."""


class Merges(ManifestModel):
    """Where the source lists merges of one record into another."""

    list: UrlPath
    """Can be ordered and filtered by `created_at`; entries are never removed."""
    resource: str
    keep: SnakeCase
    """The attribute with the id of the surviving record."""
    remove: SnakeCase
    """The attribute with the id of the removed record."""
    webhook: str | None = None
    """The webhook event for a merge."""


class EntityKeys(ManifestModel):
    """The keys of one entity."""

    resource: str = ""
    """The type of records on the wire, if they state one."""
    table: SnakeCase | None = None
    """The canonical table of its records; without one, they have a source table, made from this entity:
    `<adapter>.<plural>`."""
    plural: SnakeCase | None = None
    """The name of its source table, or of its view on the canonical table, in the schema of the adapter;
    by default the name of the canonical table, or the entity's English plural."""
    description: str
    sensitivity: Sensitivity = Field(default=Sensitivity.PERSONAL, exclude=True)
    """How carefully its records are handled, and by default their attributes. Only an org that turns a
    `sensitive` entity on has it synced."""
    endpoints: Endpoints
    order_by: tuple[SnakeCase, ...] = ()
    """Keys that the source can order by; it silently ignores unknown ones."""
    filters: tuple[SnakeCase, ...] = ()
    """Attributes that the source can filter by; some unknown ones return all rows."""
    includes: tuple[SnakeCase, ...] = ()
    """Relationships that the source can include."""
    edges: tuple[SnakeCase, ...] = ()
    """The links of a record that is read individually."""
    scopes: tuple[SnakeCase, ...] = ()
    """The named selections that `filter=` accepts."""
    parameters: dict[str, str] = Field(default_factory=dict)
    """Query parameters of every listing, such as `where[archive_status]: include` for records that
    the source would otherwise omit. `{parent}` is the parent's id."""
    variants: tuple[dict[str, str], ...] = ()
    """Several sets of further parameters, such as `filter: archived` and `filter: not_archived`, whose listings
    together are the whole one."""
    fieldset: bool = False
    """Whether requests name the attributes and relationships that they want, including `sparse` ones."""
    page_size: int | None = Field(default=None, ge=1, le=1_000)
    """The page size of its listing, if it differs from other entities."""
    singleton: bool = False
    """Whether its path gives one record and no list, such as the church's own."""
    delta: Delta
    total_count: Literal["exact", "unreliable", "none"] = "exact"
    """Whether the source states the number of records in a listing, and whether it is reliable."""
    listed_by: Literal["id", "other"] = "id"
    """The default order of a listing: ascending ids, or any other."""
    is_paged: bool = True
    """Whether the listing is paged; otherwise one response contains all records."""
    rows: KeyPath | None = None
    """The path of the rows in its listing, if it differs from other entities."""
    record: KeyPath | None = None
    """The path of the record in the response to a single read, if it differs from other entities."""
    id: KeyPath = "id"
    """The path of a record's id."""
    id_format: Literal["text", "number"] = "text"
    """The format of ids; other ids are neither used in paths nor stored."""
    blind_spots: tuple[BlindSpot, ...] = ()
    include: tuple[SnakeCase, ...] = ()
    """Relationships that are included in every request for the ids they refer to; the included records are not
    stored."""
    sideload: dict[IncludePath, SnakeCase] = Field(default_factory=dict)
    """Child entities that are sideloaded with this one, by include name; `refund.designation_refunds` are
    children of a sideloaded child."""
    drop: tuple[SnakeCase, ...] = ()
    """Attributes that are never stored, logged or kept, such as signed links and secrets."""
    optional: bool = Field(default=False, exclude=True)
    """Whether only an org that names it has it synced."""
    cadence: Cadence = Field(default=Cadence(), exclude=True)
    monthly_counts: MonthlyCounts | None = Field(default=None, exclude=True)
    """Set if the numbers of records are compared by month as well, as a treasurer does; for gifts only."""
    nested: Nested | None = None
    """Set if it exists only below a parent; `{parent}` in the endpoints is the parent's id."""
    merges: Merges | None = None
    depends_on: Dependencies = Dependencies()
    constants: dict[SnakeCase, str | bool] = Field(default_factory=dict)
    """Canonical columns with the same value in all of its records, such as `kind: meeting`."""
    attributes: dict[SnakeCase, Attribute]
    relationships: dict[SnakeCase, Relationship] = Field(default_factory=dict)
    webhooks: tuple[str, ...] = ()
    """The names of webhook events for changes to this entity."""
    drift: Literal["evolve", "freeze", "reject"] = "evolve"
    """What happens to attributes that the manifest does not name: they are kept in `custom_fields`, left out, or make
    the record a dead letter until the manifest names them. In all cases they are reported."""
