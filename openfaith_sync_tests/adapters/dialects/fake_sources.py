"""Small sources over real HTTP, one for each dialect: a list of people that moves as a test wants."""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit
from xml.sax.saxutils import escape

import orjson

from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.connections.connection import BasicCredentials, BearerToken, Credentials
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync_tests.ten_entities import MANIFESTS

SIZE = 4
KEY = "right"

Query = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the source answers with."""

    body: bytes
    status: int = 200
    media_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)


SUCCESS_FALSE = Reply(b'{"success":false,"errors":["unknown"]}')
ERRORS = Reply(b'{"errors":["unknown"]}')
NUMBERED_ERROR = Reply(b'<a><errors><error number="7">x</error></errors></a>', media_type="text/xml")


@dataclass
class FakeSource:
    """People in the order in which they are listed, by id; a subclass speaks one dialect."""

    people: list[str]
    account: str = "8100"
    before: Callable[[int], None] = lambda _: None
    """Called before each answer with how many there were."""
    listing: Reply | None = None
    """In place of every page of the listing."""
    record: Reply | None = None
    """In place of every single record."""
    unreadable: str | None = None
    """The id of a person whose row names none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    requests: list[tuple[str, Query]] = field(default_factory=list)
    base_url: str = ""
    full_manifest: ClassVar[Manifest]
    manifest: ClassVar[Manifest]
    """The full manifest with small pages."""
    states_account: ClassVar[bool] = True
    takes_new_people: ClassVar[str] = "anywhere"
    refusals: ClassVar[tuple[Reply, ...]] = ()
    """Errors that come with status 200."""
    budget_headers: ClassVar[Mapping[str, str]] = {}
    """The headers that state the rate limit."""

    def answer(self, path: str, query: Query, headers: Mapping[str, str]) -> Reply:
        """Return the answer to one request."""
        self.requests.append((path, query))
        self.before(len(self.requests))
        return self.reply(path, query, headers)

    def reply(self, path: str, query: Query, headers: Mapping[str, str]) -> Reply:
        """Return what this dialect answers."""
        raise NotImplementedError

    def credentials(self, key: str) -> Credentials:
        """Return credentials with this secret."""
        raise NotImplementedError

    def page(self, offset: int, size: int) -> list[str]:
        """Return the ids of a page."""
        return self.people[offset : offset + size]


def _smaller(manifest: Manifest) -> Manifest:
    """Return the manifest with small pages and a budget that no test uses up."""
    file = manifest.adapter_file
    paging = file.paging.model_copy(update={"size": SIZE})
    rate_limit = file.rate_limit.model_copy(update={"assumed_limit": 10_000})
    return manifest.model_copy(
        update={"adapter_file": file.model_copy(update={"paging": paging, "rate_limit": rate_limit})}
    )


def _json(found: object, status: int = 200) -> Reply:
    return Reply(orjson.dumps(found), status)


class PcoSource(FakeSource):
    """JSON:API as Planning Center serves it: by id, with a total."""

    full_manifest = read_manifest(MANIFESTS, "pco")
    manifest = _smaller(full_manifest)
    takes_new_people = "at the end"
    not_found = _json({"errors": [{"status": "404"}]}, 404)
    budget_headers: ClassVar[Mapping[str, str]] = {
        "X-PCO-API-Request-Rate-Limit": "5",
        "X-PCO-API-Request-Rate-Period": "20",
    }

    def credentials(self, key: str) -> Credentials:
        """Return an application id and its secret."""
        return BasicCredentials("app", key)

    def reply(self, path: str, query: Query, headers: Mapping[str, str]) -> Reply:
        """Answer as Planning Center does."""
        if headers.get("Authorization") != "Basic YXBwOnJpZ2h0":
            return _json({"errors": [{"status": "401", "code": "unauthorized"}]}, 401)
        meta: dict[str, object] = {"parent": {"type": "Organization", "id": self.account}}
        if path == "/current/v2/me":
            return _json({"data": {"type": "Person", "id": "1"}, "meta": meta})
        if path != "/people/v2/people":
            external_id = path.rpartition("/")[2]
            if external_id not in self.people:
                return self.not_found
            return self.record or _json({"data": self._resource(external_id), "included": [], "meta": meta})
        offset, size = int(query.get("offset", 0)), int(query["per_page"])
        rows, total = self.page(offset, size), len(self.people)
        links = {}
        if offset + len(rows) < total:
            links, meta["next"] = {"next": "more"}, {"offset": offset + len(rows)}
        body = {"data": [self._resource(one) for one in rows], "links": links, "meta": meta | {"total_count": total}}
        return self.listing or _json(body)

    def _resource(self, external_id: str) -> dict[str, object]:
        shown = {} if external_id == self.unreadable else {"id": external_id}
        return shown | {"type": "Person", "attributes": {"first_name": f"Name {external_id}"}, "relationships": {}}


class BreezeSource(FakeSource):
    """Bare JSON lists by last name, without a total; everything is text."""

    full_manifest = read_manifest(MANIFESTS, "breeze")
    manifest = _smaller(full_manifest)
    not_found = _json({"success": False, "errors": ["no such person"]}, 404)
    refusals = (SUCCESS_FALSE, ERRORS)

    def credentials(self, key: str) -> Credentials:
        """Return an API key."""
        return BearerToken(key)

    def reply(self, path: str, query: Query, headers: Mapping[str, str]) -> Reply:
        """Answer as Breeze does."""
        if headers.get("Api-Key") != KEY:
            return Reply(b"Forbidden", 403, "text/html")
        if path == "/api/account/summary":
            return _json({"id": self.account, "name": "Grace", "subdomain": "grace", "details": {"timezone": "UTC"}})
        if path == "/api/people":
            offset, size = int(query.get("offset", 0)), int(query["limit"])
            return self.listing or _json([self._person(one) for one in self.page(offset, size)])
        external_id = path.rpartition("/")[2]
        if external_id not in self.people:
            return self.not_found
        return self.record or _json(self._person(external_id))

    def _person(self, external_id: str) -> dict[str, object]:
        shown = {} if external_id == self.unreadable else {"id": external_id}
        birth = {"birthdate": "0000-00-00" if external_id == "3" else "1988-07-21", "410000002": {"value": "73"}}
        return shown | {
            "first_name": f"Name {external_id}",
            "force_first_name": "",
            "nick_name": "",
            "last_name": "Ames",
            "details": birth,
        }


class CcbSource(FakeSource):
    """XML in numbered pages below one path; errors come with status 200."""

    full_manifest = read_manifest(Path(__file__).parent / "manifests", "ccb")
    manifest = _smaller(full_manifest)
    states_account = False
    refusals = (NUMBERED_ERROR,)
    budget_headers: ClassVar[Mapping[str, str]] = {"X-RateLimit-Limit": "6", "X-RateLimit-Remaining": "5"}

    @property
    def not_found(self) -> Reply:
        """Return the error that says that there is no such person."""
        return self._error("112", "No entity matched")

    def credentials(self, key: str) -> Credentials:
        """Return an API user and its password."""
        return BasicCredentials("app", key)

    def reply(self, path: str, query: Query, headers: Mapping[str, str]) -> Reply:
        """Answer as CCB does."""
        if headers.get("Authorization") != "Basic YXBwOnJpZ2h0":
            return self._error("002", "Invalid username or password.")
        if path != "/api.php":
            return Reply(b"<html>no such church</html>", 404, "text/html")
        service = query["srv"]
        if service == "api_status":
            return self._xml("<response><daily_limit>10000</daily_limit></response>")
        if service == "individual_profile_from_id":
            external_id = query["individual_id"]
            if external_id not in self.people:
                return self.not_found
            return self.record or self._individuals([external_id])
        assert service == "individual_profiles"
        size = int(query["per_page"])
        return self.listing or self._individuals(self.page((int(query["page"]) - 1) * size, size))

    def _individuals(self, ids: list[str]) -> Reply:
        rows = "".join(self._individual(one) for one in ids)
        return self._xml(f'<response><individuals count="{len(ids)}">{rows}</individuals></response>')

    def _individual(self, external_id: str) -> str:
        shown = "" if external_id == self.unreadable else f' id="{external_id}"'
        return (
            f"<individual{shown}><first_name>{escape(f'Name {external_id}')}</first_name><last_name> </last_name>"
            '<campus id="1">North</campus><phones><phone type="mobile">(503) 555-0100</phone></phones>'
            "<modified>2026-07-02 17:44:10</modified></individual>"
        )

    def _error(self, number: str, text: str) -> Reply:
        return self._xml(f'<response><errors><error number="{number}">{text}</error></errors></response>')

    @staticmethod
    def _xml(inside: str) -> Reply:
        body = f'<?xml version="1.0" encoding="UTF-8"?><ccb_api>{inside}</ccb_api>'.encode()
        return Reply(body, media_type="text/xml; charset=UTF-8")


def _with_tokens(by: str) -> Manifest:
    """Return a manifest of JSON objects whose pages give the next one, as a cursor or as a link."""
    auth = {"methods": ["bearer"], "verify": "/v1/me"}
    paging = {"by": by, "size": 100, "size_parameter": "limit", "next": "meta.next", "pages_in_flight": 1}
    adapter_file = {
        "adapter": "tokens",
        "title": "A source with tokens",
        "dialect": "json_list",
        "base_url": "https://example.org",
        "auth": auth,
        "paging": paging,
        "rate_limit": {"assumed_limit": 30, "assumed_period_seconds": 60},
        "products": {"people": {"path": "/v1"}},
        "rows": "data",
        "record": "data",
        "identity": {"user": "data.id", "account": "data.church"},
        "stated_errors": {"at": ["errors"], "false_at": ["success"]},
        "not_found": {"media_types": ["application/json"], "key": "errors"},
    }
    person = {
        "name": "person",
        "adapter": "tokens",
        "module": "people",
        "path": "/v1",
        "table": "people",
        "description": "Someone the church knows.",
        "endpoints": {"list": "/people", "get": "/people/{id}"},
        "total_count": "none",
        "delta": {"by": "none", "attribute": None},
        "attributes": {"name": {"type": "string", "to": "first_name"}},
    }
    return Manifest.model_validate({"adapter_file": adapter_file, "entities": {"person": person}})


class CursorSource(FakeSource):
    """JSON objects by id, whose pages give a cursor that stands behind a record."""

    full_manifest = _with_tokens("cursor")
    manifest = _smaller(full_manifest)
    takes_new_people = "at the end"
    not_found = _json({"errors": ["gone"]}, 404)
    refusals = (SUCCESS_FALSE, ERRORS)
    is_forgetful = False
    """Whether it no longer knows any cursor."""

    def credentials(self, key: str) -> Credentials:
        """Return a token."""
        return BearerToken(key)

    def reply(self, path: str, query: Query, headers: Mapping[str, str]) -> Reply:
        """Answer as such a source does."""
        if headers.get("Authorization") != f"Bearer {KEY}":
            return _json({"errors": ["who are you"]}, 401)
        if path == "/v1/me":
            return _json({"data": {"id": 1, "church": self.account}})
        if path == "/v1/people":
            return self.listing or self._listing(query)
        external_id = path.rpartition("/")[2]
        if external_id not in self.people:
            return self.not_found
        return self.record or _json({"data": self._person(external_id)})

    def _listing(self, query: Query) -> Reply:
        after, size = int(query.get("cursor", 0)), int(query["limit"])
        if after and self.is_forgetful:
            return _json({"errors": ["unknown cursor"]}, 400)
        behind = [one for one in self.people if int(one) > after]
        offset = self.people.index(behind[0]) if behind else len(self.people)
        rows = self.page(offset, size)
        meta = {"next": self.token(rows[-1], size)} if rows and rows[-1] != self.people[-1] else {}
        return _json({"data": [self._person(one) for one in rows], "meta": meta})

    def token(self, last: str, size: int) -> str:
        """Return what the next page is asked for with."""
        return last

    def _person(self, external_id: str) -> dict[str, object]:
        shown = {} if external_id == self.unreadable else {"id": int(external_id)}
        return shown | {"name": f"Name {external_id}"}


class LinkSource(CursorSource):
    """The same, whose pages give the address of the next one."""

    full_manifest = _with_tokens("link")
    manifest = _smaller(full_manifest)

    def token(self, last: str, size: int) -> str:
        """Return the address of the next page."""
        return f"https://other.example/elsewhere?limit={size}&cursor={last}"


SOURCES: tuple[type[FakeSource], ...] = (PcoSource, BreezeSource, CcbSource, CursorSource, LinkSource)
"""Every source on which the contract of dialects is tested."""


@contextmanager
def serving(source: FakeSource) -> Iterator[FakeSource]:
    """Yield the source, listening on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            reply = source.answer(parts.path, dict(parse_qsl(parts.query)), dict(self.headers.items()))
            self.send_response(reply.status)
            for name, value in {**source.headers, **reply.headers, "Content-Type": reply.media_type}.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    source.base_url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield source
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
