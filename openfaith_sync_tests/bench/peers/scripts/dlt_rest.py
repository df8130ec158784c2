"""dlt's REST API source as its documentation shows it: a declaration, merged on the primary key, incremental.

``python dlt_rest.py JOB``: the job as JSON.
"""

import json
import sys

import dlt
from church import CHILDREN, COLUMNS, PAGE, TABLES, flat
from dlt.sources.rest_api import RESTAPIConfig, rest_api_source

FIRST = "1970-01-01T00:00:00Z"


def table_of(row: dict) -> str:
    return TABLES[row["wire_type"]]


def flat_with_type(item: dict) -> dict:
    return {**flat(item), "wire_type": item["type"]}


def listed(name: str, *, is_first: bool, is_only_changes: bool) -> dict:
    """Return the resource that lists one path; a listing of changes begins with the newest and ends at the last one."""
    order = {"order": "-updated_at"} if is_only_changes else {}
    row_order = {"row_order": "desc"} if is_only_changes else {}
    incremental = {"incremental": {"cursor_path": "updated_at", "initial_value": FIRST, **row_order}}
    return {
        "name": name,
        "endpoint": {
            "path": name,
            "params": {"per_page": PAGE, **order},
            **(incremental if is_first or is_only_changes else {}),
        },
        "processing_steps": [{"map": flat}],
    }


def with_children(*, is_first: bool, is_only_changes: bool) -> dict:
    """Return the resource that lists people and sends what their pages include to tables of their own.

    The source filters, since a child that did not change would end a listing that begins with the newest.
    """
    since = {"where[updated_at][gte]": "{incremental.start_value}"} if is_only_changes else {}
    resource = listed("people", is_first=is_first or is_only_changes, is_only_changes=False)
    resource["endpoint"]["params"] |= {"include": CHILDREN, **since}
    resource["endpoint"]["data_selector"] = "(data | included)[*]"
    return {**resource, "table_name": table_of, "processing_steps": [{"map": flat_with_type}]}


def main() -> None:
    job = json.loads(sys.argv[1])
    how = {name: job[name] for name in ("is_first", "is_only_changes")}
    resources = [with_children(**how)] if job["is_included"] else [listed(name, **how) for name in COLUMNS]
    config: RESTAPIConfig = {
        "client": {
            "base_url": f"{job['base_url']}/people/v2/",
            "auth": {"type": "http_basic", "username": "demo", "password": "demo"},
            "paginator": {"type": "json_link", "next_url_path": "links.next"},
        },
        "resource_defaults": {
            "primary_key": "id",
            "write_disposition": "merge",
            "endpoint": {"data_selector": "data"},
        },
        "resources": resources,
    }
    pipeline = dlt.pipeline(
        pipeline_name="church",
        pipelines_dir=job["folder"],
        destination=dlt.destinations.postgres(job["database_url"]),
        dataset_name="church",
    )
    pipeline.run(rest_api_source(config, parallelized=True))


if __name__ == "__main__":
    main()
