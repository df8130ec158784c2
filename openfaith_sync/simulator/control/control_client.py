"""A client of the control surface, for tests, the demonstration and benchmarks."""

import ssl
import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

import httpx

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.api.ignored_parameters import IgnoredParameters
from openfaith_sync.simulator.auth.oauth import OAuthBehaviour
from openfaith_sync.simulator.control.request_log import WindowUse, read_window_uses
from openfaith_sync.simulator.data.ground_truth import TrueRecord, parse_truth
from openfaith_sync.simulator.settings.delivery_faults import DeliveryFaults
from openfaith_sync.simulator.settings.faults import Fault
from openfaith_sync.simulator.settings.settings import ProductRefusal

Json = dict[str, Any]
_POLL_SECONDS = 0.01
# The simulator speaks plain HTTP; to load certificates that nobody will show takes 25 ms.
_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


class ControlClient:
    """Calls ``/_sim/`` of a simulator; an error response raises UsageError."""

    def __init__(self, base_url: str) -> None:
        """Connect to the simulator at this URL."""
        self.base_url = base_url
        self._client = httpx.Client(base_url=f"{base_url}/_sim/", timeout=60, trust_env=False, verify=_NOBODY)

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Close the connection."""
        self._client.close()

    def truth(self, entity: str) -> dict[str, TrueRecord]:
        """Return every live record of an entity by id, ordered by id."""
        return parse_truth(self._call("GET", "truth", params={"entity": entity}).content)

    def counts(self) -> dict[str, int]:
        """Return the number of live records by entity."""
        counts: dict[str, int] = self._call("GET", "counts").json()
        return counts

    def requests(self) -> list[Json]:
        """Return the request log: sequence, method, path, query, status, count, digest, at_seconds, rate."""
        logged: list[Json] = self._call("GET", "requests").json()
        return logged

    def window_uses(self) -> list[WindowUse]:
        """Return how many requests each window of the rate limit saw, and how many exceeded it."""
        return read_window_uses(self.requests())

    def clear_requests(self) -> None:
        """Clear the request log and restart its numbering."""
        self._call("DELETE", "requests")

    def create(self, entity: str, attributes: Json | None = None, relationships: Json | None = None) -> str:
        """Create a record and return its id."""
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
        """Change a record; without ``touch`` its timestamps stay, as with changes the source does not stamp."""
        body = {"entity": entity, "id": identity, "attributes": attributes or {}, "touch": touch}
        self._call("POST", "change", json=body | {"relationships": relationships or {}})

    def delete(self, entity: str, identity: str) -> None:
        """Delete a record and whatever cannot exist without it."""
        self._call("POST", "delete", json={"entity": entity, "id": identity})

    def merge(self, keep: str, remove: str) -> None:
        """Merge one person into another."""
        self._call("POST", "merge", json={"keep": keep, "remove": remove})

    def move(self, entity: str, identity: str, relationship: str, to: str | None, *, touch: bool = True) -> None:
        """Make a record belong to another one: ``move("person", "1", "households", "2")``."""
        body = {"entity": entity, "id": identity, "relationship": relationship, "to": to, "touch": touch}
        self._call("POST", "move", json=body)

    def act(self, action: str, **parameters: Any) -> Json:
        """Do what a church does in one of its apps, and return the ids: ``act("refund", donation="12", cents=500)``.

        The actions and their parameters are those of ``simulator/life/``.
        """
        done: Json = self._call("POST", "act", json={"action": action, "parameters": parameters}).json()
        return done

    def random(self, changes: int, seed: int = 1) -> list[str]:
        """Make this many random changes, and return what they were."""
        done: list[str] = self._call("POST", "random", json={"changes": changes, "seed": seed}).json()["done"]
        return done

    def script(self, steps: dict[int, list[Json]]) -> None:
        """Apply actions just before the n-th request from now is answered.

        An action is ``{"do": "change", …}`` with the parameters of the method of that name:
        ``{3: [{"do": "delete", "entity": "email", "id": "12"}]}``.
        """
        body = [{"at_request": place, "actions": actions} for place, actions in steps.items()]
        self._call("POST", "script", json=body)

    def fault(self, *faults: Fault) -> None:
        """Arm faults; their counts start now."""
        self._call("POST", "faults", json=[fault.model_dump(mode="json") for fault in faults])

    def armed_faults(self) -> list[Json]:
        """Return the armed faults, each with how many requests it has seen and hit."""
        armed: list[Json] = self._call("GET", "faults").json()["armed"]
        return armed

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._call("DELETE", "faults")

    def set_rate(self, rate: str) -> None:
        """Set the limit, ``100/20`` or ``off``, and discard the counts; fault ``rate`` keeps them."""
        self._call("POST", "rate", json={"rate": rate})

    def set_latency(self, latency_ms: int) -> None:
        """Delay every response by this long."""
        self._call("POST", "latency", json={"latency_ms": latency_ms})

    def refuse_products(self, refused: Mapping[str, ProductRefusal]) -> None:
        """Refuse these products of the manifest, and no others: ``{"giving": "TRASH_PANDA"}``."""
        self._call("POST", "products", json=dict(refused))

    def ignore(self, *ignored: IgnoredParameters) -> None:
        """Ignore these parameters and no others; without any, ignore none."""
        self._call("POST", "ignored", json=[one.model_dump(mode="json") for one in ignored])

    def answer_for(self, seed: int | None, people: int = 20, at_request: int = 1) -> str:
        """Answer for another church from some request on, and return its organization's id.

        Any credential then reads that church's records; without a seed, the simulator's own church answers again.
        """
        body = {"seed": seed, "people": people, "at_request": at_request}
        return str(self._call("POST", "answer_for", json=body).json()["organization"])

    def set_delivery_faults(self, faults: DeliveryFaults) -> None:
        """Apply these faults to webhook events from now on."""
        self._call("POST", "webhooks", json=faults.model_dump(mode="json"))

    def reset_webhooks(self) -> None:
        """Remove all subscriptions and logged deliveries, and restore the faults of the settings."""
        self._call("DELETE", "webhooks")

    def set_webhook_retry_scale(self, retry_scale: float) -> None:
        """Multiply the waits between delivery attempts, the first of which is 30 s."""
        self._call("POST", "webhooks/retry_scale", json={"retry_scale": retry_scale})

    def webhooks(self) -> dict[str, int]:
        """Return the counts of pending, hidden, events, attempts and active subscriptions."""
        counts: dict[str, int] = self._call("GET", "webhooks").json()
        return counts

    def deliveries(self) -> list[Json]:
        """Return every attempt: subscription, name, uuids, attempt, is_repeated, url, status, at_seconds."""
        logged: list[Json] = self._call("GET", "webhooks/deliveries").json()
        return logged

    def show_hidden(self) -> None:
        """Show all hidden records now."""
        self._call("POST", "webhooks/show")

    def wait_delivered(self, timeout_seconds: float = 10) -> None:
        """Wait until no delivery is pending and no new record is hidden.

        Raises:
            UsageError: The timeout passed first.
        """
        deadline = time.monotonic() + timeout_seconds
        while (counts := self.webhooks())["pending"] or counts["hidden"]:
            if time.monotonic() > deadline:
                raise UsageError(f"after {timeout_seconds} s these are still outstanding: {counts}")
            time.sleep(_POLL_SECONDS)  # the simulator is another process and cannot notify us

    def oauth(self) -> Json:
        """Return all grants, every use of a refresh token, and how many were used twice."""
        grants: Json = self._call("GET", "oauth").json()
        return grants

    def set_oauth_behaviour(self, behaviour: OAuthBehaviour) -> None:
        """Set how the OAuth server behaves from now on."""
        self._call("POST", "oauth", json=behaviour.model_dump(mode="json"))

    def issue_tokens(self, *scopes: str, count: int = 1) -> list[Json]:
        """Create this many grants, and return the token endpoint's response for each, with the grant's number."""
        issued: list[Json] = self._call("POST", "oauth/issue", json={"scopes": scopes, "count": count}).json()
        return issued

    def revoke_grants(self, grants: list[int] | None = None) -> None:
        """Revoke grants, by number or all of them."""
        self._call("POST", "oauth/revoke", json={"grants": grants})

    def expire_tokens(self) -> None:
        """Expire every access token."""
        self._call("POST", "oauth/expire")

    def set_scopes(self, grant: int, *scopes: str) -> None:
        """Change the scopes of a grant."""
        self._call("POST", "oauth/scopes", json={"grant": grant, "scopes": scopes})

    def clear_oauth(self) -> None:
        """Remove all grants and tokens, and restore the default behaviour."""
        self._call("DELETE", "oauth")

    def _call(self, method: str, name: str, **options: Any) -> httpx.Response:
        response = self._client.request(method, name, **options)
        if response.status_code != httpx.codes.OK:
            raise UsageError(f"the simulator rejected {method} {name}: {response.json()['error']}")
        return response
