"""What a simulator is started with."""

from dataclasses import dataclass

from openfaith_sync.simulator.faults import Fault
from openfaith_sync.simulator.rate import DEFAULT_RATE, RateRule


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """One church on one port, with one credential."""

    people: int
    seed: int = 1
    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    latency_ms: int = 0
    rate: RateRule | None = DEFAULT_RATE
    faults: tuple[Fault, ...] = ()
    application_id: str = "demo"
    secret: str = "demo"  # noqa: S105  the demonstration's own, printed when it starts
