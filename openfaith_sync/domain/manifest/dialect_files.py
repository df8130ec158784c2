"""``adapter.yaml`` in each dialect: the keys that exist only in that dialect."""

from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import Field, StringConstraints, model_validator

from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.domain.manifest.model import KeyPath, ManifestModel, UrlPath, VersionDate
from openfaith_sync.domain.manifest.problem import ManifestProblem, ManifestProblems

JsonPointer = Annotated[str, StringConstraints(pattern=r"^(/[^/~]+)+$")]
"""A place in a JSON document (RFC 6901), such as `/meta/parent`."""


class Account(ManifestModel):
    """Where a JSON:API source states which of its accounts (churches) a response or event belongs to.

    Each place may contain a resource identifier (`{"type": …, "id": …}`). An identifier of another
    type is ignored.
    """

    resource: str
    """The JSON:API type of an account."""
    name: str | None = None
    """Its attribute with the organization's name, where the response to `auth.verify` includes the account."""
    in_answers: tuple[JsonPointer, ...] = Field(min_length=1)
    """Places in the document of a response, or in the payload of an event."""
    in_events: tuple[JsonPointer, ...] = ()
    """Places in the envelope of a webhook event."""


class JsonApiKeys(AdapterFile):
    """The additional keys of sources with JSON:API documents."""

    account: Account | None = None
    """Omitted if the source never states it; responses are then not checked for their account."""

    @property
    def states_account(self) -> bool:
        """Return whether the source states its account."""
        return self.account is not None

    @property
    def sends_every_attribute(self) -> bool:
        """Return whether the source sends attributes without a value too, as Planning Center does."""
        return True

    @property
    def states_account_in_answers(self) -> bool:
        """Return whether every response states the account."""
        return self.account is not None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.paging.by != "offset":
            expected = "offset in the JSON:API dialect"
            raise ManifestProblems(ManifestProblem(("paging", "by"), expected, repr(self.paging.by)))
        return self


class JsonApiFile(JsonApiKeys):
    """JSON:API documents with `where[...]`, `order` and `include`."""

    dialect: Literal["json_api"]


class WebhookHeaders(ManifestModel):
    """The names of the headers of a webhook delivery."""

    signature: str
    event_id: str
    name: str
    time: str


class Webhooks(ManifestModel):
    """Planning Center's webhooks and subscriptions."""

    headers: WebhookHeaders
    subscriptions: UrlPath
    """The path for listing, creating and deleting subscriptions: one per event name, each with its own secret."""
    resource: str
    """The JSON:API type of subscriptions in this version."""
    version: VersionDate


class PcoFile(JsonApiKeys):
    """Planning Center: JSON:API documents and its own webhooks."""

    dialect: Literal["pco"]
    webhooks: Webhooks | None = None

    @property
    def has_webhooks(self) -> bool:
        """Return whether the source sends webhooks."""
        return self.webhooks is not None


class ChangeFilter(ManifestModel):
    """How a listing is filtered by the time of the last change."""

    by: Literal["parameter", "expression"]
    """Whether each bound has its own parameter, or both are in one expression."""
    parameter: str
    """The parameter for the lower bound, or for the expression."""
    before_parameter: str | None = None
    """The parameter for the upper bound."""
    since: str = "{moment}"
    """The template of the lower bound: `{attribute} ge datetime'{moment}'`."""
    before: str = "{moment}"
    """The template of the upper bound."""
    moment: str = "%Y-%m-%dT%H:%M:%SZ"
    """The `strftime` format of times; a format without a time zone is written in `time_zone`."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.before_parameter is not None and self.by != "parameter":
            raise ManifestProblems(ManifestProblem(("before_parameter",), "none if 'by' is expression"))
        return self


class OrderParameter(ManifestModel):
    """How a listing is ordered; `{attribute}` is the attribute's key at the source."""

    parameter: str
    by_id: str | None = None
    """The value for the order by id."""
    ascending: str = "{attribute}"
    descending: str = "-{attribute}"


class StatedErrors(ManifestModel):
    """Where the body of a response states an error, whatever the status."""

    at: tuple[KeyPath, ...]
    """A value at one of these paths that is not empty is an error."""
    false_at: tuple[KeyPath, ...] = ()
    """Paths at which `false` means that the request failed."""
    code: KeyPath | None = None
    """The path of the error's code, below the error. Leading zeros of a number are ignored."""


class StatedIdentity(ManifestModel):
    """Where the response to `auth.verify` states whom the credentials belong to."""

    user: KeyPath | None = None
    account: KeyPath | None = None
    """The source's account (church)."""
    name: KeyPath | None = None
    """What the source calls the church."""


class PlainKeys(AdapterFile):
    """The additional keys of sources with plain records, without a standard envelope."""

    rows: KeyPath | None = None
    """The path of the rows of a listing; if omitted, the document itself is the list. In XML: the element that
    contains the rows, anywhere in the document, and their element name, such as `individuals.individual`."""
    record: KeyPath | None = None
    """The path of the record in the response to a single read; the document itself if omitted."""
    total: KeyPath | None = None
    """The path of the total number of records in a listing."""
    last_page: KeyPath | None = None
    """The path of the number of a listing's last page."""
    identity: StatedIdentity = StatedIdentity()
    stated_errors: StatedErrors | None = None
    blank_is_missing: bool = False
    """Whether blank text means that there is no value."""
    order: OrderParameter | None = None
    changes: ChangeFilter | None = None

    @property
    def states_account(self) -> bool:
        """Return whether the source states its account."""
        return self.identity.account is not None

    @property
    def composed_parameters(self) -> frozenset[str]:
        """Return the parameter of the filter expression: bounds are added to the entity's own expression."""
        changes = self.changes
        return frozenset({changes.parameter}) if changes and changes.by == "expression" else frozenset()


class JsonListFile(PlainKeys):
    """Plain JSON records, in a list or inside an object."""

    dialect: Literal["json_list"]


class XmlFile(PlainKeys):
    """XML records: elements with attributes, text and children."""

    dialect: Literal["xml"]
    empty: tuple[KeyPath, ...] = ()
    """Elements that replace the rows if there are none. A response with neither these nor the element
    that contains the rows is malformed."""
    row_count: str | None = None
    """The attribute of the element that contains the rows which states their number."""


AnyAdapterFile: TypeAlias = Annotated[JsonApiFile | PcoFile | JsonListFile | XmlFile, Field(discriminator="dialect")]
ADAPTER_FILES: dict[str, type[AdapterFile]] = {
    get_args(model.model_fields["dialect"].annotation)[0]: model for model in get_args(get_args(AnyAdapterFile)[0])
}
"""The model of each dialect, by its name."""
