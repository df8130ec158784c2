"""A Singer tap as the Meltano SDK's documentation shows it: a REST stream an entity, incremental by ``updated_at``.

``python tap_church.py --config FILE [--state FILE]``. The documentation's way to share a page between streams is a
child stream that is synced once for each parent record.
"""

from collections.abc import Iterable
from typing import Any

import requests
from church import CHILDREN, COLUMNS, PAGE, REFERENCES, flat
from singer_sdk import RESTStream, Tap
from singer_sdk import typing as th
from singer_sdk.authenticators import BasicAuthenticator
from singer_sdk.pagination import BaseOffsetPaginator

TYPES = {
    "boolean": th.BooleanType,
    "integer": th.IntegerType,
    "date": th.DateType,
    "text": th.StringType,
    "timestamp": th.DateTimeType,
    "json": th.ObjectType(th.Property("can_access_workflows", th.BooleanType)),
}


def schema_of(name: str) -> dict:
    columns = [th.Property(column, TYPES[kind]) for column, kind in COLUMNS[name].items()]
    reference = th.Property(f"{REFERENCES[name]}_id", th.StringType)
    return th.PropertiesList(th.Property("id", th.StringType, required=True), *columns, reference).to_dict()


class Offsets(BaseOffsetPaginator):
    """Ends with the listing, or in a listing of changes with the first page that is older than the last sync."""

    def __init__(self, newest: str | None) -> None:
        super().__init__(start_value=0, page_size=PAGE)
        self._newest = newest

    def has_more(self, response: requests.Response) -> bool:
        page = response.json()
        is_past = self._newest and page["data"] and page["data"][-1]["attributes"]["updated_at"] < self._newest
        return "next" in page["meta"] and not is_past


class Entity(RESTStream):
    """One path of the source."""

    primary_keys = ("id",)
    replication_key = "updated_at"
    records_jsonpath = "$.data[*]"

    @property
    def url_base(self) -> str:
        return f"{self.config['base_url']}/people/v2"

    @property
    def authenticator(self) -> BasicAuthenticator:
        return BasicAuthenticator(username="demo", password="demo")

    def get_new_paginator(self) -> Offsets:
        return Offsets(self._newest())

    def get_url_params(self, context: Any, next_page_token: Any) -> dict:
        order = {"order": "-updated_at"} if self._newest() else {}
        return {"per_page": PAGE, "offset": next_page_token, **order}

    def post_process(self, row: dict, context: Any = None) -> dict:
        return flat(row)

    def _newest(self) -> str | None:
        newest: str | None = self.get_starting_replication_key_value(None)
        return newest if self.config["is_only_changes"] else None


class PeopleWithChildren(Entity):
    """People, whose pages include their children."""

    def get_url_params(self, context: Any, next_page_token: Any) -> dict:
        return {**super().get_url_params(context, next_page_token), "include": CHILDREN}

    def parse_response(self, response: requests.Response) -> Iterable[dict]:
        page = response.json()
        included = {(item["type"], item["id"]): item for item in page.get("included", ())}
        for person in page["data"]:
            links = {name: person["relationships"][name]["data"] for name in CHILDREN.split(",")}
            person["children"] = {
                name: [included[link["type"], link["id"]] for link in found] for name, found in links.items()
            }
            yield person

    def post_process(self, row: dict, context: Any = None) -> dict:
        return {**flat(row), "children": row["children"]}

    def get_child_context(self, record: dict, context: Any) -> dict:
        return {"children": record.pop("children")}


class Children(Entity):
    """One kind of children, from the page of their parent."""

    parent_stream_type = PeopleWithChildren
    state_partitioning_keys = ()

    def get_records(self, context: Any) -> Iterable[dict]:
        yield from context["children"][self.name]


class TapChurch(Tap):
    """The tap."""

    name = "tap-church"
    config_jsonschema = th.PropertiesList(
        th.Property("base_url", th.StringType, required=True),
        th.Property("is_included", th.BooleanType, required=True),
        th.Property("is_only_changes", th.BooleanType, required=True),
    ).to_dict()

    def discover_streams(self) -> list[Entity]:
        def kind(name: str) -> type[Entity]:
            if not self.config["is_included"]:
                return Entity
            return PeopleWithChildren if name == "people" else Children

        return [kind(name)(self, name=name, schema=schema_of(name), path=f"/{name}") for name in COLUMNS]


if __name__ == "__main__":
    TapChurch.cli()
