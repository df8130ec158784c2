"""Does, when it is imported, what each command does first, so that forks of a process that did so need not.

Half of a second goes into what Dagster imports when its instance is opened, a quarter into the tables of phone
numbers and countries, a tenth into a manifest.
"""

from importlib import import_module

import dagster as dg

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.cli import COMMANDS
from openfaith_sync.domain.mapping.phone_numbers import parse_phone
from openfaith_sync.domain.mapping.vocabulary import parse_country
from openfaith_sync_tests.ten_entities import MANIFESTS

IMPORTED_LATE = (
    *COMMANDS.values(),
    # For a first request.
    "encodings.idna",
    # For a first line with colours.
    "rich._emoji_codes",
    # When an instance is opened.
    "dagster._core.secrets.env_file",
    "openfaith_sync.defs.instance.launcher",
    "openfaith_sync.defs.instance.storage",
    "openfaith_sync.defs.resources.partitions",
    "psycopg2.extras",
    "upath.implementations.local",
    # When a database is new.
    "openfaith_sync.store.schema.migrate",
)

for module in IMPORTED_LATE:
    import_module(module)
for name in list_adapters(MANIFESTS):
    read_manifest(MANIFESTS, name)
parse_country("Germany")
parse_phone("(212) 555-0123", "US")
with dg.DagsterInstance.ephemeral():
    pass
