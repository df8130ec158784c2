"""Credentials that nobody checks."""

from openfaith_sync.adapters.client.auth import Authorization
from openfaith_sync.domain.connections.connection import BasicCredentials, Connection
from openfaith_sync.domain.ids import AdapterName, OrgId


def anybody() -> Authorization:
    credentials = BasicCredentials("anna", "x")
    return Authorization(Connection(OrgId("grace"), AdapterName("pco"), "https://pco.example", credentials))
