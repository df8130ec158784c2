"""What a simulator is started with."""

from dataclasses import dataclass

from openfaith_sync.simulator.api.ignored_parameters import Ignored
from openfaith_sync.simulator.settings.delivery_faults import NO_TROUBLE, WebhookTrouble
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.simulator.settings.rate_limit import DEFAULT_RATE, RateRule


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
    ignored: tuple[Ignored, ...] = ()
    """Parameters the source does not heed."""
    left_out: tuple[str, ...] = ("included",)
    """Keys of documents and records that are not sent where they hold nothing. The source leaves out
    ``included`` (People 2026-06-04); others leave out ``data``, ``links``, ``attributes`` or ``relationships``."""
    webhook_trouble: WebhookTrouble = NO_TROUBLE
    webhook_retry_scale: float = 1
    """Multiplies the source's waits before it delivers again, of which the first is 30 s."""
    clock_offset_seconds: float = 0
    """How far the source's clock goes before this machine's; less than nothing: behind it."""
    application_id: str = "demo"
    secret: str = "demo"  # noqa: S105  the demonstration's own, printed when it starts
    client_id: str = "demo-client"
    client_secret: str = "demo-client-secret"  # noqa: S105  of the OAuth server; as well known
