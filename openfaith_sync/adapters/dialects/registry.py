"""Which dialect a manifest names: the one place that knows all of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar
from zoneinfo import ZoneInfo

from openfaith_sync.adapters.client.http_client import HttpClient
from openfaith_sync.adapters.dialects.json_api.dialect import JsonApiDialect
from openfaith_sync.adapters.dialects.json_list.documents import JsonDocuments
from openfaith_sync.adapters.dialects.pco.protocol import PcoWebhooks
from openfaith_sync.adapters.dialects.plain.dialect import PlainDialect
from openfaith_sync.adapters.dialects.port import Dialect, RecordSource, WebhookProtocol
from openfaith_sync.adapters.dialects.source import DialectSource
from openfaith_sync.adapters.dialects.xml.documents import XmlDocuments
from openfaith_sync.adapters.ports.answer_reader import AnswerReader
from openfaith_sync.domain.manifest.adapter_file import ORG_TIME_ZONE
from openfaith_sync.domain.manifest.manifest import Manifest

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class SpokenDialect:
    """One adapter's dialect, ready to be used; what its documents are is its own affair."""

    answers: AnswerReader
    """What a client must know of it."""
    open_source: Callable[[HttpClient], RecordSource]
    """Opens the records of a client's connection."""
    webhooks: WebhookProtocol | None = None
    """How the source announces changes, where it does."""


def _speak(manifest: Manifest, dialect: Dialect[D], webhooks: WebhookProtocol | None = None) -> SpokenDialect:
    return SpokenDialect(dialect, lambda client: DialectSource(manifest, dialect, client), webhooks)


def _speak_pco(manifest: Manifest, _: ZoneInfo | None) -> SpokenDialect:
    webhooks = PcoWebhooks(manifest) if manifest.adapter_file.has_webhooks else None
    return _speak(manifest, JsonApiDialect(manifest), webhooks)


DIALECTS: Mapping[str, Callable[[Manifest, ZoneInfo | None], SpokenDialect]] = {
    "json_api": lambda manifest, _: _speak(manifest, JsonApiDialect(manifest)),
    "pco": _speak_pco,
    "json_list": lambda manifest, zone: _speak(manifest, PlainDialect(manifest, JsonDocuments(manifest), zone)),
    "xml": lambda manifest, zone: _speak(manifest, PlainDialect(manifest, XmlDocuments(manifest), zone)),
}
"""How each dialect is spoken, by the name that manifests give under ``dialect``."""


def speak(manifest: Manifest, time_zone: str = "UTC") -> SpokenDialect:
    """Return the dialect of a manifest, for an org whose clocks show this time zone."""
    zone = manifest.adapter_file.time_zone
    name = time_zone if zone == ORG_TIME_ZONE else zone
    return DIALECTS[manifest.adapter_file.dialect](manifest, ZoneInfo(name) if name else None)
