"""Reads Planning Center's webhooks from a manifest."""

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.manifest.dialect_files import PcoFile, Webhooks
from openfaith_sync.domain.manifest.manifest import Manifest


def require_webhooks(manifest: Manifest) -> tuple[PcoFile, Webhooks]:
    """Return the adapter file and its webhooks.

    Raises:
        DefinitionError: The manifest has no webhooks.
    """
    adapter_file = manifest.adapter_file
    if not isinstance(adapter_file, PcoFile) or adapter_file.webhooks is None:
        raise DefinitionError(f"the {manifest.adapter} manifest has no webhooks")
    return adapter_file, adapter_file.webhooks
