"""Documents, as recordings show them."""

from collections.abc import Callable
from typing import Any

import httpx

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.server.server import RunningSimulator, SimulatorSettings, running_simulator
from openfaith_sync_tests.simulator.conftest import Get

CAN = {"can_order_by", "can_query_by", "can_include", "can_filter"}


def test_a_middle_page_says_what_is_before_and_after(read: Callable[..., Any]) -> None:
    page = read("/people/v2/people", "per_page=25&offset=50")
    assert list(page) == ["links", "data", "meta"]
    assert set(page["links"]) == {"self", "prev", "next"}
    assert set(page["meta"]) == {"total_count", "count", "next", "prev", "parent"} | CAN
    assert (page["meta"]["prev"], page["meta"]["next"]) == ({"offset": 25}, {"offset": 75})
    assert page["meta"]["parent"]["type"] == "Organization"


def test_the_first_page_has_no_prev_and_the_last_no_next(read: Callable[..., Any]) -> None:
    assert set(read("/people/v2/people")["links"]) == {"self", "next"}
    assert set(read("/people/v2/people", "offset=200&per_page=100")["links"]) == {"self", "prev"}


def test_meta_names_what_the_manifest_names_and_nothing_empty(read: Callable[..., Any], manifest: Manifest) -> None:
    meta = read("/people/v2/people")["meta"]
    assert meta["can_include"] == list(manifest.entities[EntityName("person")].includes)
    assert meta["can_order_by"] == list(manifest.entities[EntityName("person")].order_by)
    assert meta["can_filter"] == ["created_since", "admins", "organization_admins"]
    assert not {"can_include", "can_filter"} & set(read("/people/v2/emails")["meta"])


def test_link_parameters_are_sorted_with_plain_keys_and_escaped_values(
    read: Callable[..., Any], still: RunningSimulator
) -> None:
    query = "where%5Bupdated_at%5D%5Bgt%5D=2020-05-17T19:47:57Z&per_page=25&order=updated_at"
    assert read("/people/v2/people", query)["links"]["next"] == (
        f"{still.base_url}/people/v2/people?offset=25&order=updated_at&per_page=25"
        "&where[updated_at][gt]=2020-05-17T19%3A47%3A57Z"
    )
    assert read("/people/v2/campuses")["links"]["self"] == f"{still.base_url}/people/v2/campuses"


def test_bracketed_includes_are_echoed_in_their_form(read: Callable[..., Any]) -> None:
    page = read("/people/v2/people", "include[]=emails&include[]=addresses&per_page=1")
    assert page["links"]["self"].endswith("?include[]=emails&include[]=addresses&per_page=1")
    assert {"emails", "addresses"} <= set(page["data"][0]["relationships"])


def test_next_links_lead_through_every_record_once(client: httpx.Client, still: RunningSimulator) -> None:
    url, seen = f"{still.base_url}/people/v2/households?per_page=7", []
    while url:
        page = client.get(url).json()
        seen += [record["id"] for record in page["data"]]
        url = page["links"].get("next")
    assert seen == list(still.truth("household"))


def test_a_single_record_has_a_link_for_each_edge_and_no_links_around_it(
    read: Callable[..., Any], still: RunningSimulator
) -> None:
    first = read("/people/v2/people", "per_page=1")["data"][0]
    document = read(f"/people/v2/people/{first['id']}")
    assert list(document) == ["data", "meta"]
    assert set(document["meta"]) == {"can_include", "parent"}
    own = f"{still.base_url}/people/v2/people/{first['id']}"
    links = document["data"]["links"]
    assert links["self"] == own
    assert links["emails"] == f"{own}/emails"
    assert links["school"] is None
    assert links[""] == f"{own}/"
    assert {"apps", "household_memberships", "notes", "workflow_cards"} <= set(links)
    assert document["data"]["attributes"] == first["attributes"]


def test_what_is_included_is_there_and_where_nothing_is_the_key_is_not(read: Callable[..., Any]) -> None:
    assert list(read("/people/v2/people", "include=emails")) == ["links", "data", "included", "meta"]
    nobody = read("/people/v2/people", "include=emails&where[id]=1")
    assert (list(nobody), nobody["data"]) == (["links", "data", "meta"], [])


def test_a_record_without_edges_links_to_itself_only(read: Callable[..., Any]) -> None:
    first = read("/people/v2/addresses", "per_page=1")["data"][0]
    links = read(f"/people/v2/addresses/{first['id']}")["data"]["links"]
    assert set(links) == {"self"}
    assert (
        "primary_contact"
        not in read(f"/people/v2/households/{read('/people/v2/households')['data'][0]['id']}")["data"]["links"]
    )


def test_a_single_read_shows_the_fields_that_are_asked_for_and_all_its_links(read: Callable[..., Any]) -> None:
    first = read("/people/v2/people", "per_page=1")["data"][0]
    own = f"/people/v2/people/{first['id']}"
    sparse = read(own, "fields[Person]=name,mfa_configured")["data"]
    assert (set(sparse["attributes"]), sparse["relationships"]) == ({"name", "mfa_configured"}, {})
    whole = read(own)["data"]
    assert sparse["links"] == whole["links"]
    assert "mfa_configured" not in whole["attributes"]


def test_any_key_that_holds_nothing_can_be_left_out(manifest: Manifest) -> None:
    left_out = ("included", "data", "links", "attributes", "relationships")
    settings = SimulatorSettings(people=3, rate=None, left_out=left_out)
    with (
        running_simulator(settings, manifest) as simulator,
        httpx.Client(base_url=simulator.base_url, auth=("demo", "demo"), trust_env=False) as client,
    ):
        assert set(client.get("/people/v2/people?where[id]=1").json()) == {"links", "meta"}
        sparse = client.get("/people/v2/people?fields[Person]=nothing").json()["data"][0]
        assert set(sparse) == {"type", "id", "links"}


def test_listed_records_have_short_links(read: Callable[..., Any]) -> None:
    assert set(read("/people/v2/people")["data"][0]["links"]) == {"self", "html"}
    assert set(read("/people/v2/emails")["data"][0]["links"]) == {"self"}


def test_groups_say_onboarding(read: Callable[..., Any]) -> None:
    page = read("/groups/v2/groups", "per_page=1")
    assert page["meta"]["onboarding"] is False
    assert read(f"/groups/v2/groups/{page['data'][0]['id']}")["meta"]["onboarding"] is False
    assert "onboarding" not in read("/people/v2/people")["meta"]


def test_wire_types(read: Callable[..., Any]) -> None:
    assert read("/people/v2/campuses")["data"][0]["type"] == "Campus"
    people = read("/people/v2/people", "per_page=100&include=primary_campus")
    linked = [p["relationships"]["primary_campus"]["data"] for p in people["data"]]
    assert {link["type"] for link in linked if link} == {"PrimaryCampus"}
    assert {r["type"] for r in people["included"]} == {"PrimaryCampus"}
    assert None in linked


def test_ids_are_strings_of_eight_and_nine_digits(read: Callable[..., Any]) -> None:
    ids = [p["id"] for p in read("/people/v2/people", "per_page=100&offset=90")["data"]]
    assert {len(identity) for identity in ids} == {8, 9}


def test_values_are_typed_as_on_the_wire(read: Callable[..., Any]) -> None:
    household = read("/people/v2/households")["data"][0]["attributes"]
    assert isinstance(household["primary_contact_id"], str)
    campus = read("/people/v2/campuses")["data"][0]["attributes"]
    assert isinstance(campus["latitude"], str)


def test_every_answer_has_the_sources_headers(get: Get) -> None:
    answer = get("/people/v2/people")
    assert answer.headers["content-type"] == "application/vnd.api+json; charset=utf-8"
    assert answer.headers["x-pco-api-auth-method"] == "HTTPBasic"
    assert answer.headers["etag"].startswith('W/"')
    assert answer.headers["x-request-id"]


def test_nested_listings_hang_below_their_record(read: Callable[..., Any]) -> None:
    person = read("/people/v2/emails", "per_page=1")["data"][0]["relationships"]["person"]["data"]["id"]
    page = read(f"/people/v2/people/{person}/emails")
    assert page["meta"]["parent"] == {"id": person, "type": "Person"}
    assert {email["relationships"]["person"]["data"]["id"] for email in page["data"]} == {person}
    one = page["data"][0]["id"]
    assert read(f"/people/v2/people/{person}/emails/{one}")["data"]["id"] == one


def test_an_unset_to_one_is_not_found(get: Get, read: Callable[..., Any]) -> None:
    people = read("/people/v2/people", "per_page=100")["data"]
    unset = next(p for p in people if p["relationships"]["primary_campus"]["data"] is None)
    assert get(f"/people/v2/people/{unset['id']}/primary_campus").status_code == 404


def test_the_root_of_a_product_is_the_church(read: Callable[..., Any]) -> None:
    assert read("/people/v2")["data"]["type"] == read("/groups/v2")["data"]["type"] == "Organization"


def test_me_answers_any_valid_credential(read: Callable[..., Any]) -> None:
    document = read("/current/v2/me", "include=organization")
    assert document["data"]["type"] == "Person"
    assert document["included"][0]["type"] == "Organization"


def test_merges_are_served_though_no_manifest_syncs_them(read: Callable[..., Any]) -> None:
    page = read("/people/v2/person_mergers", "where[person_to_remove_id]=5")
    assert (page["data"], page["meta"]["total_count"]) == ([], 0)
