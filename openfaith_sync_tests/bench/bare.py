"""The yardstick: a bare script that does what the plain bench does, with no law kept.

httpx, one page after the other, COPY into a temporary table, upsert, commit. How fast a
machine is today shows in this; how fast the engine is, in its share of it.
``python -m … bare JSON`` prints its figures as JSON.
"""

import json
import resource
import sys
import time
from typing import Any

import httpx
import orjson
import psycopg

from openfaith_sync_tests.bench.measured import figures

TABLES = """
CREATE SCHEMA IF NOT EXISTS bare;
CREATE TABLE IF NOT EXISTS bare.records (
  org text, entity text, id text, updated_at timestamptz, attributes jsonb NOT NULL, PRIMARY KEY (org, entity, id));
CREATE TEMPORARY TABLE page (id text, updated_at timestamptz, attributes jsonb) ON COMMIT DELETE ROWS;
"""
UPSERT = """
INSERT INTO bare.records AS held SELECT %s, %s, * FROM page
ON CONFLICT (org, entity, id) DO UPDATE
SET updated_at = EXCLUDED.updated_at, attributes = EXCLUDED.attributes WHERE held.updated_at < EXCLUDED.updated_at
"""


def measure(job: dict[str, Any]) -> dict[str, Any]:
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    records = requests = 0
    spent = {"network": 0.0, "mapping": 0.0, "database": 0.0}
    with httpx.Client(auth=("demo", "demo")) as client, psycopg.connect(job["database_url"]) as connection:
        connection.execute(TABLES)
        connection.commit()
        for entity, url in job["listings"].items():
            offset: int | None = 0
            while offset is not None:
                asked = time.perf_counter()
                answer = client.get(url, params={"per_page": 100, "offset": offset}).raise_for_status()
                came = time.perf_counter()
                body = orjson.loads(answer.content)
                rows = [
                    (found["id"], found["attributes"]["updated_at"], orjson.dumps(found["attributes"]).decode())
                    for found in body["data"]
                ]
                made = time.perf_counter()
                with connection.cursor() as cursor:
                    with cursor.copy("COPY page FROM STDIN") as copy:
                        for row in rows:
                            copy.write_row(row)
                    cursor.execute(UPSERT, (job["org"], entity))
                connection.commit()
                stored = time.perf_counter()
                spent["network"] += came - asked
                spent["mapping"] += made - came
                spent["database"] += stored - made
                records += len(rows)
                requests += 1
                offset = body["meta"].get("next", {}).get("offset")
    return figures(before, time.perf_counter() - began, records, requests, spent)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measure(json.loads(sys.argv[1]))))
