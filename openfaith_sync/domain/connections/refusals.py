"""What a source refuses to an org, judged by what the org could read before.

An entity that was readable is expected back, so it is asked for again soon. One that
never was is not available to this connection, which is no failure.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

ASK_AGAIN_AFTER = (timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(hours=4))
"""Waits after each refusal in a row of what was readable before; the last one repeats."""
ASK_AGAIN_FOR_NEVER_READ = timedelta(days=1)
"""Somebody may buy the product or give the right; nothing else changes it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """One entity that an org may not read now."""

    fact: str
    """What the source answered, or which scope is missing."""
    remedy: str = ""
    """What a person can do, where it is known."""
    since: datetime | None = None
    ask_again_at: datetime | None = None
    """``None``: not before the org connects again."""
    read_until: datetime | None = None
    """When the org last read it; ``None``: never."""
    is_shown: bool = False
    """Whether a run failed of it, so that only another run can show its end."""
    is_incident: bool = False
    """Whether the source refuses it to many orgs at once, so that no org can mend it."""

    @property
    def is_unavailable(self) -> bool:
        """Return whether this connection could never read it: no failure, and nothing to wait for."""
        return self.read_until is None and not self.is_incident

    def waits(self, now: datetime) -> bool:
        """Return whether nothing asks for it by itself at this moment."""
        return self.ask_again_at is None or self.ask_again_at > now or self.is_incident

    @property
    def title(self) -> str:
        """Return the judgement in a word or two."""
        return "not available" if self.is_unavailable else "refused"

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
