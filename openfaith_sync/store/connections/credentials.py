"""Serialize credentials to a method name and encrypted JSON."""

import json
from datetime import timedelta
from typing import Any

from openfaith_sync.domain.connections.connection import BasicCredentials, BearerToken, Credentials, OAuthTokens
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.store.database.secrets import SecretKeys


def sealed(keys: SecretKeys, credentials: Credentials) -> tuple[str, bytes]:
    """Return the method's name and the encrypted credentials, so that callers never hold the plain text."""
    keys.require()
    method, values = _written(credentials)
    return method, keys.encrypt(values)


def _written(credentials: Credentials) -> tuple[str, bytes]:
    values: dict[str, Any]
    match credentials:
        case BasicCredentials(application_id, secret):
            method, values = "basic", {"application_id": application_id, "secret": secret}
        case BearerToken(token):
            method, values = "bearer", {"token": token}
        case OAuthTokens():
            method, values = (
                "oauth2",
                {
                    "access_token": credentials.access_token,
                    "refresh_token": credentials.refresh_token,
                    "lifetime_seconds": credentials.lifetime.total_seconds(),
                    "scopes": sorted(credentials.scopes),
                },
            )
    return method, json.dumps(values).encode()


def read(method: str, secret: bytes) -> Credentials:
    """Parse serialized credentials.

    Raises:
        DefinitionError: A newer version wrote them.
    """
    values: dict[str, Any] = json.loads(secret)
    match method:
        case "basic":
            return BasicCredentials(values["application_id"], values["secret"])
        case "bearer":
            return BearerToken(values["token"])
        case "oauth2":
            lifetime = timedelta(seconds=values["lifetime_seconds"])
            return OAuthTokens(values["access_token"], values["refresh_token"], lifetime, frozenset(values["scopes"]))
        case _:
            raise DefinitionError(f"a connection has the method {method!r}, which this version does not know")
