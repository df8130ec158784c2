"""A manifest of a test's own entities, and a source that answers its requests as a test says."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import orjson

from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.dialects.port import RecordSource
from openfaith_sync.adapters.dialects.registry import open_dialect
from openfaith_sync.adapters.manifest_reader.manifest_files import read_manifest
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync_tests.adapters.clients import guarded
from openfaith_sync_tests.adapters.credentials import anybody

SHIPPED = Path(__file__).parents[3] / "manifests"

Answer = Mapping[str, Any] | int | httpx.Response
"""A JSON document, the status of an error, or a whole response."""


def declare(folder: Path, entities: str, adapter: str = "pco", product: str = "people") -> Manifest:
    """Return a manifest of these entities alone, with the adapter file of a shipped adapter."""
    (folder / adapter).mkdir()
    # No test waits for a budget.
    text = (SHIPPED / adapter / "adapter.yaml").read_text().replace("assumed_limit: 100\n", "assumed_limit: 100000\n")
    (folder / adapter / "adapter.yaml").write_text(text)
    (folder / adapter / "people.yaml").write_text(f"module: people\nproduct: {product}\nentities:\n{entities}")
    return read_manifest(folder, adapter)


@dataclass(slots=True)
class Asked:
    """The requests that a source was sent: path and parameters."""

    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    @property
    def last(self) -> tuple[str, dict[str, str]]:
        """Return the last request."""
        return self.requests[-1]


@contextmanager
def answering(
    manifest: Manifest, answer: Callable[[str, Mapping[str, str]], Answer]
) -> Iterator[tuple[RecordSource, Asked]]:
    """Yield the records of a source, and what it is asked."""
    asked = Asked()

    def respond(request: httpx.Request) -> httpx.Response:
        parameters = dict(request.url.params)
        path = request.url.raw_path.decode().partition("?")[0]
        asked.requests.append((path, parameters))
        found = answer(path, parameters)
        return found if isinstance(found, httpx.Response) else answered(found)

    with HttpClient(
        "https://pco.example",
        anybody(),
        manifest.adapter_file,
        transport=httpx.MockTransport(respond),
        attempts=1,
        **guarded(manifest),
    ) as client:
        yield open_dialect(manifest).open_source(client), asked


def answered(found: Mapping[str, Any] | int) -> httpx.Response:
    """Return the response with a document, or with the status of an error."""
    status, body = (found, {"errors": [{"status": str(found)}]}) if isinstance(found, int) else (200, found)
    return httpx.Response(status, content=orjson.dumps(body), headers={"Content-Type": "application/json"})


def resource(kind: str, external_id: str, attributes: Mapping[str, Any], **relationships: Any) -> dict[str, Any]:
    """Return a resource object; a relationship is given as its ``data``."""
    found = {name: {"data": data} for name, data in relationships.items()}
    return {"type": kind, "id": external_id, "attributes": dict(attributes), "relationships": found}


def linked(kind: str, external_id: str) -> dict[str, str]:
    """Return a resource identifier."""
    return {"type": kind, "id": external_id}


def listed(*rows: Mapping[str, Any], included: tuple[Mapping[str, Any], ...] = ()) -> dict[str, Any]:
    """Return the only page of a listing."""
    meta = {"total_count": len(rows), "count": len(rows), "parent": linked("Organization", "1")}
    return {"data": list(rows), "included": list(included), "links": {}, "meta": meta}
