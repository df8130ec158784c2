"""Invitations: a link with which a church connects itself, valid for days and for one connection.

Like a state (``authorizations.py``), the link names its org and adapter, so that every statement can name them
too; the rest of it is the secret, and only its hash is stored. It is used up in the transaction that stores the
connection, so that a church which declines, or whose consent fails, can open it again.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from openfaith_sync.domain.connections.connection import Hidden
from openfaith_sync.domain.errors import NotAuthorized, UsageError
from openfaith_sync.domain.ids import AdapterName, OrgId, parse_org
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection as Session
from openfaith_sync.store.postgres.statements import fetch_one

_LINK = re.compile(r"([a-z][a-z0-9_]{0,39})\.([a-z0-9-]{1,63})\.[A-Za-z0-9_-]{43}")

# A new link replaces the one before: whoever still has that one can do nothing with it.
_INVITE = """
INSERT INTO sync.invitations (org_id, adapter, secret_hash, asked_by, base_url, redirect_uri, scopes, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, now() + %s)
ON CONFLICT (org_id, adapter) DO UPDATE
SET secret_hash = EXCLUDED.secret_hash, asked_by = EXCLUDED.asked_by, base_url = EXCLUDED.base_url,
    redirect_uri = EXCLUDED.redirect_uri, scopes = EXCLUDED.scopes, made_at = now(),
    expires_at = EXCLUDED.expires_at, revoked_at = NULL, used_at = NULL, state_hash = NULL
RETURNING expires_at
"""
_STATE = """
CASE WHEN used_at IS NOT NULL THEN 'used' WHEN revoked_at IS NOT NULL THEN 'revoked'
     WHEN expires_at <= now() THEN 'expired' ELSE 'open' END
"""
_COLUMNS = f"SELECT org_id, adapter, secret_hash, asked_by, base_url, redirect_uri, scopes, expires_at, {_STATE}"
_FIND = f"""
{_COLUMNS} FROM sync.invitations
WHERE org_id = %s AND adapter = %s AND secret_hash = %s AND {_STATE} = 'open'
"""
_LIST = f"{_COLUMNS} FROM sync.invitations WHERE %(org)s::text IS NULL OR org_id = %(org)s ORDER BY 1, 2"
_REVOKE = f"""
UPDATE sync.invitations SET revoked_at = now()
WHERE org_id = %s AND (%s::text IS NULL OR adapter = %s) AND {_STATE} = 'open'
"""  # noqa: S608
# One statement, so that of two consents under one link only one finds it unused. Its time counts when the consent
# begins: who begins at the last moment has ten minutes for it.
# The same consent may use it again: its connection is stored again when nobody knows whether that succeeded.
_BY_HASH = """
WHERE org_id = %(org)s AND adapter = %(adapter)s AND secret_hash = %(hash)s
  AND (used_at IS NULL AND revoked_at IS NULL OR state_hash = %(state)s)
"""
_USE = f"UPDATE sync.invitations SET used_at = now(), state_hash = %(state)s {_BY_HASH}"  # noqa: S608
_UNUSED = f"SELECT FROM sync.invitations {_BY_HASH}"


class InvitationState(StrEnum):
    """Whether an invitation can still connect a church."""

    OPEN = "open"
    USED = "used"
    REVOKED = "revoked"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Invitation:
    """The newest invitation of an org to one adapter; its link is not stored."""

    org: OrgId
    adapter: AdapterName
    secret_hash: bytes = field(repr=False)
    asked_by: str
    base_url: str
    redirect_uri: str
    scopes: frozenset[str]
    expires_at: datetime
    state: InvitationState


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """An invitation that was just made, the only time that its link is known."""

    link: str = field(repr=False)
    """The end of the URL: adapter, org and secret."""
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class InvitedConsent:
    """One consent that was begun with an invitation."""

    invitation_hash: bytes = field(repr=False)
    state_hash: bytes = field(repr=False)


def invite(
    database: Database,
    org: OrgId,
    adapter: AdapterName,
    *,
    asked_by: str,
    base_url: str,
    redirect_uri: str,
    scopes: frozenset[str],
    good_for: timedelta,
) -> NewInvitation:
    """Make an invitation, which replaces the org's earlier one for this adapter."""
    link = Hidden(f"{adapter}.{org}.{secrets.token_urlsafe(32)}")
    asked = (asked_by, base_url, redirect_uri, sorted(scopes), good_for)
    with database.connect(org) as session:
        (expires_at,) = fetch_one(session, _INVITE, (org, adapter, _hash(link), *asked))
    return NewInvitation(link, expires_at)


def find_invitation(database: Database, link: str) -> Invitation:
    """Return the open invitation of a link.

    Raises:
        NotAuthorized: There is none: it was never made, or it was used, withdrawn or replaced, or has expired.
    """
    found = _LINK.fullmatch(link)
    if found is None:
        raise NotAuthorized("the invitation was not made here")
    adapter = AdapterName(found[1])
    try:
        org = parse_org(found[2])
    except UsageError:
        raise NotAuthorized("the invitation was not made here") from None
    with database.connect(org) as session:
        row = session.execute(_FIND, (org, adapter, _hash(link))).fetchone()
    if row is None:
        raise NotAuthorized("the invitation is unknown, was used or withdrawn, or has expired")
    return _read(row)


def list_invitations(database: Database, org: OrgId | None = None) -> list[Invitation]:
    """Return the newest invitation of each org, or of one, in order."""
    with database.connect_reading(org) as session:
        return [_read(row) for row in session.execute(_LIST, {"org": org})]


def revoke_invitations(database: Database, org: OrgId, adapter: AdapterName | None = None) -> int:
    """Withdraw an org's open invitations, and return how many there were."""
    with database.connect(org) as session:
        return session.execute(_REVOKE, (org, adapter, adapter)).rowcount


def require_unused(database: Database, org: OrgId, adapter: AdapterName, consent: InvitedConsent) -> None:
    """Return if an invitation could be used up now, so that no code is exchanged in vain.

    Raises:
        NotAuthorized: It was used, withdrawn or replaced.
    """
    with database.connect(org) as session:
        if session.execute(_UNUSED, _parameters(org, adapter, consent)).fetchone() is None:
            raise NotAuthorized("the invitation was used or withdrawn meanwhile")


def use_invitation_on(session: Session, org: OrgId, adapter: AdapterName, consent: InvitedConsent) -> None:
    """Use up an invitation in the caller's transaction.

    Raises:
        NotAuthorized: It was used, withdrawn or replaced.
    """
    with translated():
        if not session.execute(_USE, _parameters(org, adapter, consent)).rowcount:
            raise NotAuthorized("the invitation was used or withdrawn meanwhile")


def _parameters(org: OrgId, adapter: AdapterName, consent: InvitedConsent) -> dict[str, object]:
    return {"org": org, "adapter": adapter, "hash": consent.invitation_hash, "state": consent.state_hash}


def _read(row: tuple[Any, ...]) -> Invitation:
    org, adapter, secret_hash, asked_by, base_url, redirect_uri, scopes, expires_at, state = row
    return Invitation(
        OrgId(org), AdapterName(adapter), secret_hash, asked_by, base_url, redirect_uri, frozenset(scopes), expires_at,
        InvitationState(state),
    )  # fmt: skip


def _hash(link: str) -> bytes:
    return hashlib.sha256(link.encode()).digest()
