"""The receiver's limits: sizes, times and rates."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """The defaults suit thousands of orgs on one small machine."""

    body_bytes: int = 1 << 20
    """A delivery is about 4 KiB (docs/pco.md 4.2); several events in one are a few of that."""
    bodies_bytes: int = 64 << 20
    """The total of all bodies held at the same time."""
    head_bytes: int = 64 << 10
    head_seconds: float = 10
    """From the first byte of a request, or from connecting, to the end of its headers."""
    body_seconds: float = 10
    answer_seconds: float = 8
    """From the complete body to the response; the source gives up after about ten."""
    connections: int = 4000
    database_connections: int = 4
    waiting: int = 10_000
    """Deliveries waiting for the database: if it hangs, more of them would exhaust the memory."""
    secrets_seconds: float = 30
    """How long cached secrets are used before they are loaded again."""
    metrics_seconds: float = 5
    """However many scrapers there are, the database is queried at most this often for metrics."""
    # One org: 900 deliveries at once, three times over, and then 200 per second.
    org_burst: int = 3000
    org_per_second: float = 200
    # One invitation: consents that are begun with it; each is a row for a day.
    consent_burst: int = 20
    consent_per_second: float = 1 / 60
    # One address: refused deliveries only. The source's few addresses deliver for all orgs.
    refused_burst: int = 100
    refused_per_second: float = 1


DEFAULT_LIMITS = ServerLimits()
