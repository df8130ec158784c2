"""When a message that a target did not accept is sent again, and when that is given up."""

from datetime import timedelta

FIRST_WAIT = timedelta(seconds=15)
LONGEST_WAIT = timedelta(hours=1)
GIVE_UP_AFTER = timedelta(days=3)
"""From the writing of a message; while its alert is open it is never given up."""
TROUBLE_AFTER = 3
"""The failures in a row, within a minute and a half, after which a target needs a person."""

_MOST_DOUBLINGS = 16


def wait_after(attempts: int) -> timedelta:
    """Return how long a message waits after so many attempts: twice as long each time, up to an hour."""
    doublings = min(attempts - 1, _MOST_DOUBLINGS)
    return min(FIRST_WAIT * (1 << doublings), LONGEST_WAIT)
