"""The settings of a simulator."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from openfaith_sync.simulator.api.ignored_parameters import IgnoredParameters
from openfaith_sync.simulator.data.timestamps import BASE_SECONDS
from openfaith_sync.simulator.settings.delivery_faults import NO_DELIVERY_FAULTS, DeliveryFaults
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.simulator.settings.rate_limit import DEFAULT_RATE, RateRule

ProductRefusal = Literal["TRASH_PANDA", "PELICAN", "402", "403"]
"""How the source refuses a whole product: the token's user has no access to it, the token lacks its scope, the church
has not bought it, or the user may not read it."""


@dataclass(frozen=True, slots=True)
class SimulatorSettings:
    """One church on one port, with one credential."""

    people: int
    seed: int = 1
    host: str = "127.0.0.1"
    port: int = 0
    """0 picks a free port."""
    latency_ms: int = 0
    rate: RateRule | None = DEFAULT_RATE
    faults: tuple[Fault, ...] = ()
    refused_products: Mapping[str, ProductRefusal] = field(default_factory=dict)
    """Products of the manifest that no credential may read, and how they are refused."""
    ignored: tuple[IgnoredParameters, ...] = ()
    """Parameters that the source ignores."""
    left_out: tuple[str, ...] = ("included",)
    """Keys of documents and records that are omitted when empty. The source omits
    ``included`` (People 2026-06-04); others omit ``data``, ``links``, ``attributes`` or ``relationships``."""
    delivery_faults: DeliveryFaults = NO_DELIVERY_FAULTS
    webhook_retry_scale: float = 1
    """Multiplies the source's waits between delivery attempts, the first of which is 30 s."""
    clock_offset_seconds: float = 0
    """How far the source's clock is ahead of this machine's; negative if behind."""
    as_of_seconds: int = BASE_SECONDS
    """The time, in seconds since 1970, around which gifts, plans, meetings and check-ins lie."""
    application_id: str = "demo"
    secret: str = "demo"  # noqa: S105  the demonstration's own, printed when it starts
    client_id: str = "demo-client"
    client_secret: str = "demo-client-secret"  # noqa: S105  the OAuth server's, equally public
