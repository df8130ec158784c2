"""Credentials as what is encrypted: a method's name and JSON."""

import json
from datetime import timedelta
from typing import Any

from openfaith_sync.domain.connections.connection import BasicCredentials, BearerToken, Credentials, OAuthTokens
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.store.database.secrets import SecretKeys


def sealed(keys: SecretKeys, credentials: Credentials) -> tuple[str, bytes]:
    """Return the method's name and the credentials encrypted; what is not stands in no caller's variable."""
    keys.require()
    method, told = _written(credentials)
    return method, keys.encrypt(told)


def _written(credentials: Credentials) -> tuple[str, bytes]:
    told: dict[str, Any]
    match credentials:
        case BasicCredentials(application_id, secret):
            method, told = "basic", {"application_id": application_id, "secret": secret}
        case BearerToken(token):
            method, told = "bearer", {"token": token}
        case OAuthTokens():
            method, told = (
                "oauth2",
                {
                    "access_token": credentials.access_token,
                    "refresh_token": credentials.refresh_token,
                    "lifetime_seconds": credentials.lifetime.total_seconds(),
                    "scopes": sorted(credentials.scopes),
                },
            )
    return method, json.dumps(told).encode()


def read(method: str, secret: bytes) -> Credentials:
    """Return the credentials that were written as this.

    Raises:
        DefinitionError: A newer version wrote them.
    """
    told: dict[str, Any] = json.loads(secret)
    match method:
        case "basic":
            return BasicCredentials(told["application_id"], told["secret"])
        case "bearer":
            return BearerToken(told["token"])
        case "oauth2":
            lifetime = timedelta(seconds=told["lifetime_seconds"])
            return OAuthTokens(told["access_token"], told["refresh_token"], lifetime, frozenset(told["scopes"]))
        case _:
            raise DefinitionError(f"this version does not know the method {method!r} that a connection is stored with")
