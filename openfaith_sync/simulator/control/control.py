"""The control surface below ``/_sim/``: not authenticated, not rate limited, not logged."""

import math
import time
from collections.abc import Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import orjson
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.api.ignored_parameters import IgnoredParameters
from openfaith_sync.simulator.api.responses import JSON, SimulatedResponse
from openfaith_sync.simulator.auth.access_control import AccessControl
from openfaith_sync.simulator.auth.oauth import OAuthServer
from openfaith_sync.simulator.control.oauth_control import oauth_routes
from openfaith_sync.simulator.control.request_log import RequestLog
from openfaith_sync.simulator.control.second_church import ChurchSwitch
from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.data.ground_truth import truth_lines
from openfaith_sync.simulator.events.event_publisher import EventPublisher
from openfaith_sync.simulator.life.mutations import Mutation, ScriptStep
from openfaith_sync.simulator.settings.delivery_faults import DeliveryFaults
from openfaith_sync.simulator.settings.faults import KINDS, ArmedFaults, parse_faults
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.simulator.settings.settings import ProductRefusal, SimulatorSettings

NDJSON = "application/x-ndjson"
_MUTATION: TypeAdapter[Mutation] = TypeAdapter(Mutation)
_IGNORED = TypeAdapter(tuple[IgnoredParameters, ...])
_SCRIPT = TypeAdapter(list[ScriptStep])
_PRODUCTS = TypeAdapter(dict[str, ProductRefusal])
_MUTATIONS = frozenset({"act", "create", "change", "delete", "merge", "move", "random"})


class _Rate(BaseModel):
    rate: str


class _Latency(BaseModel):
    latency_ms: int = Field(ge=0)


class _RetryScale(BaseModel):
    retry_scale: float = Field(ge=0)


class Control:
    """The actions and reports that tests and demonstrations use."""

    def __init__(
        self,
        church: SimulatedChurch,
        access_control: AccessControl,
        publisher: EventPublisher,
        oauth: OAuthServer,
        settings: SimulatorSettings,
        church_switch: ChurchSwitch,
    ) -> None:
        """Start with the faults and the latency of the settings."""
        self._church, self._access_control, self._publisher = church, access_control, publisher
        self.log = RequestLog()
        self.faults = ArmedFaults(settings.faults)
        self.ignored = settings.ignored
        self.latency_seconds = settings.latency_ms / 1000
        self._script: list[ScriptStep] = []
        self._script_start = 0
        self._routes: dict[tuple[str, str], Callable[[Any], Any]] = {
            ("GET", "counts"): lambda _: self._counts(),
            ("GET", "requests"): lambda _: [request.as_json() for request in self.log.requests],
            ("DELETE", "requests"): lambda _: self.log.clear(),
            ("GET", "faults"): lambda _: {"kinds": KINDS, "armed": self.faults.as_json()},
            ("POST", "faults"): lambda body: self.faults.arm(parse_faults(body, "the request")),
            ("DELETE", "faults"): lambda _: self.faults.clear(),
            ("POST", "script"): self._set_script,
            ("POST", "rate"): self._set_rate,
            ("POST", "latency"): self._set_latency,
            ("POST", "products"): lambda body: access_control.refuse_products(_PRODUCTS.validate_python(body)),
            ("POST", "ignored"): self._set_ignored,
            ("POST", "answer_for"): lambda body: church_switch.answer_for(body, self.log.last_sequence),
            ("GET", "webhooks"): lambda _: self._webhooks(),
            ("POST", "webhooks"): lambda body: publisher.set_delivery_faults(DeliveryFaults.model_validate(body)),
            ("DELETE", "webhooks"): lambda _: publisher.reset(),
            ("GET", "webhooks/deliveries"): lambda _: [attempt.as_json() for attempt in publisher.sender.log],
            ("POST", "webhooks/show"): lambda _: publisher.visibility_delay.show_due(math.inf),
            ("POST", "webhooks/retry_scale"): self._set_retry_scale,
            **oauth_routes(oauth),
        }

    def run_script(self) -> None:
        """Apply the scripted actions for the request that has just arrived."""
        if not self._script:
            return
        place = self.log.last_sequence - self._script_start
        for step in self._script:
            if step.at_request == place:
                for action in step.actions:
                    action.apply(self._church)
        self._script = [step for step in self._script if step.at_request > place]

    def handle(self, scope: MutableMapping[str, Any], body: bytes) -> SimulatedResponse:
        """Perform the requested action, or return what is wrong with the request."""
        method, name = scope["method"], scope["path"].removeprefix("/_sim/")
        try:
            if (method, name) == ("GET", "truth"):
                return self._truth(scope["query_string"].decode("latin-1"))
            parameters = orjson.loads(body) if body else {}
            if method == "POST" and name in _MUTATIONS:
                result = _MUTATION.validate_python(parameters | {"do": name}).apply(self._church)
            elif (method, name) in self._routes:
                result = self._routes[method, name](parameters)
            else:
                return _refusal(404, f"the control surface has no {method} {name}")
        except (UsageError, ValidationError, ValueError, TypeError) as error:
            return _refusal(422, str(error))
        return SimulatedResponse(200, orjson.dumps({} if result is None else result), JSON)

    def _truth(self, query_string: str) -> SimulatedResponse:
        entity = parse_qs(query_string).get("entity", [""])[0]
        return SimulatedResponse(200, b"\n".join(truth_lines(self._church.world, self._church.table(entity))), NDJSON)

    def _counts(self) -> dict[str, int]:
        return {name: len(table.rows) for name, table in self._church.world.tables.items()}

    def _set_script(self, body: Any) -> None:
        self._script = _SCRIPT.validate_python(body)
        self._script_start = self.log.last_sequence

    def _set_rate(self, body: Any) -> None:
        self._access_control.set_rate(parse_rate(_Rate.model_validate(body).rate))

    def _set_latency(self, body: Any) -> None:
        self.latency_seconds = _Latency.model_validate(body).latency_ms / 1000

    def _set_ignored(self, body: Any) -> None:
        self.ignored = _IGNORED.validate_python(body)

    def _set_retry_scale(self, body: Any) -> None:
        self._publisher.sender.retry_scale = _RetryScale.model_validate(body).retry_scale

    def _webhooks(self) -> dict[str, int]:
        """Return the counts of pending and past events."""
        publisher = self._publisher
        publisher.visibility_delay.show_due(time.monotonic())
        return {
            "pending": publisher.sender.pending,
            "hidden": len(publisher.visibility_delay),
            "events": publisher.subscriptions.last_event_number,
            "attempts": publisher.sender.attempts,
            "subscriptions": sum(subscription.active for subscription in publisher.subscriptions),
        }


def _refusal(status: int, message: str) -> SimulatedResponse:
    return SimulatedResponse(status, orjson.dumps({"error": message}), JSON)
