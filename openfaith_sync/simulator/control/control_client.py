"""The control surface from outside: what tests, the demonstration and benchmarks call."""

import time
from types import TracebackType
from typing import Any, Self

import httpx

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.api.ignored_parameters import Ignored
from openfaith_sync.simulator.auth.oauth import OAuthBehaviour
from openfaith_sync.simulator.control.request_log import WindowUse, read_window_uses
from openfaith_sync.simulator.data.ground_truth import TrueRecord, parse_truth
from openfaith_sync.simulator.settings.delivery_faults import WebhookTrouble
from openfaith_sync.simulator.settings.faults import Fault

Json = dict[str, Any]
_POLL_SECONDS = 0.01


class ControlClient:
    """Talks to ``/_sim/`` of a simulator; a refusal becomes a UsageError."""

    def __init__(self, base_url: str) -> None:
        """Talk to the simulator at this URL."""
        self.base_url = base_url
        self._client = httpx.Client(base_url=f"{base_url}/_sim/", timeout=60, trust_env=False)

    def __enter__(self) -> Self:
        """Talk until the block ends."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Hang up."""
        self._client.close()

    def truth(self, entity: str) -> dict[str, TrueRecord]:
        """Return every live record of an entity by id, in the order of ids."""
        return parse_truth(self._call("GET", "truth", params={"entity": entity}).content)

    def counts(self) -> dict[str, int]:
        """Return how many records live, by entity."""
        counts: dict[str, int] = self._call("GET", "counts").json()
        return counts

    def requests(self) -> list[Json]:
        """Return the request log: sequence, method, path, query, status, count, digest, at_seconds, rate."""
        logged: list[Json] = self._call("GET", "requests").json()
        return logged

    def window_uses(self) -> list[WindowUse]:
        """Return how full each window of the limit was, and what came beyond it."""
        return read_window_uses(self.requests())

    def clear_requests(self) -> None:
        """Forget the request log and count from one again."""
        self._call("DELETE", "requests")

    def create(self, entity: str, attributes: Json | None = None, relationships: Json | None = None) -> str:
        """Let a record come, and give its id."""
        body = {"entity": entity, "attributes": attributes or {}, "relationships": relationships or {}}
        return str(self._call("POST", "create", json=body).json()["id"])

    def change(
        self,
        entity: str,
        identity: str,
        attributes: Json | None = None,
        relationships: Json | None = None,
        *,
        touch: bool = True,
    ) -> None:
        """Let a record change; without ``touch`` its stamps stay, as with the blind spots."""
        body = {"entity": entity, "id": identity, "attributes": attributes or {}, "touch": touch}
        self._call("POST", "change", json=body | {"relationships": relationships or {}})

    def delete(self, entity: str, identity: str) -> None:
        """Let a record go, and what cannot be without it."""
        self._call("POST", "delete", json={"entity": entity, "id": identity})

    def merge(self, keep: str, remove: str) -> None:
        """Let one person become part of another."""
        self._call("POST", "merge", json={"keep": keep, "remove": remove})

    def move(self, entity: str, identity: str, relationship: str, to: str | None, *, touch: bool = True) -> None:
        """Let a record belong to another one: ``move("person", "1", "households", "2")``."""
        body = {"entity": entity, "id": identity, "relationship": relationship, "to": to, "touch": touch}
        self._call("POST", "move", json=body)

    def random(self, changes: int, seed: int = 1) -> list[str]:
        """Let so many things happen, and give what they were."""
        done: list[str] = self._call("POST", "random", json={"changes": changes, "seed": seed}).json()["done"]
        return done

    def script(self, parts: dict[int, list[Json]]) -> None:
        """Let actions happen just before the n-th request from now on is answered.

        An action is ``{"do": "change", …}`` with the names of the method of that name:
        ``{3: [{"do": "delete", "entity": "email", "id": "12"}]}``.
        """
        body = [{"at_request": place, "actions": actions} for place, actions in parts.items()]
        self._call("POST", "script", json=body)

    def fault(self, *faults: Fault) -> None:
        """Arm faults; their counts start now."""
        self._call("POST", "faults", json=[fault.model_dump(mode="json") for fault in faults])

    def armed_faults(self) -> list[Json]:
        """Return what is armed, each with how many requests it saw and hit."""
        armed: list[Json] = self._call("GET", "faults").json()["armed"]
        return armed

    def clear_faults(self) -> None:
        """Leave no fault."""
        self._call("DELETE", "faults")

    def set_rate(self, rate: str) -> None:
        """Set the limit, ``100/20`` or ``off``, and count from nothing; fault ``rate`` goes on counting."""
        self._call("POST", "rate", json={"rate": rate})

    def set_latency(self, latency_ms: int) -> None:
        """Let every answer take so much longer."""
        self._call("POST", "latency", json={"latency_ms": latency_ms})

    def ignore(self, *ignored: Ignored) -> None:
        """Heed these parameters no more, and all others again; without any, heed them all."""
        self._call("POST", "ignored", json=[one.model_dump(mode="json") for one in ignored])

    def answer_for(self, seed: int | None, people: int = 20, at_request: int = 1) -> str:
        """Answer for another church from some request on, and return its organization's id.

        Any credential is then answered with that church's records; without a seed the simulator's own
        church answers again.
        """
        body = {"seed": seed, "people": people, "at_request": at_request}
        return str(self._call("POST", "answer_for", json=body).json()["organization"])

    def trouble(self, trouble: WebhookTrouble) -> None:
        """Do this to the webhook events that come from now on."""
        self._call("POST", "webhooks", json=trouble.model_dump(mode="json"))

    def reset_webhooks(self) -> None:
        """Leave no subscription, no logged delivery, and no trouble but that of the settings."""
        self._call("DELETE", "webhooks")

    def set_webhook_retry_scale(self, retry_scale: float) -> None:
        """Multiply the waits before deliveries are tried again, of which the first is 30 s."""
        self._call("POST", "webhooks/retry_scale", json={"retry_scale": retry_scale})

    def webhooks(self) -> dict[str, int]:
        """Count what is pending, hidden, the events and attempts so far, and the active subscriptions."""
        counts: dict[str, int] = self._call("GET", "webhooks").json()
        return counts

    def deliveries(self) -> list[Json]:
        """Return every attempt: subscription, name, uuids, attempt, is_repeated, url, status, at_seconds."""
        logged: list[Json] = self._call("GET", "webhooks/deliveries").json()
        return logged

    def clear_deliveries(self) -> None:
        """Forget the attempts so far."""
        self._call("DELETE", "webhooks/deliveries")

    def show_hidden(self) -> None:
        """Show now what was announced before the API showed it."""
        self._call("POST", "webhooks/show")

    def wait_delivered(self, timeout_seconds: float = 10) -> None:
        """Return once nothing waits to be delivered and no new record is hidden.

        Raises:
            UsageError: That is not so in time.
        """
        deadline = time.monotonic() + timeout_seconds
        while (counts := self.webhooks())["pending"] or counts["hidden"]:
            if time.monotonic() > deadline:
                raise UsageError(f"after {timeout_seconds} s there still is to come: {counts}")
            time.sleep(_POLL_SECONDS)  # the simulator is another process and tells nobody when it is done

    def oauth(self) -> Json:
        """Return all grants, every use of a refresh token, and how many were spent twice."""
        found: Json = self._call("GET", "oauth").json()
        return found

    def behave(self, behaviour: OAuthBehaviour) -> None:
        """Let the OAuth server behave so from now on."""
        self._call("POST", "oauth", json=behaviour.model_dump(mode="json"))

    def issue_tokens(self, *scopes: str, count: int = 1) -> list[Json]:
        """Let so many people agree, and give the answers of the token endpoint, each with its grant's number."""
        issued: list[Json] = self._call("POST", "oauth/issue", json={"scopes": scopes, "count": count}).json()
        return issued

    def revoke_grants(self, grants: list[int] | None = None) -> None:
        """Let grants be gone, by number or all."""
        self._call("POST", "oauth/revoke", json={"grants": grants})

    def expire_tokens(self) -> None:
        """Let every access token be past its end."""
        self._call("POST", "oauth/expire")

    def set_scopes(self, grant: int, *scopes: str) -> None:
        """Let a grant hold for other scopes."""
        self._call("POST", "oauth/scopes", json={"grant": grant, "scopes": scopes})

    def clear_oauth(self) -> None:
        """Leave no grant and no token, and behave as usual."""
        self._call("DELETE", "oauth")

    def _call(self, method: str, name: str, **options: Any) -> httpx.Response:
        answer = self._client.request(method, name, **options)
        if answer.status_code != httpx.codes.OK:
            raise UsageError(f"the simulator refused {method} {name}: {answer.json()['error']}")
        return answer
