"""Opens the dialect that a manifest names; the only module that knows all dialects."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from zoneinfo import ZoneInfo

from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.dialects.json_api.dialect import JsonApiDialect
from openfaith_sync.adapters.dialects.json_list.documents import JsonDocuments
from openfaith_sync.adapters.dialects.pco.protocol import PcoWebhooks
from openfaith_sync.adapters.dialects.plain.dialect import PlainDialect
from openfaith_sync.adapters.dialects.port import Dialect, RecordSource, StoredRecords, WebhookProtocol
from openfaith_sync.adapters.dialects.source import DialectRecords, DialectSource
from openfaith_sync.adapters.dialects.xml.documents import XmlDocuments
from openfaith_sync.adapters.ports.answer_reader import AnswerReader
from openfaith_sync.domain.manifest.adapter_file import ORG_TIME_ZONE
from openfaith_sync.domain.manifest.manifest import Manifest

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class BoundDialect:
    """One adapter's dialect, bound to its manifest; hides the type of its documents."""

    answers: AnswerReader
    """Reads errors and accounts from responses, for the client."""
    open_source: Callable[[HttpClient], RecordSource]
    """Opens the records of a client's connection."""
    kept: StoredRecords
    """Reads what was kept of records, without a connection."""
    webhooks: WebhookProtocol | None = None
    """The source's webhooks, if it has any."""


def _bind(manifest: Manifest, dialect: Dialect[D], webhooks: WebhookProtocol | None = None) -> BoundDialect:
    return BoundDialect(
        dialect,
        lambda client: DialectSource(manifest, dialect, client),
        DialectRecords(manifest, dialect),
        webhooks,
    )


def _bind_pco(manifest: Manifest, _: ZoneInfo | None) -> BoundDialect:
    webhooks = PcoWebhooks(manifest) if manifest.adapter_file.has_webhooks else None
    return _bind(manifest, JsonApiDialect(manifest), webhooks)


DIALECTS: Mapping[str, Callable[[Manifest, ZoneInfo | None], BoundDialect]] = {
    "json_api": lambda manifest, _: _bind(manifest, JsonApiDialect(manifest)),
    "pco": _bind_pco,
    "json_list": lambda manifest, zone: _bind(manifest, PlainDialect(manifest, JsonDocuments(manifest), zone)),
    "xml": lambda manifest, zone: _bind(manifest, PlainDialect(manifest, XmlDocuments(manifest), zone)),
}
"""The factory of each dialect, by its name in manifests under ``dialect``."""


def open_dialect(manifest: Manifest, time_zone: str = "UTC") -> BoundDialect:
    """Return the dialect of a manifest, for an org in this time zone."""
    zone = manifest.adapter_file.time_zone
    name = time_zone if zone == ORG_TIME_ZONE else zone
    return DIALECTS[manifest.adapter_file.dialect](manifest, ZoneInfo(name) if name else None)
