"""Encryption of stored secrets, with keys that can be rotated."""

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.store.postgres.folders import require_folder

VARIABLE = "OPENFAITH_SECRET_KEYS"
DEVELOPMENT_KEY = "secret.key"
_HOW_TO_MAKE = (
    'make one with: python -c "from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())"'
)


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """The Fernet keys of a deployment, newest first; never shown."""

    home: Path
    given: tuple[str, ...] = field(default=(), repr=False)
    """Empty for a development key, created in ``home`` on first use."""
    is_production: bool = False
    """Whether the database is the operator's own: its key is then never generated next to the code."""

    def require(self) -> None:
        """Check that there are usable keys.

        Raises:
            DefinitionError: There are none, or one of them is not a key.
        """
        self._fernets()

    def encrypt(self, secret: bytes) -> bytes:
        """Encrypt with the newest key."""
        return self._fernets()[0].encrypt(secret)

    def re_encrypt(self, encrypted: bytes) -> bytes | None:
        """Return the same secret under the newest key; ``None`` if none of our keys decrypts it."""
        try:
            return MultiFernet(self._fernets()).rotate(encrypted)
        except InvalidToken:
            return None

    def holder(self, encrypted: bytes) -> int | None:
        """Return the position of the key that encrypted this, 0 for the newest; ``None`` if none of ours did."""
        for place, fernet in enumerate(self._fernets()):
            try:
                fernet.decrypt(encrypted)
            except InvalidToken:
                continue
            return place
        return None

    def derive_password(self, purpose: str) -> str:
        """Return a password for one purpose, the same in every process with the same newest key."""
        return hmac.new(self._all()[0].encode(), purpose.encode(), hashlib.sha256).hexdigest()

    @property
    def fingerprints(self) -> list[str]:
        """Return what distinguishes the keys, newest first, without revealing them."""
        return [hashlib.sha256(key.encode()).hexdigest()[:8] for key in self._all()]

    def decrypt(self, encrypted: bytes, whose: str) -> bytes:
        """Decrypt what was encrypted with any of the keys.

        Raises:
            DefinitionError: None of the keys decrypts it.
        """
        try:
            return MultiFernet(self._fernets()).decrypt(encrypted)
        except InvalidToken as error:
            place = VARIABLE if self.given else f"{self.home / DEVELOPMENT_KEY} ({VARIABLE} is not set)"
            raise DefinitionError(
                f"the credentials of {whose} are encrypted with a key that is not in {place}; "
                "add that key, or reconnect the org"
            ) from error

    def _all(self) -> tuple[str, ...]:
        if self.given:
            return self.given
        if self.is_production:
            raise DefinitionError(
                f"{VARIABLE} is not set, and for your own database (OPENFAITH_DATABASE_URL) no key is generated: "
                f"{_HOW_TO_MAKE}; if credentials were stored without it, use what is in {self.home / DEVELOPMENT_KEY}"
            )
        return (_development_key(self.home),)

    def _fernets(self) -> list[Fernet]:
        # No key is assigned to a variable here, where an error tracker would record it.
        count = len(self._all())
        wrong = [place for place, key in enumerate(self._all(), start=1) if not _is_key(key)]
        if wrong:
            raise DefinitionError(f"key {wrong[0]} of {count} in {VARIABLE} is not a Fernet key; {_HOW_TO_MAKE}")
        return [Fernet(key) for key in self._all()]


def _is_key(text: str) -> bool:
    try:
        Fernet(text)
    except ValueError:
        return False
    return True


def _development_key(home: Path) -> str:
    """Return the key in ``home``, the same for all processes that use it first at the same time."""
    path = home / DEVELOPMENT_KEY
    if not path.exists():
        require_folder(home, "OPENFAITH_HOME")
        draft = home / f".{DEVELOPMENT_KEY}.{secrets.token_hex(8)}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(Fernet.generate_key())
        try:
            # Unlike a rename, a link never replaces the key that another process created.
            path.hardlink_to(draft)
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text().strip()
