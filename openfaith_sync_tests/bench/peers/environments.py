"""A virtual environment for each contender, made on its first use with the versions its requirements pin."""

import hashlib
import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parent / "scripts"
ROOT = Path(__file__).parents[3]
CACHE = ROOT / ".openfaith" / "bench"


def python_of(requirements: str) -> Path:
    """Return the interpreter of the environment with these requirements; installing them takes up to a minute."""
    pinned = SCRIPTS / requirements
    digest = hashlib.sha256(pinned.read_bytes()).hexdigest()[:12]
    folder = CACHE / f"{pinned.stem}-{digest}"
    ready, python = folder / "ready", folder / "bin" / "python"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*install, "--requirement", str(pinned)], check=True)
        ready.touch()
    return python
