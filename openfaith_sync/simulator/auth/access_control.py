"""Reception: what is asked of every request before anything is answered."""

import base64
import re
from dataclasses import dataclass

from openfaith_sync.domain.manifest.adapter_file import DeepOffset
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.api.responses import Answer, refused_credentials
from openfaith_sync.simulator.auth.oauth import OAuthServer
from openfaith_sync.simulator.settings.rate_limit import RateRule, RateWindows, Verdict
from openfaith_sync.simulator.settings.settings import SimulatorSettings

_OLDEST_VERSION = "2018-08-01"


@dataclass(frozen=True, slots=True)
class Guest:
    """Who asks."""

    credential: str
    auth_method: str


class Reception:
    """Knows the one credential, and the tokens of the OAuth server; counts what each asks for."""

    def __init__(self, manifest: Manifest, settings: SimulatorSettings, oauth: OAuthServer) -> None:
        """Accept the pair as Basic, its secret as a Bearer token, and tokens that were granted."""
        application_id, secret = settings.application_id, settings.secret
        pair = base64.b64encode(f"{application_id}:{secret}".encode()).decode()
        self._methods = {f"Basic {pair}": "HTTPBasic", f"Bearer {secret}": "OAuth2"}
        self._deep: DeepOffset | None = manifest.adapter_file.paging.deep_offset
        self._windows = RateWindows()
        self.rate = settings.rate
        self._oauth = oauth

    def set_rate(self, rate: RateRule | None) -> None:
        """Count from nothing by another rule."""
        self.rate = rate
        self._windows.clear()

    def greet(self, authorization: str, path: str) -> Guest | Answer:
        """Return who asks, or the answer to a credential that is wrong."""
        method = self._methods.get(authorization)
        if method is not None:
            return Guest(authorization, method)
        kind, _, token = authorization.partition(" ")
        if kind != "Bearer":
            return refused_credentials()
        found = self._oauth.refusal_of(token, path)
        # The limit is the person's, not the token's: a new token brings no new requests.
        return found if isinstance(found, Answer) else Guest(f"grant {found}", "OAuth2")

    def count(self, guest: Guest, offset: int, at_seconds: float) -> Verdict | None:
        """Count a request; the verdict of the stricter limit when it refuses. Nothing without limits."""
        if self.rate is None:
            return None
        verdict = self._windows.count(guest.credential, self.rate, at_seconds)
        if self._deep is not None and offset > self._deep.above and not verdict.is_refused:
            rule = RateRule(self._deep.requests, self._deep.period_seconds)
            # Deep requests share a window of their own, beside the usual one.
            deep = self._windows.count(f"deep {guest.credential}", rule, at_seconds)
            return deep if deep.is_refused else verdict
        return verdict


def resolve_version(asked: str, newest: str) -> str | None:
    """Return the version that answers: the newest up to the one asked for; nothing when it is no version."""
    if asked in ("", "LATEST"):
        return newest
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", asked) is None or asked < _OLDEST_VERSION:
        return None
    return min(asked, newest)
