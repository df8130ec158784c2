"""Limits a client to the reads in its manifest and the writes that its caller allows.

Some sources accept writes by GET, so checking the method alone protects nothing: a request outside the
manifest's read paths is a bug, and is rejected before anything is sent.
"""

import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain

from openfaith_sync.adapters.client.transport import Request
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest

_PLACEHOLDER = re.compile(r"\{[a-z][a-z0-9_]*\}")
_ID_PATTERNS = {"text": "[^/]+", "number": "[0-9]+"}


@dataclass(frozen=True, slots=True)
class AllowedRequest:
    """One kind of request: method, path template and the query parameters that it must carry."""

    method: str
    path: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    id_pattern: str = _ID_PATTERNS["text"]

    @property
    def has_ids(self) -> bool:
        """Return whether the path contains ids, so that it differs from request to request."""
        return _PLACEHOLDER.search(self.path) is not None

    def compile(self) -> "_Matcher":
        """Return what decides whether a request is of this kind."""
        parameters = {name: self._pattern(text) for name, text in self.parameters.items()}
        return _Matcher(self.method, self._pattern(self.path), parameters)

    def _pattern(self, template: str) -> re.Pattern[str]:
        return re.compile(self.id_pattern.join(re.escape(part) for part in _PLACEHOLDER.split(template)))


@dataclass(frozen=True, slots=True)
class _Matcher:
    """One kind of request, compiled once for all requests of a client."""

    method: str
    path: re.Pattern[str]
    parameters: Mapping[str, re.Pattern[str]]

    def matches(self, request: Request) -> bool:
        return (
            request.method == self.method
            and self.path.fullmatch(request.path) is not None
            and all(
                name in request.parameters and pattern.fullmatch(str(request.parameters[name])) is not None
                for name, pattern in self.parameters.items()
            )
        )


class AllowedRequests:
    """All kinds of requests that one client may send."""

    def __init__(self, *kinds: Iterable[AllowedRequest]) -> None:
        """Allow only these kinds of requests."""
        # Found by their path: a listing is requested for every page, and a source has hundreds of kinds.
        self._by_path: dict[str, list[_Matcher]] = {}
        self._with_ids: list[_Matcher] = []
        for kind in chain.from_iterable(kinds):
            same = self._with_ids if kind.has_ids else self._by_path.setdefault(kind.path, [])
            same.append(kind.compile())

    def require(self, request: Request) -> None:
        """Check that a request may be sent.

        Raises:
            DefinitionError: The request is not allowed; nothing was sent.
        """
        if not any(kind.matches(request) for kind in chain(self._by_path.get(request.path, ()), self._with_ids)):
            raise DefinitionError(
                f"{request.method} {request.path} is none of the manifest's read paths; nothing was sent"
            )


def allowed_reads(manifest: Manifest) -> Iterator[AllowedRequest]:
    """Yield the reads of a manifest: listings, single records and the credential check."""
    auth = manifest.adapter_file.auth
    yield AllowedRequest("GET", auth.verify, auth.verify_parameters)
    composed = manifest.adapter_file.composed_parameters
    for entity in manifest.entities.values():
        yield from _entity_reads(entity, composed)


def _entity_reads(entity: Entity, composed: Container[str]) -> Iterator[AllowedRequest]:
    endpoints, ids = entity.endpoints, _ID_PATTERNS[entity.id_format]
    for variant in entity.variants or ({},):
        given = {**entity.parameters, **variant}
        fixed = {name: text for name, text in given.items() if name not in composed}
        yield AllowedRequest("GET", entity.path + endpoints.list, fixed, ids)
    if endpoints.get is not None:
        yield AllowedRequest("GET", entity.path + endpoints.get, endpoints.get_parameters, ids)
    if entity.merges is not None:
        yield AllowedRequest("GET", entity.path + entity.merges.list)
