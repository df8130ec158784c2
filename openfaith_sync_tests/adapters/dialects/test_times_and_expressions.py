"""Times without a zone, filters by expression and tokens in a query: what a source of plain records may need."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import httpx
import pytest

from openfaith_sync.adapters.client.allowed_requests import AllowedRequests, allowed_reads
from openfaith_sync.adapters.client.auth import Authorization
from openfaith_sync.adapters.dialects.plain.requests import PlainRequests
from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.domain.connections.connection import BearerToken, Connection
from openfaith_sync.domain.ids import AdapterName, EntityName, ExternalId, OrgId
from openfaith_sync.domain.manifest.auth import TokenPlace
from openfaith_sync.domain.manifest.dialect_files import JsonListFile
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.listing import ListingQuery, Order

PERSON = EntityName("person")
ROCK = Manifest.model_validate(
    {
        "adapter_file": {
            "adapter": "rock",
            "title": "Rock RMS",
            "dialect": "json_list",
            "base_url": "https://{church}/api",
            "time_zone": "org",
            "auth": {
                "methods": ["token"],
                "token": {"header": "Authorization-Token"},
                "verify": "/People/GetCurrentPerson",
            },
            "paging": {"by": "offset", "size": 100, "size_parameter": "$top", "offset_parameter": "$skip"},
            "rate_limit": {"assumed_limit": 60, "assumed_period_seconds": 60},
            "products": {"rock": {}},
            "identity": {"user": "Id"},
            "order": {
                "parameter": "$orderby",
                "by_id": "Id",
                "ascending": "{attribute},Id",
                "descending": "{attribute} desc,Id",
            },
            "changes": {
                "by": "expression",
                "parameter": "$filter",
                "since": "{attribute} ge datetime'{moment}'",
                "before": "{attribute} lt datetime'{moment}'",
                "moment": "%Y-%m-%dT%H:%M:%S",
            },
            "not_found": {"media_types": [""], "key": None},
        },
        "entities": {
            "person": {
                "name": "person",
                "adapter": "rock",
                "module": "people",
                "path": "",
                "table": "people",
                "description": "Someone.",
                "endpoints": {"list": "/People", "get": "/People/{id}"},
                "parameters": {"$filter": "RecordTypeValueId eq 1"},
                "id": "Id",
                "id_format": "number",
                "order_by": ["modified"],
                "filters": ["modified"],
                "total_count": "none",
                "delta": {"by": "filter", "attribute": "modified"},
                "attributes": {
                    "first_name": {"type": "string", "at": "FirstName", "to": "first_name"},
                    "modified": {"type": "date_time", "at": "ModifiedDateTime", "to": "updated_at"},
                    "joined": {"type": "date", "at": "Joined", "format": "%m/%d/%Y", "to": "anniversary"},
                },
            }
        },
    }
)
BERLIN = "Europe/Berlin"


def request(query: ListingQuery) -> dict[str, str | int]:
    assert isinstance(ROCK.adapter_file, JsonListFile)
    built = PlainRequests(ROCK.adapter_file, ZoneInfo(BERLIN)).listing(ROCK.entities[PERSON], query)
    AllowedRequests(allowed_reads(ROCK)).require(built)
    assert built.path == "/People"
    return dict(built.parameters)


def test_an_expression_holds_the_fixed_filter_and_both_bounds_in_local_time() -> None:
    query = ListingQuery(
        PERSON,
        Order.VERSION,
        version_from=datetime(2026, 7, 1, 8, tzinfo=UTC),
        version_before=datetime(2026, 12, 1, 8, tzinfo=UTC),
        offset=200,
    )
    assert request(query) == {
        "$filter": "(RecordTypeValueId eq 1) and (ModifiedDateTime ge datetime'2026-07-01T10:00:00')"
        " and (ModifiedDateTime lt datetime'2026-12-01T09:00:00')",
        "$orderby": "ModifiedDateTime,Id",
        "$top": 100,
        "$skip": 200,
    }
    assert request(ListingQuery(PERSON)) == {
        "$filter": "RecordTypeValueId eq 1",
        "$orderby": "Id",
        "$top": 100,
        "$skip": 0,
    }


@pytest.mark.parametrize(
    ("zone", "text", "moment"),
    [
        ("UTC", "2026-07-01T10:00:00.13", "2026-07-01T10:00:00.130000Z"),
        (BERLIN, "2026-07-01T10:00:00", "2026-07-01T08:00:00Z"),
        (BERLIN, "2026-12-01T10:00:00", "2026-12-01T09:00:00Z"),
        # The hour that comes twice: the first of the two, so that a delta looks back too far rather than too little.
        (BERLIN, "2026-10-25T02:30:00", "2026-10-25T00:30:00Z"),
        (BERLIN, "2026-07-01T10:00:00+00:00", "2026-07-01T10:00:00+00:00"),
        (BERLIN, "soon", "soon"),
    ],
)
def test_a_time_without_a_zone_is_of_the_orgs(zone: str, text: str, moment: str) -> None:
    assert read(zone, {"Id": 7, "ModifiedDateTime": text})["modified"] == moment


def test_a_date_may_be_written_in_another_way() -> None:
    assert read("UTC", {"Id": 7, "Joined": "03/15/2012"})["joined"] == "2012-03-15"
    assert read("UTC", {"Id": 7, "Joined": "spring"})["joined"] == "spring"


def read(zone: str, row: dict[str, object]) -> dict[str, object]:
    """Return the attributes of the record that the source shows."""

    class Client:
        def read(self, _: object, parse: object) -> tuple[object, None]:
            answer = httpx.Response(200, json=row)
            assert callable(parse)
            return parse(answer), None

        def check_account(self, _: object) -> None:
            pass

    source = open_dialect(ROCK, zone).open_source(Client())  # type: ignore[arg-type]  # one answer is enough
    fresh = source.read_record(PERSON, ExternalId("7"))
    assert fresh is not None
    return dict(fresh.record.attributes)


@pytest.mark.parametrize(
    ("place", "headers", "parameters"),
    [
        (TokenPlace(header="Api-Key"), {"Api-Key": "k"}, {}),
        (TokenPlace(header="Authorization", prefix="Login "), {"Authorization": "Login k"}, {}),
        (TokenPlace(parameter="apikey"), {}, {"apikey": "k"}),
        (None, {"Authorization": "Bearer k"}, {}),
    ],
    ids=str,
)
def test_a_token_is_carried_where_the_manifest_says(
    place: TokenPlace | None, headers: dict[str, str], parameters: dict[str, str]
) -> None:
    connection = Connection(OrgId("grace"), AdapterName("rock"), "http://x", BearerToken("k"))
    auth = Authorization(connection, place=place).current()
    assert (dict(auth.headers), dict(auth.parameters)) == (headers, parameters)
    assert "'k'" not in repr(auth)
