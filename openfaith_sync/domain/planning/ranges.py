"""A range of whole numbers: a prediction that says how sure it is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Range:
    """At least, and at most."""

    least: int = 0
    most: int = 0

    @classmethod
    def exactly(cls, number: int) -> "Range":
        """Return the range that holds one number."""
        return cls(number, number)

    def __add__(self, other: "Range") -> "Range":
        """Add both ends."""
        return Range(self.least + other.least, self.most + other.most)

    def __contains__(self, number: int) -> bool:
        """Return whether a number lies between the ends, both included."""
        return self.least <= number <= self.most

    def __str__(self) -> str:
        """Return the range for a person."""
        return f"{self.least:,}" if self.least == self.most else f"{self.least:,} to {self.most:,}"

    def at_most(self, limit: int) -> "Range":
        """Return the range with both ends bounded."""
        return Range(min(self.least, limit), min(self.most, limit))


NOTHING = Range()
