"""What a manifest says of pages and of the request budget."""

from typing import Literal, Self

from pydantic import Field, model_validator

from openfaith_sync.domain.manifest.model import KeyPath, Part
from openfaith_sync.domain.manifest.problem import ManifestProblems, Problem


class DeepOffset(Part):
    """A stricter limit for requests far into a listing."""

    above: int = Field(gt=0)
    """Offsets greater than this count against the stricter limit."""
    requests: int = Field(gt=0)
    period_seconds: int = Field(gt=0)


class Paging(Part):
    """How listings are paged."""

    by: Literal["offset", "page", "cursor", "link"] = "offset"
    """What the next page is asked for with: how many records to skip, a page number, a cursor
    that the page before gave, or a link that it gave."""
    size: int = Field(gt=0, le=10_000)
    """Records a page, the most the source gives."""
    size_parameter: str = "per_page"
    offset_parameter: str = "offset"
    page_parameter: str = "page"
    """Pages are counted from 1."""
    cursor_parameter: str = "cursor"
    next: KeyPath | None = None
    """Where a page states the cursor or link of the next one; nothing stands there on the last page."""
    pages_in_flight: int = Field(default=8, ge=1, le=32)
    """At most so many disjoint slices of one listing are walked side by side."""
    pages_a_slice: int = Field(default=20, ge=2)
    """A listing is only cut when each slice keeps at least so many pages."""
    deep_offset: DeepOffset | None = None

    @property
    def is_by_token(self) -> bool:
        """Whether each page gives the token that the next one is asked for with."""
        return self.by in {"cursor", "link"}

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.is_by_token != (self.next is not None):
            raise ManifestProblems(Problem(("next",), "this key exactly where 'by' is cursor or link"))
        if self.deep_offset is not None and self.by != "offset":
            raise ManifestProblems(Problem(("deep_offset",), f"none where 'by' is {self.by}"))
        return self


class RateLimit(Part):
    """What the source allows, and where it says so. Headers that it does not send are left out."""

    limit_header: str | None = None
    period_header: str | None = None
    """Seconds, as `20` or `20 seconds`."""
    count_header: str | None = None
    """Requests that were sent in this period."""
    remaining_header: str | None = None
    """Requests that are left; in place of the count."""
    retry_after_header: str = "Retry-After"
    assumed_limit: int = Field(gt=0)
    """Used until an answer states another limit; for good where none does."""
    assumed_period_seconds: int = Field(gt=0)

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.remaining_header and (self.count_header or not self.limit_header):
            expected = "a header beside limit_header, without count_header"
            raise ManifestProblems(Problem(("remaining_header",), expected))
        return self
