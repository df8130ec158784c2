"""The manifest keys for paging and rate limits."""

from typing import Literal, Self

from pydantic import Field, model_validator

from openfaith_sync.domain.manifest.model import KeyPath, ManifestModel
from openfaith_sync.domain.manifest.problem import ManifestProblem, ManifestProblems


class DeepOffset(ManifestModel):
    """A stricter rate limit for requests with a high offset."""

    above: int = Field(gt=0)
    """Offsets greater than this count against the stricter limit."""
    requests: int = Field(gt=0)
    period_seconds: int = Field(gt=0)


class Paging(ManifestModel):
    """How listings are paged."""

    by: Literal["offset", "page", "cursor", "link"] = "offset"
    """How the next page is requested: by the number of records to skip, by page number, or by a
    cursor or link from the previous page."""
    size: int = Field(gt=0, le=10_000)
    """Records per page; the most that the source allows."""
    size_parameter: str = "per_page"
    offset_parameter: str = "offset"
    page_parameter: str = "page"
    """Pages are numbered from 1."""
    cursor_parameter: str = "cursor"
    next: KeyPath | None = None
    """The path of the next page's cursor or link; it has no value on the last page."""
    pages_in_flight: int = Field(default=8, ge=1, le=32)
    """The maximum number of disjoint slices of one listing that are read concurrently."""
    pages_a_slice: int = Field(default=20, ge=2)
    """A listing is divided only if each slice has at least this many pages."""
    deep_offset: DeepOffset | None = None

    @property
    def is_by_token(self) -> bool:
        """Return whether the next page is requested with a cursor or link from the previous one."""
        return self.by in {"cursor", "link"}

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.is_by_token != (self.next is not None):
            raise ManifestProblems(ManifestProblem(("next",), "this key exactly where 'by' is cursor or link"))
        if self.deep_offset is not None and self.by != "offset":
            raise ManifestProblems(ManifestProblem(("deep_offset",), f"none if 'by' is {self.by}"))
        return self


class RateLimit(ManifestModel):
    """The source's rate limit, and the headers that state it. Omit headers that it does not send."""

    limit_header: str | None = None
    period_header: str | None = None
    """Seconds, as `20` or `20 seconds`."""
    count_header: str | None = None
    """Requests sent in this period."""
    remaining_header: str | None = None
    """Requests remaining in this period; used instead of the count."""
    retry_after_header: str = "Retry-After"
    assumed_limit: int = Field(gt=0)
    """Used until a response states another limit."""
    assumed_period_seconds: int = Field(gt=0)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.remaining_header and (self.count_header or not self.limit_header):
            expected = "a header together with limit_header and without count_header"
            raise ManifestProblems(ManifestProblem(("remaining_header",), expected))
        return self
