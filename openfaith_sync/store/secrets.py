"""Credentials at rest: encrypted with keys that can be replaced one after the other."""

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from openfaith_sync.domain.errors import DefinitionError

VARIABLE = "OPENFAITH_SECRET_KEYS"
DEVELOPMENT_KEY = "secret.key"


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """The Fernet keys of a deployment, newest first; never shown."""

    home: Path
    given: tuple[str, ...] = field(default=(), repr=False)
    """Empty for a development key, made in ``home`` when it is first needed."""

    def encrypt(self, secret: bytes) -> bytes:
        """Encrypt with the newest key."""
        return self._keys().encrypt(secret)

    def decrypt(self, encrypted: bytes, whose: str) -> bytes:
        """Give what was encrypted with any of the keys.

        Raises:
            DefinitionError: With none of them.
        """
        try:
            return self._keys().decrypt(encrypted)
        except InvalidToken as error:
            place = VARIABLE if self.given else f"{self.home / DEVELOPMENT_KEY} ({VARIABLE} is not set)"
            raise DefinitionError(
                f"the credentials of {whose} were encrypted with a key that is not in {place}; "
                "add that key, or connect the org again"
            ) from error

    def _keys(self) -> MultiFernet:
        keys = self.given or (_development_key(self.home),)
        fernets = []
        for place, key in enumerate(keys, start=1):
            try:
                fernets.append(Fernet(key))
            except ValueError as error:
                raise DefinitionError(
                    f"key {place} of {len(keys)} in {VARIABLE} is not a Fernet key; make one with "
                    'python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
                ) from error
        return MultiFernet(fernets)


def _development_key(home: Path) -> str:
    """Give the key in ``home``, the same to every process that asks for it first."""
    path = home / DEVELOPMENT_KEY
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        draft = home / f".{DEVELOPMENT_KEY}.{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
        try:
            # Unlike a rename, a link never replaces the key that another process made.
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
