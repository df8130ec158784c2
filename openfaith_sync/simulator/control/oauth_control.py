"""The OAuth part of the control surface."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, Field

from openfaith_sync.domain.errors import UsageError
from openfaith_sync.simulator.auth.oauth import OAuthBehaviour, OAuthServer


class _Issue(BaseModel):
    scopes: list[str]
    count: int = Field(default=1, ge=1)


class _Revoke(BaseModel):
    grants: list[int] | None = None


class _Scopes(BaseModel):
    grant: int
    scopes: list[str]


def oauth_routes(oauth: OAuthServer) -> Mapping[tuple[str, str], Callable[[Any], Any]]:
    """Return the routes below ``/_sim/oauth``."""
    grants = oauth.grants

    def issue(body: Any) -> list[dict[str, Any]]:
        """Return the tokens of new grants, as if that many people had consented."""
        wanted = _Issue.model_validate(body)
        new_grants = [grants.agree(wanted.scopes) for _ in range(wanted.count)]
        return [grants.issue(grant) | {"grant": grant.number} for grant in new_grants]

    def set_scopes(body: Any) -> None:
        wanted = _Scopes.model_validate(body)
        if wanted.grant not in grants.grants:
            raise UsageError(f"there is no grant {wanted.grant}")
        grants.set_scopes(wanted.grant, wanted.scopes)

    def clear(_: Any) -> None:
        grants.clear()
        oauth.set_behaviour(OAuthBehaviour())

    return {
        ("GET", "oauth"): lambda _: grants.as_json(),
        ("DELETE", "oauth"): clear,
        ("POST", "oauth"): lambda body: oauth.set_behaviour(OAuthBehaviour.model_validate(body)),
        ("POST", "oauth/issue"): issue,
        ("POST", "oauth/revoke"): lambda body: {"revoked": grants.revoke(_Revoke.model_validate(body).grants)},
        ("POST", "oauth/expire"): lambda _: grants.expire(),
        ("POST", "oauth/scopes"): set_scopes,
    }
