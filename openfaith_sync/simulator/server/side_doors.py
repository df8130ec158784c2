"""Paths beside the entities: uploads, and actions that clients trigger with a GET."""

import hashlib

import orjson

from openfaith_sync.simulator.api.responses import JSON, SimulatedResponse
from openfaith_sync.simulator.api.routes import Router, Single
from openfaith_sync.simulator.data.church import SimulatedChurch
from openfaith_sync.simulator.life.people import refresh_list

_UPLOADS, _RUN = "/v2/files", "/run"


def answer_side_door(
    church: SimulatedChurch, router: Router, method: str, path: str, body: bytes
) -> SimulatedResponse | None:
    """Return the response of an upload or an action; nothing for every other request."""
    if (method, path) == ("POST", _UPLOADS):
        return _upload(body)
    route = router.find(path.removesuffix(_RUN)) if method == "GET" and path.endswith(_RUN) else None
    if isinstance(route, Single) and route.table.entity.name == "list":
        _run_list(church, route)
        return SimulatedResponse(204)
    return None


def _upload(body: bytes) -> SimulatedResponse:
    digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
    attributes = {"md5": digest, "name": "upload", "content_type": "application/octet-stream", "file_size": len(body)}
    file = {"type": "File", "id": f"us3-{digest}", "attributes": attributes}
    return SimulatedResponse(201, orjson.dumps({"data": [file]}), JSON)


def _run_list(church: SimulatedChurch, route: Single) -> None:
    """Refresh a list, which finds the same people again."""
    results = church.world.tables.get("list_result")
    rows = results.back["list"].get(route.row.id, ()) if results else ()
    found = [results.reference(results.rows[number], "person") for number in rows] if results else []
    refresh_list(church, route.row.id, [person for person in found if isinstance(person, int)])
