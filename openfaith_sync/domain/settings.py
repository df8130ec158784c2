"""What a deployment may set, from the environment it is given."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Where things are; every member has a default that works on a bare machine."""

    home: Path
    """What the embedded server and the development key live in."""
    manifests: Path
    database_url: str | None
    """``None`` for the embedded PostgreSQL."""
    secret_keys: tuple[str, ...]
    """Fernet keys, newest first; empty outside production."""
    public_url: str | None = None
    """Below which sources reach ``serve``; ``None``: no source is asked to announce anything."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Settings":
        """Read the settings from environment variables; an empty one counts as unset."""
        keys = environment.get("OPENFAITH_SECRET_KEYS", "")
        return cls(
            home=Path(environment.get("OPENFAITH_HOME") or ".openfaith").absolute(),
            manifests=_manifests(environment.get("OPENFAITH_MANIFESTS")),
            database_url=environment.get("OPENFAITH_DATABASE_URL") or None,
            secret_keys=tuple(key.strip() for key in keys.split(",") if key.strip()),
            public_url=environment.get("OPENFAITH_PUBLIC_URL") or None,
        )


def _manifests(given: str | None) -> Path:
    """Prefer what is given, then ``manifests/`` here, then the ones the package ships."""
    if given:
        return Path(given).absolute()
    package = Path(__file__).resolve().parents[1]
    here = Path("manifests").absolute()
    shipped = [here, package.parent / "manifests", package / "manifests"]
    return next((folder for folder in shipped if folder.is_dir()), here)
