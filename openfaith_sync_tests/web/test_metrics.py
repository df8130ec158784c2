"""What Prometheus is told: the state of all orgs, what was done, and nothing that names an org."""

import re
from collections.abc import Mapping
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from openfaith_sync.store.database.database import Database
from openfaith_sync.store.schema.revision import HEAD
from openfaith_sync_tests.store.making import fetch, run
from openfaith_sync_tests.web.conftest import Send
from openfaith_sync_tests.web.making import ORG, body, part, subscribe
from openfaith_sync_tests.web.receiver import Receiver, running_receiver

PROJECT = Path(__file__).parents[2]
CHURCHES = 20
FILL = f"""
INSERT INTO sync.connections (org_id, adapter, base_url, auth_method, secret, status, created_at)
SELECT 'church-' || n, 'pco', 'https://example.org', 'basic', '', CASE WHEN n = 1 THEN 'reconnect_needed' ELSE 'active'
  END, now() - interval '1 day' FROM generate_series(1, {CHURCHES}) AS n;
INSERT INTO sync.checkpoints (org_id, adapter, entity, checked_at)
SELECT 'church-' || n, 'pco', 'person', now() - n * interval '1 minute' FROM generate_series(2, {CHURCHES - 1}) AS n;
INSERT INTO sync.dead_letters (org_id, adapter, entity, external_id, raw, field, value_type, reason, manifest_version)
SELECT 'church-' || n, 'pco', 'person', '7', '{{}}', 'name', 'string', 'no name', 'm1' FROM generate_series(2, 4) AS n;
INSERT INTO sync.webhook_events (org_id, adapter, event_id, name, entity, external_id, action, payload, received_at)
VALUES ('church-2', 'pco', 'e-1', 'x', 'person', '1', 'updated', '{{}}', now() - interval '90 seconds');
INSERT INTO sync.passes (org_id, adapter, entity, mode, trigger, manifest_version, status, started_at)
VALUES ('church-2', 'pco', 'person', 'full', 'test', 'm1', 'open', now());
"""
ENDED = """
INSERT INTO sync.passes (org_id, adapter, entity, mode, trigger, manifest_version, status, created, unchanged, requests,
                         started_at, ended_at)
SELECT 'church-2', 'pco', 'person', 'delta', 'test', 'm1', 'complete', 3, 4, 5, ended - interval '2 seconds', ended
FROM (SELECT now() - interval '4 seconds' AS ended) AS just
"""
TABLES = ("checkpoints", "dead_letters", "webhook_events", "passes", "connections")

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(receiver: Receiver, **headers: str) -> str:
    answer = httpx.get(f"{receiver.url}/metrics", headers=headers, trust_env=False)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return answer.text


def samples(text: str) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(found: Samples, name: str, **labels: str) -> float:
    return found[name, frozenset(labels.items())]


@pytest.fixture
def filled(stored: Database) -> Database:
    for table in TABLES:
        run(stored, f"DELETE FROM sync.{table}")
    run(stored, FILL)
    return stored


def test_the_state_of_all_orgs_and_what_they_did(filled: Database) -> None:
    with running_receiver(filled, {"metrics_seconds": 0}) as receiver:
        text = scrape(receiver)
        found = samples(text)
        assert value(found, "openfaith_database_up") == 1
        assert value(found, "openfaith_connections", adapter="pco", status="active") == CHURCHES - 1
        assert value(found, "openfaith_connections", adapter="pco", status="reconnect_needed") == 1
        assert value(found, "openfaith_dead_letters", adapter="pco", entity="person") == 3
        assert value(found, "openfaith_open_passes", adapter="pco", mode="full") == 1
        assert value(found, "openfaith_inbox_events", adapter="pco") == 1
        assert 90 <= value(found, "openfaith_inbox_oldest_seconds", adapter="pco") < 600
        half = value(found, "openfaith_freshness_seconds", adapter="pco", quantile="0.5")
        assert 11 * 60 <= half < 20 * 60
        # The one that was never asked counts from the day it was connected.
        assert value(found, "openfaith_freshness_seconds", adapter="pco", quantile="1") >= 24 * 3600
        assert "church-" not in text, "labels that grow with the number of orgs"
        assert "openfaith_passes_total" not in {name for name, _ in found}

        # As seen by the next scrape: what ended since the one before, once.
        run(filled, ENDED)
        done = {"adapter": "pco", "mode": "delta"}
        while "openfaith_passes_total" not in {name for name, _ in found}:
            fetch(filled, "SELECT pg_sleep(0.05)")
            found = samples(scrape(receiver))
        for again in (found, samples(scrape(receiver))):
            assert value(again, "openfaith_passes_total", **done, status="complete") == 1
            assert value(again, "openfaith_requests_total", **done) == 5
            assert value(again, "openfaith_pass_seconds_total", **done) == 2
            created = {"adapter": "pco", "entity": "person", "change": "created"}
            assert value(again, "openfaith_records_total", **created) == 3


def test_deliveries_are_counted_and_each_is_logged(receiver: Receiver, stored: Database, send: Send) -> None:
    subscribe(stored)
    before = samples(scrape(receiver))
    assert send(body(part("e-1"), part("e-2"))).status_code == 200
    assert send(body(part("e-3")), secret="another").status_code == 401
    with running_receiver(stored, {"metrics_seconds": 0}) as other:
        assert not [name for name, _ in samples(scrape(other)) if name == "openfaith_deliveries_total"]
    log = (stored.keys.home / "receiver.log").read_text()
    assert f"stored a delivery of {ORG}/pco with 2 event(s)" in log
    assert "refused a delivery without a valid signature" in log
    after = samples(scrape(receiver))
    for outcome in ("stored", "refused"):
        key = ("openfaith_deliveries_total", frozenset({("outcome", outcome)}))
        assert after[key] == before.get(key, 0) + 1


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via"])
def test_who_comes_through_a_proxy_is_told_nothing(receiver: Receiver, header: str) -> None:
    answer = httpx.get(f"{receiver.url}/metrics", headers={header: "for=1.2.3.4"}, trust_env=False)
    assert (answer.status_code, answer.content) == (404, b"")


def test_it_is_ready_while_the_database_has_the_tables_of_this_version(stored: Database, receiver: Receiver) -> None:
    ready = httpx.get(f"{receiver.url}/ready", trust_env=False)
    assert (ready.status_code, ready.json()) == (200, {"database": "reachable"})
    run(stored, "UPDATE sync.alembic_version SET version_num = 'next'")
    try:
        while (ready := httpx.get(f"{receiver.url}/ready", trust_env=False)).status_code == 200:
            fetch(stored, "SELECT pg_sleep(0.1)")
        assert (ready.status_code, ready.json()) == (503, {"database": "another revision"})
        assert httpx.get(f"{receiver.url}/health", trust_env=False).json() == {"database": "reachable"}
    finally:
        fetch(stored, "UPDATE sync.alembic_version SET version_num = %s RETURNING 1", HEAD)
    while httpx.get(f"{receiver.url}/ready", trust_env=False).status_code != 200:
        fetch(stored, "SELECT pg_sleep(0.1)")


def test_the_dashboard_and_the_documentation_name_the_metrics_that_there_are(filled: Database) -> None:
    run(filled, ENDED)
    with running_receiver(filled) as receiver:
        exported = {family.name for family in text_string_to_metric_families(scrape(receiver))}
        exported |= {f"{name}_total" for name in exported}
    for path in ("deploy/grafana/openfaith-sync.json", "docs/monitoring.md"):
        named = set(re.findall(r"\bopenfaith_[a-z_]+\b", (PROJECT / path).read_text()))
        assert named - exported == set(), path
    documented = set(re.findall(r"\bopenfaith_[a-z_]+\b", (PROJECT / "docs/monitoring.md").read_text()))
    assert {name for name in exported if not name.endswith("_total")} <= {
        name.removesuffix("_total") for name in documented
    }
