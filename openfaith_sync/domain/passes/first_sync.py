"""How far an org's first sync is, as people see it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FirstSync:
    """A first sync that is not finished."""

    done: int
    """Entities that are complete."""
    entities: int
    """Entities that the org syncs and may read."""
    requests: int
    """Requests that are left for the entities whose size is known."""
    unknown: int
    """Entities that are left and whose size nothing shows yet."""
    seconds: float
    """How long these requests take at the connection's pace."""

    @property
    def progress(self) -> str:
        """Describe how far it is, for a person."""
        return f"first sync: {self.done:,} of {self.entities:,} entities"

    def __str__(self) -> str:
        """Return one line for a log."""
        least = "at least " if self.unknown else ""
        minutes = max(1, round(self.seconds / 60))
        return f"{self.progress}; {least}{self.requests:,} requests left, which take {least or 'about '}{minutes:,} min"
