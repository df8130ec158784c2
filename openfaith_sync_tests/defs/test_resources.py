"""A run finds the deployment's secrets by the names of environment variables; its configuration holds none of them."""

import json
from pathlib import Path

import dagster as dg
import pytest

from openfaith_sync.defs.resources.database_resource import DatabaseResource, build_database
from openfaith_sync.domain.connections.connection import OAuthClient
from openfaith_sync.domain.connections.deployment_settings import Settings
from openfaith_sync.domain.ids import AdapterName

CLIENT = {"OPENFAITH_PCO_CLIENT_ID": "our-id", "OPENFAITH_PCO_CLIENT_SECRET": "hush"}


def test_a_run_is_the_client_that_the_environment_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Settings] = []

    @dg.asset
    def look(database: DatabaseResource) -> None:
        found.append(database._settings())

    for name, value in CLIENT.items():
        monkeypatch.setenv(name, value)
    settings = Settings.from_environment({**CLIENT, "OPENFAITH_HOME": str(tmp_path)})
    resource = build_database(settings)
    result = dg.materialize([look], resources={"database": resource})
    assert result.success
    assert found[0].oauth_clients == {AdapterName("pco"): OAuthClient("our-id", "hush")}
    told = json.dumps([event.message for event in result.all_events]) + str(result.dagster_run.run_config)
    assert "hush" not in told + repr(settings) + repr(resource)
