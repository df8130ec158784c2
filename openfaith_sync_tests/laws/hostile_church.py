"""A small church behind real HTTP, whose source gets one thing wrong at a time.

It is no simulator: it knows four listings, the requests that the engine makes of them, and how to
damage one record, one page or one answer's frame, wherever or only where a test says so.
"""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

import orjson

from openfaith_sync.domain.passes.listing import parse_version
from openfaith_sync.domain.passes.walk_place import version_key
from openfaith_sync_tests.laws.damages import MARK, Damage, Resource

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
"""By the source's clock, in every answer."""
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
PATHS = {"people": "Person", "emails": "Email", "addresses": "Address", "phone_numbers": "PhoneNumber"}
INCLUDES = {"emails": "Email", "addresses": "Address", "phone_numbers": "PhoneNumber"}
PEOPLE = 9
Where = Literal["listing", "included", "single"]
EVERYWHERE: tuple[Where, ...] = ("listing", "included", "single")
JSON = "application/vnd.api+json"
NOT_FOUND = {"errors": [{"status": "404", "title": "Not Found"}]}

_FILTER = re.compile(r"where\[updated_at\]\[(gte|lt)\]")

Record = tuple[str, str]
"""A wire type and an id."""


@dataclass(frozen=True, slots=True)
class Harm:
    """A damage that is done to one record."""

    damage: Damage
    record: Record
    where: tuple[Where, ...] = EVERYWHERE


@dataclass(slots=True)
class Frame:
    """What is wrong with answers apart from their records."""

    total_count: Callable[[int], object] | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """Replaced in every answer; ``None`` leaves one out."""
    unservable: frozenset[Record] = frozenset()
    """Records without which every page is served, and with which none is."""
    most_rows: int | None = None
    """A page with more is not served."""
    status: int = 500
    hidden: frozenset[Record] = frozenset()
    """Records that are counted and read by their ids, and that no listing shows."""


class HostileChurch:
    """The records, what is wrong with them now, and what was asked."""

    def __init__(self, people: int = PEOPLE) -> None:
        """Create people with an e-mail address each, and a few other children."""
        self.records: dict[Record, Resource] = {}
        self.harms: list[Harm] = []
        self.denied: frozenset[Record] = frozenset()
        self.frame = Frame()
        self.base_url = ""
        self.requests: list[str] = []
        for number in range(1, people + 1):
            self._add_person(number)

    def _add_person(self, number: int) -> None:
        stamp = version_key(FIRST + timedelta(hours=number))
        attributes: Resource = {
            "first_name": f"Anna {number}", "last_name": f"Field {number}", "nickname": "An", "status": "active",
            "birthdate": "1990-05-17", "membership": "Member", "remote_id": number, "child": False,
            "resource_permission_flags": {"can_edit": True}, "created_at": version_key(FIRST), "updated_at": stamp,
        }  # fmt: skip
        campus = {"primary_campus": {"data": {"type": "PrimaryCampus", "id": "1"}}}
        self.add("Person", str(number), attributes, campus)
        own = {"person": {"data": {"type": "Person", "id": str(number)}}}
        dates = {"created_at": version_key(FIRST), "updated_at": stamp}
        email = {"address": f"anna{number}@example.org", "location": "Home", "primary": True, "blocked": False}
        self.add("Email", str(100 + number), {**email, **dates}, own)
        if number % 3 == 0:
            address = {"city": f"Town {number}", "country_code": "US", "location": "Home", "primary": True}
            self.add("Address", str(100 + number), {**address, **dates}, own)
            phone = {"number": f"(212) 555-01{number:02}", "country_code": "US", "e164": f"+121255501{number:02}"}
            self.add("PhoneNumber", str(300 + number), {**phone, "location": "Mobile", "primary": True, **dates}, own)

    def add(self, kind: str, number: str, attributes: Resource, relationships: Resource) -> None:
        """Add a record."""
        self.records[kind, number] = {
            "type": kind,
            "id": number,
            "attributes": attributes,
            "relationships": relationships,
            "links": {"self": f"https://example.org/{kind}/{number}"},
        }

    def touch(self, record: Record, minutes: int, **attributes: object) -> None:
        """Change a record at so many minutes after the last of the first stamps."""
        stamp = version_key(FIRST + timedelta(days=90, minutes=minutes))
        self.records[record]["attributes"] |= {**attributes, "updated_at": stamp}

    def heal(self) -> None:
        """Be right in everything from now on."""
        self.harms, self.frame, self.denied = [], Frame(), frozenset()

    def ids(self, kind: str) -> set[str]:
        """Return the ids of all records of a wire type."""
        return {number for of, number in self.records if of == kind}

    # What is answered.

    def answer(self, target: str) -> tuple[int, dict[str, str | None], bytes]:
        """Return status, headers and body of the answer to a GET."""
        self.requests.append(target)
        url = urlsplit(target)
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        parts = url.path.strip("/").split("/")[2:]
        if parts[0] == "me":
            return self._send(200, {"data": {"type": "Person", "id": "1"}, "meta": {}}, ())
        if parts[0] not in PATHS:
            body = {"data": [], "links": {}, "meta": {"total_count": 0, "count": 0}}
            return self._send(200, body, ()) if len(parts) == 1 else self._send(404, NOT_FOUND, ())
        return (
            self._list(PATHS[parts[0]], parameters)
            if len(parts) == 1
            else self._show(PATHS[parts[0]], parts[1], parameters)
        )

    def _list(self, kind: str, parameters: Mapping[str, str]) -> tuple[int, dict[str, str | None], bytes]:
        found = [record for record in self.records if record[0] == kind]
        order = parameters.get("order", "")
        for name, value in parameters.items():
            if (sign := _FILTER.fullmatch(name)) is not None:
                is_from = sign[1] == "gte"
                found = [one for one in found if (self._stamp(one) >= value) is is_from]
        if order:
            found.sort(key=lambda one: (self._stamp(one), int(one[1])), reverse=order.startswith("-"))
        count = len(found)
        found = [one for one in found if one not in self.frame.hidden]
        offset, size = int(parameters.get("offset", 0)), int(parameters.get("per_page", 25))
        rows = found[offset : offset + size]
        is_too_large = self.frame.most_rows is not None and len(rows) > self.frame.most_rows
        if is_too_large or self.frame.unservable.intersection(rows):
            return self._send(self.frame.status, {"errors": [{"status": str(self.frame.status)}]}, ())
        has_next = offset + size < len(found)
        total: object = count if self.frame.total_count is None else self.frame.total_count(count)
        meta = {"total_count": total, "count": len(rows)} | ({"next": {"offset": offset + size}} if has_next else {})
        links = {"self": "https://example.org"} | ({"next": "https://example.org"} if has_next else {})
        return self._send_records({"links": links, "data": rows, "meta": meta}, rows, "listing", parameters)

    def _show(self, kind: str, number: str, parameters: Mapping[str, str]) -> tuple[int, dict[str, str | None], bytes]:
        record = (kind, number)
        if record not in self.records:
            return self._send(404, NOT_FOUND, ())
        if record in self.denied:
            return self._send(403, {"errors": [{"status": "403", "title": "Forbidden"}]}, ())
        return self._send_records({"data": record, "meta": {}}, [record], "single", parameters)

    def _send_records(
        self, body: Resource, rows: list[Record], where: Where, parameters: Mapping[str, str]
    ) -> tuple[int, dict[str, str | None], bytes]:
        wanted = set(parameters.get("include", "").split(",")) & INCLUDES.keys()
        owners = {number for _, number in rows}
        done: list[Damage] = []
        is_sparse = any(name.startswith("fields[") for name in parameters)
        shown = [self._shown(record, where, done, is_sparse=is_sparse) for record in rows]
        body["data"] = shown if where == "listing" else shown[0]
        included = [
            self._shown(record, "included", done)
            for record, resource in self.records.items()
            if record[0] in {INCLUDES[name] for name in wanted}
            and resource["relationships"]["person"]["data"]["id"] in owners
        ]
        return self._send(200, body | ({"included": included} if included else {}), done)

    def _shown(self, record: Record, where: Where, done: list[Damage], *, is_sparse: bool = False) -> object:
        resource: Resource = deepcopy(self.records[record])
        shown: object = resource
        for harm in self.harms:
            if harm.record == record and where in harm.where:
                shown = harm.damage.on(resource)
                done.append(harm.damage)
        if is_sparse and shown is resource and isinstance(resource.get("attributes"), dict):
            resource["attributes"] = {k: v for k, v in resource["attributes"].items() if k == "updated_at"}
            resource.pop("relationships", None)
        return shown

    def _stamp(self, record: Record) -> str:
        """Return the stamp that the source itself goes by."""
        claimed = (harm.damage.sorts_as for harm in self.harms if harm.record == record)
        stamp = next(filter(None, claimed), None) or self.records[record]["attributes"]["updated_at"]
        parsed = parse_version(stamp)
        return version_key(parsed) if parsed else ""

    def _send(
        self, status: int, body: object, done: "tuple[Damage, ...] | list[Damage]"
    ) -> tuple[int, dict[str, str | None], bytes]:
        headers: dict[str, str | None] = {
            "content-type": JSON,
            "date": format_datetime(NOW, usegmt=True),
            "x-pco-api-request-rate-limit": "1000000",
            "x-pco-api-request-rate-period": "20",
            "x-pco-api-request-rate-count": "1",
        }
        return status, headers | dict(self.frame.headers), render(body, done)


def render(body: object, done: "tuple[Damage, ...] | list[Damage]") -> bytes:
    """Return a document with the bytes of these damages in it."""
    content = _dump(body)
    for damage in done:
        if damage.raw is not None:
            content = content.replace(orjson.dumps(MARK), damage.raw)
        if damage.whole is not None:
            content = damage.whole(content)
    return content


def _dump(body: object) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        # A number beyond 64 bits.
        return json.dumps(body, separators=(",", ":")).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    church: HostileChurch

    def do_GET(self) -> None:
        status, headers, body = self.church.answer(self.path)
        lines = [f"HTTP/1.1 {status} Status", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if value is not None]
        # One segment: a head sent by itself waits 40 ms for its acknowledgement.
        self.wfile.write("\r\n".join((*lines, "", "")).encode("latin-1") + body)

    def log_message(self, *_: Any) -> None: ...


@contextmanager
def serving(church: HostileChurch) -> Iterator[HostileChurch]:
    """Serve a church on a port of its own for as long as the context lasts."""
    handler = type("Handler", (_Handler,), {"church": church})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        church.base_url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield church
        finally:
            server.shutdown()
            thread.join()
