"""What a manifest says of one attribute or relationship of the source's records."""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from openfaith_sync.domain.manifest.model import KeyPath, Part, SnakeCase


class AttributeType(StrEnum):
    """The type the source documents for an attribute."""

    STRING = "string"
    BOOLEAN = "boolean"
    INTEGER = "integer"
    FLOAT = "float"
    DATE = "date"
    DATE_TIME = "date_time"
    JSON = "json"
    PRIMARY_KEY = "primary_key"


class Parse(StrEnum):
    """A value parser beyond the plain type."""

    GENDER = "gender"
    STATUS = "status"
    PHONE = "phone"
    COUNTRY = "country"


class Attribute(Part):
    """One attribute of the source's resource."""

    type: AttributeType
    """The documented type. Where the attribute fills a column, a value of another shape
    makes the record a dead letter; without a column it is kept as it came."""
    to: SnakeCase | None = None
    """The canonical column; without one the value goes to `custom_fields`."""
    parse: Parse | None = None
    """How the text becomes the canonical value, beyond its type."""
    prefer: SnakeCase | None = None
    """Another attribute whose value is used instead when it is not empty."""
    extension: SnakeCase | None = None
    """The canonical column for the extension that a telephone number holds."""
    sparse: bool = False
    """Only sent when asked for by name in `fields[Resource]`."""
    wire: Literal["string", "number"] | None = None
    """The JSON type on the wire where it differs from the documented one."""
    at: KeyPath | None = None
    """Where the value stands in the record, when that is not under its name."""
    format: str | None = None
    """How a date or time is written when that is not ISO 8601, as `strptime` reads it: `%m/%d/%Y`."""
    empty: tuple[str, ...] = ()
    """Texts that stand for no value, such as `0000-00-00`."""


class Relationship(Part):
    """One relationship of the source's resource."""

    target: SnakeCase
    """The entity it points at; it need not be in the manifest."""
    resource: str = ""
    """The target's type on the wire, where references name one."""
    at: KeyPath | None = None
    """Where the target's id stands in the record, when that is not under the relationship's name."""
    others: dict[str, SnakeCase] = Field(default_factory=dict)
    """The other types on the wire that it may lead to, each with its entity. A reference of a type
    that is named nowhere is kept in `custom_fields`."""
    cardinality: Literal["one", "many"] = "one"
    nullable: bool = True
    """Whether the source may leave it unset. A required to-one is a hard dependency."""
    to: SnakeCase | None = None
    """The canonical column that gets the target's entity id; without one the
    external id of a to-one goes to `custom_fields` as `<adapter>_<name>_id`."""
    always: bool = False
    """Sent with every record; otherwise only with `include`."""

    @property
    def targets(self) -> dict[str, str]:
        """The entities it may lead to, by type on the wire."""
        return {self.resource or self.target: self.target, **self.others}
