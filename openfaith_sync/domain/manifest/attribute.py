"""The manifest keys of one attribute or relationship of a record."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from openfaith_sync.domain.manifest.model import KeyPath, ManifestModel, SnakeCase
from openfaith_sync.domain.sensitivity import Sensitivity


class AttributeType(StrEnum):
    """The type that the source documents for an attribute."""

    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT = "float"
    DATE = "date"
    DATE_TIME = "date_time"
    LOCAL_DATE_TIME = "local_date_time"
    """A local time of the church, whatever time zone the text states."""
    CURRENCY = "currency"
    """An ISO 4217 code."""
    ARRAY = "array"
    JSON = "json"
    PRIMARY_KEY = "primary_key"


class Parse(StrEnum):
    """A value parser beyond the plain type."""

    GENDER = "gender"
    STATUS = "status"
    PHONE = "phone"
    COUNTRY = "country"
    FIELD_TYPE = "field_type"
    ATTENDANCE_KIND = "attendance_kind"
    RESPONSE = "response"
    NEGATIVE = "negative"
    """Minus the absolute value of a whole number, such as a refund's that the source may send as positive."""


class Attribute(ManifestModel):
    """One attribute of the source's resource."""

    type: AttributeType
    """The documented type. If the attribute fills a column, a value of another type makes the
    record a dead letter; without a column, it is kept unchanged."""
    to: SnakeCase | None = None
    """The canonical column; without one, the value goes to `custom_fields`. In a source table, the
    column's name, if it is not the attribute's."""
    parse: Parse | None = None
    """The parser that turns the text into the canonical value, in addition to its type."""
    prefer: SnakeCase | None = None
    """Another attribute, whose value is used instead if it is not empty."""
    extension: SnakeCase | None = None
    """The column for the extension in a telephone number."""
    sparse: bool = False
    """Only sent if requested by name in `fields[Resource]`."""
    wire: Literal["string", "number"] | None = None
    """The JSON type on the wire, if it differs from the documented one."""
    at: KeyPath | None = None
    """The path of the value in the record, if it is not the attribute's name."""
    format: str | None = None
    """The `strptime` format of a date or time that is not ISO 8601: `%m/%d/%Y`."""
    empty: tuple[str, ...] = ()
    """Texts that stand for no value, such as `0000-00-00`."""
    # The privacy keys change nothing of what is read: no fingerprint holds them.
    sensitivity: Sensitivity | None = Field(default=None, exclude=True)
    """How carefully its values are handled: `public`, `personal`, or `sensitive` (medical notes, background
    checks, pastoral notes, children, giving); by default as its canonical column, or else as the entity."""
    describes: SnakeCase | None = Field(default=None, exclude=True)
    """The relationship whose record it tells something of, such as that person's name: it is erased with that
    record."""


class Relationship(ManifestModel):
    """One relationship of the source's resource."""

    target: SnakeCase
    """The entity it refers to, which need not be in the manifest."""
    resource: str = ""
    """The target's type on the wire, if references state one."""
    at: KeyPath | None = None
    """The path of the target's id in the record, if it is not the relationship's name."""
    others: dict[str, SnakeCase] = Field(default_factory=dict)
    """Other types on the wire that it may refer to, each with its entity. A reference of any other
    type is kept in `custom_fields`."""
    cardinality: Literal["one", "many"] = "one"
    nullable: bool = True
    """Whether the source may leave it unset. A required to-one is a hard dependency."""
    to: SnakeCase | None = None
    """The canonical column for the target's entity id; without one, the external id of a
    to-one relationship goes to `custom_fields` as `<adapter>_<name>_id`. In a source table, the column's
    name; by default `<name>_id` if the target is an entity of the manifest."""
    columns: dict[str, SnakeCase] = Field(default_factory=dict)
    """The canonical columns of references of the `others` types that do not fill the column of `to`."""
    always: bool = False
    """Sent with every record, and not only with `include`."""
    belongs: bool | None = Field(default=None, exclude=True)
    """Whether a record belongs to the target, and is erased with it; by default if the relationship is required or
    is called like its target. In a canonical table, the table says it."""

    @property
    def targets(self) -> dict[str, str]:
        """Return the entities it may refer to, by type on the wire."""
        return {self.resource or self.target: self.target, **self.others}

    @property
    def by_column(self) -> dict[str, dict[str, str]]:
        """Return the entities that each column it fills may refer to, by type on the wire."""
        found: dict[str, dict[str, str]] = {}
        for wire_type, target in self.targets.items():
            if (column := self.columns.get(wire_type, self.to)) is not None:
                found.setdefault(column, {})[wire_type] = target
        return found
