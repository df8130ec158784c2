"""Errors, named by what to do about them.

    SyncError
      TransientError       the world may heal            -> retry, waiting ``retry_after``
        SourceFailed       no answer, or none that is -> counted; when it lasts, the source is away
          PageNotServed    perhaps too much was asked -> ask for a smaller page, then step over one record
        ListingIncomplete    fewer listed than counted -> rows are kept, the watermark stays, tried again
        SourceAway         nobody answers for a while -> nothing is sent; a probe finds out when it ends
        LeaseLost          another worker holds the walk -> stop writing, let the other go on
        LeaseHeld          another worker is at it now   -> try again later
        AnswerLost         it may have been done         -> never ask the same again
      ReconnectRequired    the org must act              -> no retry, one alert
        AnotherAccount     the source answers for another church -> nothing of it is stored
      RecordRejected       set the record aside, go on   -> a dead letter
      DefinitionError      we must fix manifest or code  -> no retry
        UsageError         the caller asked for something that is not there
        NotFoundAtSource   the source has no such thing  -> evidence, where one record was asked for
        AccessDenied       the token may not read this   -> judged by what it could read before
        MostlyRejected     too many records set aside    -> correct the records or the manifest, and sync again
        FilterIgnored      the source filters otherwise  -> read the listing another way, and say so
      SafetyStop           a person must look first      -> no retry, alert

Messages say what happened, to which value and what to do. They never hold a
token, a record's fields or a URL with a query.
"""

from datetime import timedelta


class SyncError(Exception):
    """Every error that this project raises on purpose."""


class TransientError(SyncError):
    """The world may heal: the same call may succeed later."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        """Keep how long the source asked us to wait, when it said so."""
        super().__init__(message)
        self.retry_after = retry_after


class SourceFailed(TransientError):
    """The source did not answer, or not as it should."""


class PageNotServed(SourceFailed):
    """The source failed on this request, and may serve a smaller page or one without included records."""

    requests: int = 1
    """Sent before this was raised."""


class SourceAway(TransientError):
    """The source is known to be away: nothing but a probe is asked of it before one is answered."""


class MalformedAnswer(SourceFailed):
    """The source answered with something that is not an answer: never an end of a listing."""


class AnswerTooLarge(PageNotServed):
    """The answer has more bytes than one answer may have; the same request would bring the same answer."""


class ListingIncomplete(TransientError):
    """The source counts more records than it lists; what it listed is stored, and the pass is not complete."""


class LeaseLost(TransientError):
    """Another worker took this sync over; nothing of the refused page was written."""


class LeaseHeld(TransientError):
    """Another live worker holds this sync now."""


class AnswerLost(TransientError):
    """The source may have done what it was asked, and nobody knows."""


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


class NotFoundAtSource(DefinitionError):
    """The source says there is nothing at this address."""


class AccessDenied(DefinitionError):
    """The credentials are right, but may not read this."""

    def __init__(self, fact: str, remedy: str = "") -> None:
        """Keep what the source said apart from what to do: the advice is wrong when it refuses many orgs at once."""
        super().__init__(f"{fact}; {remedy}" if remedy else fact)
        self.fact = fact
        self.remedy = remedy


class FilterIgnored(DefinitionError):
    """The source answered with records that were not asked for: its filter or order is not what the manifest says."""


class MostlyRejected(DefinitionError):
    """More records were set aside than the org allows; what could be stored was."""


class SafetyStop(SyncError):
    """Going on could destroy data; a person must look first."""
