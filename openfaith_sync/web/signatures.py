"""Verify that a delivery was signed with one of our secrets."""

import hashlib
import hmac
from collections.abc import Container, Iterable, Mapping, Sequence

# Verifying against it costs as much as against a real secret. It is created at start and signs nothing.
_DUMMY_SECRET = hashlib.sha256(object().__repr__().encode()).digest()
_SECRETS_PER_NAME = 2
_USUAL_NAMES = 32


def candidates(
    secrets: Mapping[str, tuple[bytes, ...]], announced: Container[str], name: str
) -> tuple[Sequence[bytes], int]:
    """Return the secrets that may have signed a delivery of this event name, and how many checks a refusal must cost.

    A name that is missing, or no longer in the manifest, may still belong to one of the org's
    subscriptions, so all secrets are tried.
    """
    if name in announced:
        return secrets.get(name, ()), _SECRETS_PER_NAME
    return [secret for values in secrets.values() for secret in values], _SECRETS_PER_NAME * _USUAL_NAMES


def is_signed(body: bytes, signature: str, secrets: Iterable[bytes], minimum_checks: int) -> bool:
    """Return whether the signature is the hex HMAC-SHA256 of the raw body under one of the secrets.

    A refusal costs at least ``as_many_as`` signatures for any org, so that the time taken does not
    reveal which orgs exist. Comparing takes the same time wherever two signatures differ.
    """
    checked = 0
    presented = signature.strip().lower().encode()
    for secret in secrets:
        if hmac.compare_digest(hmac.digest(secret, body, "sha256").hex().encode(), presented):
            return True
        checked += 1
    for _ in range(minimum_checks - checked):
        hmac.compare_digest(hmac.digest(_DUMMY_SECRET, body, "sha256").hex().encode(), presented)
    return False
