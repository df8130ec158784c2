"""``adapter.yaml`` in each dialect: the keys that only sources of that kind have."""

from typing import Annotated, Literal, Self, TypeAlias, get_args

from pydantic import Field, StringConstraints, model_validator

from openfaith_sync.domain.manifest.adapter_file import AdapterFile
from openfaith_sync.domain.manifest.model import KeyPath, Part, UrlPath, VersionDate
from openfaith_sync.domain.manifest.problem import ManifestProblems, Problem

JsonPointer = Annotated[str, StringConstraints(pattern=r"^(/[^/~]+)+$")]
"""A place in a JSON document (RFC 6901), such as `/meta/parent`."""


class Account(Part):
    """Where a JSON:API source states which of its accounts (churches) an answer or event belongs to.

    At each place a resource identifier (`{"type": …, "id": …}`) may stand. One of another type,
    or none, states nothing.
    """

    resource: str
    """The JSON:API type of an account."""
    in_answers: tuple[JsonPointer, ...] = Field(min_length=1)
    """Places in an answer's document, or in the payload of an event."""
    in_events: tuple[JsonPointer, ...] = ()
    """Places in the envelope of a webhook event."""


class JsonApiKeys(AdapterFile):
    """What sources that serve JSON:API documents have besides."""

    account: Account | None = None
    """Left out where the source never says; a connection is then not held to one account."""

    @property
    def states_account(self) -> bool:
        """Whether the source says which of its accounts answers."""
        return self.account is not None

    @property
    def states_account_in_answers(self) -> bool:
        """Whether it says so in answers of its own accord."""
        return self.account is not None

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.paging.by != "offset":
            expected = "offset in the JSON:API dialect"
            raise ManifestProblems(Problem(("paging", "by"), expected, repr(self.paging.by)))
        return self


class JsonApiFile(JsonApiKeys):
    """JSON:API documents with `where[...]`, `order` and `include`."""

    dialect: Literal["json_api"]


class WebhookHeaders(Part):
    """Where a webhook delivery carries its envelope."""

    signature: str
    event_id: str
    name: str
    time: str


class Webhooks(Part):
    """How Planning Center announces changes, and where it is asked to."""

    headers: WebhookHeaders
    subscriptions: UrlPath
    """Where subscriptions are listed, made and removed: one for each event name, each with its own secret."""
    resource: str
    """Their JSON:API type at this version."""
    version: VersionDate


class PcoFile(JsonApiKeys):
    """Planning Center: JSON:API documents, and webhooks of its own kind."""

    dialect: Literal["pco"]
    webhooks: Webhooks | None = None

    @property
    def has_webhooks(self) -> bool:
        """Whether the source announces changes."""
        return self.webhooks is not None


class ChangeFilter(Part):
    """How a listing is narrowed to what changed in a span of time."""

    by: Literal["parameter", "expression"]
    """Whether each bound is a parameter of its own, or both are written into one expression."""
    parameter: str
    """The parameter of the lower bound, or of the expression."""
    before_parameter: str | None = None
    """The parameter of the upper bound."""
    since: str = "{moment}"
    """How the lower bound is written: `{attribute} ge datetime'{moment}'`."""
    before: str = "{moment}"
    """How the upper bound is written."""
    moment: str = "%Y-%m-%dT%H:%M:%SZ"
    """How a moment is written, as `strftime` does; without a zone it is written in `time_zone`."""

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.before_parameter is not None and self.by != "parameter":
            raise ManifestProblems(Problem(("before_parameter",), "none where 'by' is expression"))
        return self


class OrderParameter(Part):
    """How a listing is ordered by an attribute; `{attribute}` is its key at the source."""

    parameter: str
    by_id: str | None = None
    """What is sent when no other order is wanted."""
    ascending: str = "{attribute}"
    descending: str = "-{attribute}"


class StatedErrors(Part):
    """Where the body of an answer states an error, whatever the status."""

    at: tuple[KeyPath, ...]
    """Whatever stands at one of these places, and is not empty, is an error."""
    false_at: tuple[KeyPath, ...] = ()
    """Places where `false` says that the request failed."""
    code: KeyPath | None = None
    """Where the error's number or name stands, below the error. Zeros before a number do not count."""


class StatedIdentity(Part):
    """Where the answer to `auth.verify` says whom the credentials belong to."""

    user: KeyPath | None = None
    account: KeyPath | None = None
    """The source's account (church)."""


class PlainKeys(AdapterFile):
    """What sources that serve plain records have besides: no envelope of a standard around each record."""

    rows: KeyPath | None = None
    """Where the rows of a listing stand; the document itself is the list when left out. In XML: the element that
    holds them, anywhere in the document, and their own name, such as `individuals.individual`."""
    record: KeyPath | None = None
    """Where the record stands in the answer to a single read; the document itself when left out."""
    total: KeyPath | None = None
    """Where a listing states how many records it has in all."""
    last_page: KeyPath | None = None
    """Where a listing states the number of its last page."""
    identity: StatedIdentity = StatedIdentity()
    stated_errors: StatedErrors | None = None
    blank_is_missing: bool = False
    """Whether text without anything in it stands for no value."""
    order: OrderParameter | None = None
    changes: ChangeFilter | None = None

    @property
    def states_account(self) -> bool:
        """Whether the source says which of its accounts answers."""
        return self.identity.account is not None

    @property
    def composed_parameters(self) -> frozenset[str]:
        """The parameter of an expression: the bounds of a span of time are added to what an entity states."""
        changes = self.changes
        return frozenset({changes.parameter}) if changes and changes.by == "expression" else frozenset()


class JsonListFile(PlainKeys):
    """JSON records as they are, in a bare list or somewhere in an object."""

    dialect: Literal["json_list"]


class XmlFile(PlainKeys):
    """XML records: elements with attributes, text and children."""

    dialect: Literal["xml"]
    empty: tuple[KeyPath, ...] = ()
    """Elements that say that there are no rows, in place of the rows. Without one, an answer that lacks the
    element of the rows is malformed."""
    row_count: str | None = None
    """The attribute in which the element that holds the rows says how many it holds."""


AnyAdapterFile: TypeAlias = Annotated[JsonApiFile | PcoFile | JsonListFile | XmlFile, Field(discriminator="dialect")]
ADAPTER_FILES: dict[str, type[AdapterFile]] = {
    get_args(model.model_fields["dialect"].annotation)[0]: model
    for model in (JsonApiFile, PcoFile, JsonListFile, XmlFile)
}
"""The model of each dialect, by its name."""
