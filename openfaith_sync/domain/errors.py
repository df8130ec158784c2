"""Errors, named by what to do about them.

    SyncError
      TransientError         temporary failure              -> retry after ``retry_after``
        SourceFailed         no response, or a failure      -> counted; repeated ones open the breaker
          PageNotServed      the page may be too large      -> request a smaller page, then skip one record
        ListingIncomplete    fewer listed than counted      -> rows kept, watermark unchanged, retried
        SourceAway           source unreachable             -> nothing is sent until a probe succeeds
        LeaseLost            another worker holds the lease -> stop writing
        LeaseHeld            another worker is running      -> try again later
        AnswerLost           may have taken effect          -> never repeat the request
      ReconnectRequired      the org must act               -> no retry, one alert
        AnotherAccount       another church's account       -> nothing of it is stored
      RecordRejected         one record cannot be stored    -> dead letter, continue
      DefinitionError        manifest or code is wrong      -> no retry
        UsageError           the caller's mistake
          NotConnected       no connection to this adapter  -> not available, if the org has another one
          NotAuthorized      a link is not valid (any more) -> ask for a new one
        NotFoundAtSource     the source has no such record  -> evidence, if one record was requested
        AccessDenied         the token may not read this    -> judged by what it could read before
          NotSelected        the org chose other entities   -> not read, which is no failure
        MostlyRejected       too many records rejected      -> correct the records or the manifest, sync again
        FilterIgnored        the source ignored the filter  -> read the listing another way, and report it
      SafetyStop             a person must decide first     -> no retry, alert
      UnexpectedFailure      an exception nobody foresaw    -> a bug; the other entities continue

Messages say what happened, to which value and what to do. They never hold a
token, a record's fields or a URL with a query.
"""

from datetime import timedelta


class SyncError(Exception):
    """The base of every error that this project raises on purpose."""


class TransientError(SyncError):
    """A temporary failure: the same call may succeed later."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        """Store the wait that the source asked for, if any."""
        super().__init__(message)
        self.retry_after = retry_after


class SourceFailed(TransientError):
    """The source did not respond, or responded with an error."""


class PageNotServed(SourceFailed):
    """The source failed on this request, and may serve a smaller page or one without included records."""

    requests: int = 1
    """Sent before this was raised."""


class SourceAway(TransientError):
    """The source is unreachable: only probes are sent until one succeeds."""


class MalformedAnswer(SourceFailed):
    """The response is malformed; it never counts as the end of a listing."""


class AnswerTooLarge(PageNotServed):
    """The response exceeds the size limit; the same request would return the same response."""


class ListingIncomplete(TransientError):
    """The source counts more records than it lists; what it listed is stored, and the pass is not complete."""


class LeaseLost(TransientError):
    """Another worker took over this sync; the rejected page was not written."""


class LeaseHeld(TransientError):
    """Another live worker holds this sync now."""


class AnswerLost(TransientError):
    """The request may or may not have taken effect."""


class ReconnectRequired(SyncError):
    """The org must authorise again; retrying cannot help."""


class AnotherAccount(ReconnectRequired):
    """The source answered for another of its accounts than the connection belongs to."""


class RecordRejected(SyncError):
    """One record cannot be stored as it is; it becomes a dead letter."""

    def __init__(self, field: str, value_type: str, reason: str) -> None:
        """Name the field, the type of the value found there and why it was refused."""
        super().__init__(f"{field}: {reason} (found {value_type})")
        self.field = field
        self.value_type = value_type
        self.reason = reason


class DefinitionError(SyncError):
    """The manifest, the configuration or the code is wrong; a person must change it."""


class UsageError(DefinitionError):
    """The caller named something that does not exist or cannot be done."""


class NotConnected(UsageError):
    """The org has no connection to the adapter."""


class NotAuthorized(UsageError):
    """A state or an invitation is not valid: never issued, expired, withdrawn, or already used."""


class NotFoundAtSource(DefinitionError):
    """The source says there is nothing at this address."""


class AccessDenied(DefinitionError):
    """The credentials are right, but may not read this."""

    def __init__(self, fact: str, remedy: str = "") -> None:
        """Store the source's words apart from the advice, which is wrong when the source refuses many orgs at once."""
        super().__init__(f"{fact}; {remedy}" if remedy else fact)
        self.fact = fact
        self.remedy = remedy


class NotSelected(AccessDenied):
    """The org chose not to sync this entity."""


class FilterIgnored(DefinitionError):
    """The source answered with records that were not asked for: its filter or order is not what the manifest says."""


class MostlyRejected(DefinitionError):
    """More records were set aside than the org allows; what could be stored was."""


class SafetyStop(SyncError):
    """Continuing could destroy data; a person must decide first."""


class UnexpectedFailure(SyncError):
    """An exception that nobody foresaw stopped one entity; its message is left out, since it may hold a value."""
