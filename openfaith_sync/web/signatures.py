"""Whether a delivery was signed by someone who knows a secret of ours."""

import hashlib
import hmac
from collections.abc import Container, Iterable, Mapping, Sequence

# Costs what a real one costs, and signs nothing: it is made when the process starts.
_NOBODYS = hashlib.sha256(object().__repr__().encode()).digest()
_SECRETS_A_NAME = 2
_USUAL_NAMES = 32


def candidates(
    secrets: Mapping[str, tuple[bytes, ...]], announced: Container[str], name: str
) -> tuple[Sequence[bytes], int]:
    """Return the secrets that a delivery of this event name may be signed with, and how many a refusal must cost.

    A name that the manifest has no more, or that is missing, may still be that of one of the org's
    subscriptions, so all are tried.
    """
    if name in announced:
        return secrets.get(name, ()), _SECRETS_A_NAME
    return [secret for found in secrets.values() for secret in found], _SECRETS_A_NAME * _USUAL_NAMES


def is_signed(body: bytes, given: str, secrets: Iterable[bytes], as_many_as: int) -> bool:
    """Say whether the signature is the hex HMAC-SHA256 of the raw body under one of the secrets.

    A refusal costs at least ``as_many_as`` signatures, whoever is asked for: the time it takes
    does not tell which orgs there are. Comparing takes the same time wherever two differ.
    """
    tried = 0
    presented = given.strip().lower().encode()
    for secret in secrets:
        if hmac.compare_digest(hmac.digest(secret, body, "sha256").hex().encode(), presented):
            return True
        tried += 1
    for _ in range(as_many_as - tried):
        hmac.compare_digest(hmac.digest(_NOBODYS, body, "sha256").hex().encode(), presented)
    return False
