"""``python -m openfaith_sync.store.embedded stop [HOME]``: stop the embedded PostgreSQL server."""

import sys
from pathlib import Path

from openfaith_sync.store.postgres.embedded_server import stop_embedded

if __name__ == "__main__":
    words = sys.argv[1:]
    if words[:1] != ["stop"]:
        sys.exit("usage: python -m openfaith_sync.store.embedded stop [HOME]")
    stop_embedded(Path(words[1] if words[1:] else ".openfaith"))
