"""Turns a connection's credentials into what a request carries."""

import base64

from openfaith_sync.domain.connection import Credentials


def authorization(credentials: Credentials) -> str:
    """Give the Authorization header of these credentials (RFC 7617 for Basic)."""
    pair = f"{credentials.application_id}:{credentials.secret}"
    return "Basic " + base64.b64encode(pair.encode()).decode()
