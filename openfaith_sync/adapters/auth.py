"""Turns a connection's credentials into what a request carries."""

import base64

from openfaith_sync.domain.connection import BasicCredentials, BearerToken, Credentials, OAuthTokens


def authorization(credentials: Credentials) -> str:
    """Give the Authorization header of these credentials (RFC 7617 for Basic, RFC 6750 for tokens)."""
    match credentials:
        case BasicCredentials(application_id, secret):
            pair = f"{application_id}:{secret}"
            return "Basic " + base64.b64encode(pair.encode()).decode()
        case BearerToken(token) | OAuthTokens(access_token=token):
            return f"Bearer {token}"
