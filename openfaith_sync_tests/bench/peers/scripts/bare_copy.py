"""The bare script: httpx with pages in flight, one COPY a stream into a temporary table, one upsert. No law kept.

``python bare_copy.py JOB``: the job as JSON.
"""

import json
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import orjson
import psycopg
from church import CHILDREN, COLUMNS, IN_FLIGHT, PAGE, REFERENCES, TABLES

PREPARE = """
CREATE TABLE IF NOT EXISTS {name} (
  id text PRIMARY KEY, updated_at timestamptz, belongs_to text, attributes jsonb NOT NULL);
CREATE TEMPORARY TABLE fresh_{name} (LIKE {name})
"""
UPSERT = """
INSERT INTO {name} AS held SELECT * FROM fresh_{name}
ON CONFLICT (id) DO UPDATE
SET updated_at = EXCLUDED.updated_at, belongs_to = EXCLUDED.belongs_to, attributes = EXCLUDED.attributes
WHERE (held.updated_at, held.belongs_to, held.attributes)
  IS DISTINCT FROM (EXCLUDED.updated_at, EXCLUDED.belongs_to, EXCLUDED.attributes)
"""
NEWEST = "SELECT to_char(max(updated_at) AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM {name}"


def row(item: dict) -> tuple:
    attributes = item["attributes"]
    to = item["relationships"][REFERENCES[TABLES[item["type"]]]]["data"]
    return item["id"], attributes["updated_at"], to and to["id"], orjson.dumps(attributes).decode()


class Listing:
    """One path of the source."""

    def __init__(self, client: httpx.Client, name: str, parameters: dict) -> None:
        self._client, self._path = client, f"/people/v2/{name}"
        self._parameters = {"per_page": PAGE, **parameters}

    def read(self, offset: int) -> dict:
        answer = self._client.get(self._path, params={**self._parameters, "offset": offset})
        return orjson.loads(answer.raise_for_status().content)

    def all(self, pool: ThreadPoolExecutor) -> Iterator[dict]:
        first = self.read(0)
        yield first
        yield from pool.map(self.read, range(PAGE, first["meta"]["total_count"], PAGE))

    def newer(self, newest: str) -> Iterator[dict]:
        self._parameters["order"] = "-updated_at"
        offset: int | None = 0
        while offset is not None:
            page = self.read(offset)
            yield page
            is_past = not page["data"] or page["data"][-1]["attributes"]["updated_at"] < newest
            offset = None if is_past else page["meta"].get("next", {}).get("offset")


def main() -> None:
    job = json.loads(sys.argv[1])
    listed = {"people": {"include": CHILDREN}} if job["is_included"] else {name: {} for name in COLUMNS}
    with (
        httpx.Client(auth=("demo", "demo"), base_url=job["base_url"], trust_env=False) as client,
        ThreadPoolExecutor(IN_FLIGHT) as pool,
    ):
        for name, parameters in listed.items():
            tables = list(COLUMNS) if job["is_included"] else [name]
            with ExitStack() as stack:
                connections = {one: stack.enter_context(psycopg.connect(job["database_url"])) for one in tables}
                for one, connection in connections.items():
                    connection.execute(PREPARE.format(name=one))
                found = connections[name].execute(NEWEST.format(name=name)).fetchone()
                newest = found[0] if found and job["is_only_changes"] else None
                listing = Listing(client, name, parameters)
                with ExitStack() as copies:
                    into = {
                        one: copies.enter_context(connection.cursor().copy(f"COPY fresh_{one} FROM STDIN"))
                        for one, connection in connections.items()
                    }
                    for page in listing.newer(newest) if newest else listing.all(pool):
                        for item in (*page["data"], *page.get("included", ())):
                            into[TABLES[item["type"]]].write_row(row(item))
                for one, connection in connections.items():
                    connection.execute(UPSERT.format(name=one))
                    connection.commit()


if __name__ == "__main__":
    main()
