"""Identifiers: distinct types for strings that must never be swapped, and derived entity ids."""

import hashlib
import re
from dataclasses import dataclass
from typing import NewType

from openfaith_sync.domain.errors import UsageError

OrgId = NewType("OrgId", str)
AdapterName = NewType("AdapterName", str)
EntityName = NewType("EntityName", str)
ExternalId = NewType("ExternalId", str)
AccountId = NewType("AccountId", str)
"""The source's id of one of its accounts: for PCO, of a church's organization."""
EntityId = NewType("EntityId", str)

UNIDENTIFIED = "unreadable:"
"""Begins the ids that we make for rows which name none of their own; a hash of the content follows."""

PLACE = f"{UNIDENTIFIED}place:"
"""Begins the ids of places in a listing that the source does not serve; the record before the place follows."""

NOBODY = OrgId("-")
"""An org that there cannot be: what is looked up for it is not found."""

_ORG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def parse_org(text: str) -> OrgId:
    """Return an org's name: a slug that fits a URL, a partition key and a log line.

    Raises:
        UsageError: The name is not valid.
    """
    if not _ORG.fullmatch(text):
        raise UsageError(
            f"an org's name is 1 to 63 lower-case letters, digits and hyphens, not a hyphen first; found {text[:80]!r}"
        )
    return OrgId(text)


RECORDS = EntityName("$records")
"""What stands for the entity in the sync key of single records: one worker an org reads them."""


def merges_of(entity: EntityName) -> EntityName:
    """Return the name under which an entity's merges have their checkpoint and lease."""
    return EntityName(f"${entity}_merges")


def replays_of(entity: EntityName) -> EntityName:
    """Return the name under which replays of an entity's dead letters have their passes and lease."""
    return EntityName(f"${entity}_replays")


def is_listed(entity: EntityName) -> bool:
    """Return whether a sync key's entity is one, and not a name of ours for what else is done with its records."""
    return not entity.startswith("$")


_ALPHABET = b"0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's base32 in lower case, as the TypeID specification 0.3 has it."""
_DIGITS = 26
_FIRST, _VERSION, _VARIANT = 0, 10, 13
"""The digits that hold bits which a UUID fixes."""

# A digit is five bits, and a digest byte has five bits to give, so one C call
# spells the whole digest. Slicing a 128-bit number took three times as long,
# and every reference of every record needs an id.
_ANY_DIGIT = bytes(_ALPHABET[byte & 0b11111] for byte in range(256))
# 26 digits hold 130 bits: the two too many lead, and are 0.
_FIRST_DIGIT = bytes(_ALPHABET[byte & 0b00111] for byte in range(256))
# Version 8 (RFC 9562: vendor specific) is 1000 in bits 48 to 51, digit 10 but its last bit.
_VERSION_DIGIT = bytes(_ALPHABET[byte & 0b00001 | 0b10000] for byte in range(256))
# RFC 9562's variant is 10 in bits 64 and 65, the second and third of digit 13.
_VARIANT_DIGIT = bytes(_ALPHABET[byte & 0b10011 | 0b01000] for byte in range(256))


@dataclass(frozen=True, slots=True)
class SyncKey:
    """The org, adapter and entity that a checkpoint, lease or dead letter belongs to."""

    org: OrgId
    adapter: AdapterName
    entity: EntityName

    def __str__(self) -> str:
        """Return ``org/adapter/entity``."""
        return f"{self.org}/{self.adapter}/{self.entity}"


def derive_entity_id(org: OrgId, adapter: AdapterName, entity: EntityName, external_id: str) -> EntityId:
    """Return the TypeID of a record from its identity at the source, always the same one.

    The suffix is a UUID (version 8) made of a hash, in the 26-character base32
    of the TypeID specification 0.3. References to a record not stored yet are
    therefore right before it arrives.
    """
    return IdDeriver(org, adapter, entity)(external_id)


class IdDeriver:
    """Derives the ids of one entity of one org; the part they share is hashed once."""

    __slots__ = ("_hash", "_prefix")

    def __init__(self, org: OrgId, adapter: AdapterName, entity: EntityName) -> None:
        """Hash the part that all ids of this entity share."""
        self._hash = hashlib.blake2b(f"{org}\0{adapter}\0{entity}\0".encode(), digest_size=_DIGITS)
        self._prefix = f"{entity}_"

    def __call__(self, external_id: str) -> EntityId:
        """Return the entity id of this external id."""
        hashed = self._hash.copy()
        hashed.update(external_id.encode())
        digest = hashed.digest()
        digits = bytearray(digest.translate(_ANY_DIGIT))
        digits[_FIRST] = _FIRST_DIGIT[digest[_FIRST]]
        digits[_VERSION] = _VERSION_DIGIT[digest[_VERSION]]
        digits[_VARIANT] = _VARIANT_DIGIT[digest[_VARIANT]]
        return EntityId(self._prefix + digits.decode("ascii"))


def is_place(external_id: ExternalId) -> bool:
    """Return whether the id stands for a place in a listing that the source cannot serve, not for a record."""
    return external_id.startswith(PLACE)
