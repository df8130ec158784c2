"""The control surface below ``/_sim/``: neither guarded, nor limited, nor logged."""

import math
import time
from collections.abc import Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

import orjson
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.api.ignored_parameters import Ignored
from openfaith_sync.simulator.api.responses import JSON, Answer
from openfaith_sync.simulator.auth.access_control import Reception
from openfaith_sync.simulator.auth.oauth import OAuthServer
from openfaith_sync.simulator.control.oauth_control import oauth_routes
from openfaith_sync.simulator.control.request_log import RequestLog
from openfaith_sync.simulator.control.second_church import Switch
from openfaith_sync.simulator.data.church import Church
from openfaith_sync.simulator.data.ground_truth import truth_lines
from openfaith_sync.simulator.data.mutations import Happening, ScriptPart
from openfaith_sync.simulator.events.event_publisher import Newsroom
from openfaith_sync.simulator.settings.delivery_faults import WebhookTrouble
from openfaith_sync.simulator.settings.faults import KINDS, ArmedFaults, parse_faults
from openfaith_sync.simulator.settings.rate_limit import parse_rate
from openfaith_sync.simulator.settings.settings import SimulatorSettings

NDJSON = "application/x-ndjson"
_HAPPENING: TypeAdapter[Happening] = TypeAdapter(Happening)
_IGNORED = TypeAdapter(tuple[Ignored, ...])
_SCRIPT = TypeAdapter(list[ScriptPart])
_HAPPENINGS = frozenset({"create", "change", "delete", "merge", "move", "random"})


class _Rate(BaseModel):
    rate: str


class _Latency(BaseModel):
    latency_ms: int = Field(ge=0)


class _RetryScale(BaseModel):
    retry_scale: float = Field(ge=0)


class Control:
    """What tests and demonstrations can see and do."""

    def __init__(
        self,
        church: Church,
        reception: Reception,
        newsroom: Newsroom,
        oauth: OAuthServer,
        settings: SimulatorSettings,
        switch: Switch,
    ) -> None:
        """Start with the faults and the latency of the settings."""
        self._church, self._reception, self._newsroom = church, reception, newsroom
        self.log = RequestLog()
        self.faults = ArmedFaults(settings.faults)
        self.ignored = settings.ignored
        self.latency_seconds = settings.latency_ms / 1000
        self._script: list[ScriptPart] = []
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
            ("POST", "ignored"): self._set_ignored,
            ("POST", "answer_for"): lambda body: switch.answer_for(body, self.log.last_sequence),
            ("GET", "webhooks"): lambda _: self._webhooks(),
            ("POST", "webhooks"): lambda body: newsroom.set_trouble(WebhookTrouble.model_validate(body)),
            ("DELETE", "webhooks"): lambda _: newsroom.reset(),
            ("GET", "webhooks/deliveries"): lambda _: [attempt.as_json() for attempt in newsroom.postman.log],
            ("POST", "webhooks/show"): lambda _: newsroom.curtain.lift(math.inf),
            ("DELETE", "webhooks/deliveries"): lambda _: newsroom.postman.log.clear(),
            ("POST", "webhooks/retry_scale"): self._set_retry_scale,
            **oauth_routes(oauth),
        }

    def play_script(self) -> None:
        """Let happen what the script has for the request that came in just now."""
        if not self._script:
            return
        place = self.log.last_sequence - self._script_start
        for part in self._script:
            if part.at_request == place:
                for action in part.actions:
                    action.apply(self._church)
        self._script = [part for part in self._script if part.at_request > place]

    def answer(self, scope: MutableMapping[str, Any], body: bytes) -> Answer:
        """Do what is asked, or say what is wrong with it."""
        method, name = scope["method"], scope["path"].removeprefix("/_sim/")
        try:
            if (method, name) == ("GET", "truth"):
                return self._truth(scope["query_string"].decode("latin-1"))
            given = orjson.loads(body) if body else {}
            if method == "POST" and name in _HAPPENINGS:
                done = _HAPPENING.validate_python(given | {"do": name}).apply(self._church)
            elif (method, name) in self._routes:
                done = self._routes[method, name](given)
            else:
                return _refusal(404, f"the control surface has no {method} {name}")
        except (UsageError, ValidationError, ValueError, TypeError) as error:
            return _refusal(422, str(error))
        return Answer(200, orjson.dumps({} if done is None else done), JSON)

    def _truth(self, query_string: str) -> Answer:
        entity = parse_qs(query_string).get("entity", [""])[0]
        return Answer(200, b"\n".join(truth_lines(self._church.table(entity))), NDJSON)

    def _counts(self) -> dict[str, int]:
        return {name: len(table.rows) for name, table in self._church.world.tables.items()}

    def _set_script(self, body: Any) -> None:
        self._script = _SCRIPT.validate_python(body)
        self._script_start = self.log.last_sequence

    def _set_rate(self, body: Any) -> None:
        self._reception.set_rate(parse_rate(_Rate.model_validate(body).rate))

    def _set_latency(self, body: Any) -> None:
        self.latency_seconds = _Latency.model_validate(body).latency_ms / 1000

    def _set_ignored(self, body: Any) -> None:
        self.ignored = _IGNORED.validate_python(body)

    def _set_retry_scale(self, body: Any) -> None:
        self._newsroom.postman.retry_scale = _RetryScale.model_validate(body).retry_scale

    def _webhooks(self) -> dict[str, int]:
        """Return what is still to come, and what there was so far."""
        newsroom = self._newsroom
        newsroom.curtain.lift(time.monotonic())
        return {
            "pending": newsroom.postman.pending,
            "hidden": len(newsroom.curtain),
            "events": newsroom.subscriptions.last_event_number,
            "attempts": newsroom.postman.attempts,
            "subscriptions": sum(subscription.active for subscription in newsroom.subscriptions),
        }


def _refusal(status: int, message: str) -> Answer:
    return Answer(status, orjson.dumps({"error": message}), JSON)
