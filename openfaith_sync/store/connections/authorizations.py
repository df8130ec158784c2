"""OAuth authorizations in progress: each state is valid once, for ten minutes, for one org and adapter.

The state names its org and adapter, so that every statement can name them too; the rest of it is the
secret. Only its hash is stored, and the verifier is encrypted.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from openfaith_sync.domain.connections.connection import Hidden
from openfaith_sync.domain.errors import NotAuthorized, UsageError
from openfaith_sync.domain.ids import AdapterName, OrgId, parse_org
from openfaith_sync.store.connections.invitations import InvitedConsent
from openfaith_sync.store.database.database import Database

GOOD_FOR = timedelta(minutes=10)
LONGEST_EXCHANGE = timedelta(minutes=15)
"""After a link's end, for a person who used it at the last moment; no callback takes longer, including its retries."""
_FORGOTTEN_AFTER = timedelta(days=1)
_STATE = re.compile(r"([a-z][a-z0-9_]{0,39})\.([a-z0-9-]{1,63})\.[A-Za-z0-9_-]{43}")

_BEGIN = """
INSERT INTO sync.authorizations
  (org_id, adapter, state_hash, verifier, redirect_uri, base_url, scopes, invitation_hash, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now() + %s)
"""
_FORGET = "DELETE FROM sync.authorizations WHERE org_id = %s AND expires_at < now() - %s"
# One statement, so that of two requests with the same state only one finds it unused.
_TAKE = """
UPDATE sync.authorizations SET used_at = now()
WHERE org_id = %s AND adapter = %s AND state_hash = %s AND used_at IS NULL AND expires_at > now()
RETURNING verifier, redirect_uri, base_url, scopes, invitation_hash
"""
_FINISH = """
UPDATE sync.authorizations SET finished_at = now(), failure = %s
WHERE org_id = %s AND adapter = %s AND state_hash = %s
"""
_LOOK = """
SELECT expires_at - now(), finished_at IS NOT NULL, failure, used_at IS NOT NULL FROM sync.authorizations
WHERE org_id = %s AND adapter = %s AND state_hash = %s
"""


@dataclass(frozen=True, slots=True)
class StartedAuthorization:
    """A started authorization: the source returns the state, and the verifier stays here."""

    state: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PendingAuthorization:
    """What a state was issued for."""

    org: OrgId
    adapter: AdapterName
    sealed_verifier: bytes = field(repr=False)
    redirect_uri: str
    base_url: str
    scopes: frozenset[str]
    invited: InvitedConsent | None = None
    """The invitation that it was begun with; ``None`` for ``org connect``."""


@dataclass(frozen=True, slots=True)
class AuthorizationProgress:
    """The progress of an authorization."""

    left: timedelta
    is_finished: bool
    failure: str | None
    is_used: bool

    @property
    def is_connected(self) -> bool:
        """Return whether the authorization connected the org."""
        return self.is_used and self.is_finished and self.failure is None

    @property
    def is_under_way(self) -> bool:
        """Return whether its state was used and it has not finished; if the process died, it never finishes."""
        return self.is_used and not self.is_finished and self.left > -LONGEST_EXCHANGE


def begin_authorization(
    database: Database,
    org: OrgId,
    adapter: AdapterName,
    base_url: str,
    redirect_uri: str,
    scopes: frozenset[str],
    invitation: bytes | None = None,
) -> StartedAuthorization:
    """Issue a state; earlier states of the org stay valid for their time."""
    started = StartedAuthorization(f"{adapter}.{org}.{secrets.token_urlsafe(32)}", Hidden(secrets.token_urlsafe(48)))
    encrypted = database.keys.encrypt(started.verifier.encode())
    asked = (redirect_uri, base_url, sorted(scopes), invitation)
    parameters = (org, adapter, _hash(started.state), encrypted, *asked, GOOD_FOR)
    with database.connect(org) as session:
        session.execute(_FORGET, (org, _FORGOTTEN_AFTER))
        session.execute(_BEGIN, parameters)
    return started


def take_authorization(database: Database, state: str) -> PendingAuthorization:
    """Return what a state was issued for, and invalidate the state.

    Raises:
        NotAuthorized: The state was never valid, or no longer is.
    """
    org, adapter = parse_state(state)
    with database.connect(org) as session:
        row = session.execute(_TAKE, (org, adapter, _hash(state))).fetchone()
    if row is None:
        raise NotAuthorized("the state is unknown, has expired or was already used")
    verifier, redirect_uri, base_url, scopes, invitation = row
    invited = None if invitation is None else InvitedConsent(invitation, _hash(state))
    return PendingAuthorization(org, adapter, verifier, redirect_uri, base_url, frozenset(scopes), invited)


def open_verifier(database: Database, authorization: PendingAuthorization) -> str:
    """Return the verifier that the source requires with the code.

    Raises:
        DefinitionError: It is encrypted with a key that we do not have.
    """
    whose = f"{authorization.org}/{authorization.adapter}"
    return Hidden(database.keys.decrypt(authorization.sealed_verifier, whose).decode())


def finish_authorization(database: Database, state: str, failure: str | None = None) -> None:
    """Report to the waiting process that the org is connected, or why it is not."""
    org, adapter = parse_state(state)
    with database.connect(org) as session:
        session.execute(_FINISH, (failure, org, adapter, _hash(state)))


def load_progress(database: Database, state: str) -> AuthorizationProgress:
    """Return the progress of an authorization.

    Raises:
        NotAuthorized: It does not exist; the org may have been removed.
    """
    org, adapter = parse_state(state)
    with database.connect(org) as session:
        row = session.execute(_LOOK, (org, adapter, _hash(state))).fetchone()
    if row is None:
        raise NotAuthorized("the authorization no longer exists")
    return AuthorizationProgress(*row)


def parse_state(state: str) -> tuple[OrgId, AdapterName]:
    """Return the org and adapter that a state names; this does not prove that the state was ever issued.

    Raises:
        NotAuthorized: The text is not a state.
    """
    found = _STATE.fullmatch(state)
    if found is None:
        raise NotAuthorized("the state was not issued here")
    try:
        return parse_org(found[2]), AdapterName(found[1])
    except UsageError:
        raise NotAuthorized("the state was not issued here") from None


def _hash(state: str) -> bytes:
    return hashlib.sha256(state.encode()).digest()
