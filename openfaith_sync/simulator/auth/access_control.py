"""Authenticate requests, count them against the rate limit, and resolve the API version."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.manifest.paging import DeepOffset
from openfaith_sync.simulator.api.responses import SimulatedResponse, error, hint, refused_credentials
from openfaith_sync.simulator.auth.oauth import OAuthServer
from openfaith_sync.simulator.settings.rate_limit import RateRule, RateWindows, WindowCount
from openfaith_sync.simulator.settings.settings import ProductRefusal, SimulatorSettings

_OLDEST_VERSION = "2018-08-01"


@dataclass(frozen=True, slots=True)
class Client:
    """An authenticated client."""

    credential: str
    auth_method: str


class AccessControl:
    """Checks the one credential and the tokens of the OAuth server; counts the requests of each."""

    def __init__(self, manifest: Manifest, settings: SimulatorSettings, oauth: OAuthServer) -> None:
        """Accept the pair as Basic, its secret as a Bearer token, and tokens that were issued."""
        application_id, secret = settings.application_id, settings.secret
        pair = base64.b64encode(f"{application_id}:{secret}".encode()).decode()
        self._methods = {f"Basic {pair}": "HTTPBasic", f"Bearer {secret}": "OAuth2"}
        self._deep: DeepOffset | None = manifest.adapter_file.paging.deep_offset
        self._windows = RateWindows()
        self.rate = settings.rate
        self._oauth = oauth
        self._paths = {name: product.path for name, product in manifest.adapter_file.products.items() if product.path}
        self.refuse_products(settings.refused_products)

    def refuse_products(self, refused: Mapping[str, ProductRefusal]) -> None:
        """Refuse these products of the manifest from now on, and no others.

        Raises:
            UsageError: The manifest has no product of that name.
        """
        unknown = sorted(set(refused) - set(self._paths))
        if unknown:
            raise UsageError(f"there is no product {', '.join(unknown)}; the known ones: {', '.join(self._paths)}")
        self._refused = {self._paths[name]: refusal for name, refusal in refused.items()}

    def set_rate(self, rate: RateRule | None) -> None:
        """Set another limit and discard the counts."""
        self.rate = rate
        self._windows.clear()

    def authenticate(self, authorization: str, path: str) -> Client | SimulatedResponse:
        """Return the authenticated client, or the response to an invalid credential or a product out of its reach."""
        client = self._authenticate(authorization, path)
        refusal = self._refused.get("/".join(path.split("/")[:3])) if isinstance(client, Client) else None
        if refusal is None:
            return client
        return error(int(refusal)) if refusal.isdecimal() else hint(refusal)

    def _authenticate(self, authorization: str, path: str) -> Client | SimulatedResponse:
        method = self._methods.get(authorization)
        if method is not None:
            return Client(authorization, method)
        kind, _, token = authorization.partition(" ")
        if kind != "Bearer":
            return refused_credentials()
        grant = self._oauth.check_token(token, path)
        # The limit belongs to the person, not the token: a new token brings no new requests.
        return grant if isinstance(grant, SimulatedResponse) else Client(f"grant {grant}", "OAuth2")

    def count(self, client: Client, offset: int, at_seconds: float) -> WindowCount | None:
        """Count a request against the limit; nothing without limits.

        Return the count of the stricter limit if that one refuses.
        """
        if self.rate is None:
            return None
        window_count = self._windows.count(client.credential, self.rate, at_seconds)
        if self._deep is not None and offset > self._deep.above and not window_count.is_refused:
            rule = RateRule(self._deep.requests, self._deep.period_seconds)
            # Deep offsets share a window of their own, in addition to the usual one.
            deep = self._windows.count(f"deep {client.credential}", rule, at_seconds)
            return deep if deep.is_refused else window_count
        return window_count


def resolve_version(requested: str, newest: str) -> str | None:
    """Return the version that serves the request: the newest one up to it; nothing if it is not a version."""
    if requested in ("", "LATEST"):
        return newest
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", requested) is None or requested < _OLDEST_VERSION:
        return None
    return min(requested, newest)
