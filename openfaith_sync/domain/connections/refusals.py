"""Access that a source refuses to an org, judged by what the org could read before.

An entity that was readable is expected to return, so it is retried soon. An entity that
never was readable is not available to this connection, which is not a failure.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

ASK_AGAIN_AFTER = (timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4))
"""The waits after consecutive refusals of an entity that was readable; the last one repeats."""
ASK_AGAIN_FOR_NEVER_READ = timedelta(days=1)
"""Only a purchase of the product or a new permission changes this."""
REFUSALS_BEFORE_AN_ALERT = 2
"""In a row, of what was readable before: a single refusal may be over before anyone has read the alert."""
REFUSED, NOT_AVAILABLE, NOT_SELECTED = "refused", "not available", "not selected"
"""The judgements of a refusal."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One entity that an org may not read now."""

    fact: str
    """What the source answered, or which scope is missing."""
    remedy: str = ""
    """What a person can do, if known."""
    since: datetime | None = None
    ask_again_at: datetime | None = None
    """``None``: not before the org connects again."""
    read_until: datetime | None = None
    """When the org last read it; ``None`` if never."""
    is_shown: bool = False
    """Whether a run failed because of it, so that only another run can show that it is over."""
    is_incident: bool = False
    """Whether the source refuses it to many orgs at once, so that no single org can fix it."""
    is_chosen: bool = False
    """Whether the org itself chose not to sync it."""

    @property
    def is_unavailable(self) -> bool:
        """Return whether this connection never could read it, or its org does not want it: no failure."""
        return self.is_chosen or (self.read_until is None and not self.is_incident)

    def waits(self, now: datetime) -> bool:
        """Return whether no retry is due yet."""
        return self.ask_again_at is None or self.ask_again_at > now or self.is_incident

    @property
    def title(self) -> str:
        """Return a short title of the judgement."""
        if self.is_chosen:
            return NOT_SELECTED
        return NOT_AVAILABLE if self.is_unavailable else REFUSED

    def __str__(self) -> str:
        """Describe it in one line for a person."""
        again = f"asked again at {_said(self.ask_again_at)}" if self.ask_again_at else ""
        if self.is_unavailable:
            return "; ".join(filter(None, (self.fact, self.remedy, again)))
        since = f" since {_said(self.since)}" if self.since else ""
        if self.is_incident:
            return "; ".join(filter(None, (f"refused to many orgs at once{since}: {self.fact}", again)))
        before = f"refused{since}, though it could be read at {_said(self.read_until)}" if self.read_until else ""
        lasting = f"if it lasts: {self.remedy}" if self.remedy and self.ask_again_at else self.remedy
        return "; ".join(filter(None, (f"{before}: {self.fact}", again, lasting)))


def _said(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC" if moment else "an unknown time"
