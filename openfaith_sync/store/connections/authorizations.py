"""Orgs that were sent to a source to agree: each state is good once, for ten minutes, for one org and adapter.

The state names its org and adapter, so that every statement can name them too; what makes it a secret is
the rest of it. Only its hash is stored, and the verifier encrypted.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from datetime import timedelta

from openfaith_sync.domain.connections.connection import Hidden
from openfaith_sync.domain.errors import UsageError
from openfaith_sync.domain.ids import AdapterName, OrgId, parse_org
from openfaith_sync.store.database.database import Database

GOOD_FOR = timedelta(minutes=10)
LONGEST_EXCHANGE = timedelta(minutes=15)
"""After a link's end, for who used it in its last moment; no callback takes longer with all its waiting."""
_FORGOTTEN_AFTER = timedelta(days=1)
_STATE = re.compile(r"([a-z][a-z0-9_]{0,39})\.([a-z0-9-]{1,63})\.[A-Za-z0-9_-]{43}")

_BEGIN = """
INSERT INTO sync.authorizations
  (org_id, adapter, state_hash, verifier, redirect_uri, base_url, scopes, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, now() + %s)
"""
_FORGET = "DELETE FROM sync.authorizations WHERE org_id = %s AND expires_at < now() - %s"
# One statement: of two that come with the same state, one finds it unused.
_TAKE = """
UPDATE sync.authorizations SET used_at = now()
WHERE org_id = %s AND adapter = %s AND state_hash = %s AND used_at IS NULL AND expires_at > now()
RETURNING verifier, redirect_uri, base_url, scopes
"""
_FINISH = """
UPDATE sync.authorizations SET finished_at = now(), failure = %s
WHERE org_id = %s AND adapter = %s AND state_hash = %s
"""
_LOOK = """
SELECT expires_at - now(), finished_at IS NOT NULL, failure, used_at IS NOT NULL FROM sync.authorizations
WHERE org_id = %s AND adapter = %s AND state_hash = %s
"""


class NotAuthorized(UsageError):
    """A state that is not good: never given out, expired, or used before."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What is sent along with an org; the state comes back with it, the verifier stays here."""

    state: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class PendingAuthorization:
    """What a state was given out for."""

    org: OrgId
    adapter: AdapterName
    sealed_verifier: bytes = field(repr=False)
    redirect_uri: str
    base_url: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class AuthorizationProgress:
    """Where an authorization is."""

    left: timedelta
    is_finished: bool
    failure: str | None
    is_used: bool

    @property
    def is_connected(self) -> bool:
        """Say whether the org was connected by it."""
        return self.is_used and self.is_finished and self.failure is None

    @property
    def is_under_way(self) -> bool:
        """Say whether it came back and is not settled yet; a process that died in between settles nothing."""
        return self.is_used and not self.is_finished and self.left > -LONGEST_EXCHANGE


def begin_authorization(
    database: Database, org: OrgId, adapter: AdapterName, base_url: str, redirect_uri: str, scopes: frozenset[str]
) -> Begun:
    """Return out a state; others of the org stay good for their time."""
    begun = Begun(f"{adapter}.{org}.{secrets.token_urlsafe(32)}", Hidden(secrets.token_urlsafe(48)))
    encrypted = database.keys.encrypt(begun.verifier.encode())
    parameters = (org, adapter, _hash(begun.state), encrypted, redirect_uri, base_url, sorted(scopes), GOOD_FOR)
    with database.connect(org) as session:
        session.execute(_FORGET, (org, _FORGOTTEN_AFTER))
        session.execute(_BEGIN, parameters)
    return begun


def take_authorization(database: Database, state: str) -> PendingAuthorization:
    """Return what a state stands for; it is good for nothing from now on.

    Raises:
        NotAuthorized: It never was good, or is not any more.
    """
    org, adapter = parse_state(state)
    with database.connect(org) as session:
        row = session.execute(_TAKE, (org, adapter, _hash(state))).fetchone()
    if row is None:
        raise NotAuthorized("the state is not known, has expired or was used before")
    verifier, redirect_uri, base_url, scopes = row
    return PendingAuthorization(org, adapter, verifier, redirect_uri, base_url, frozenset(scopes))


def open_verifier(database: Database, authorization: PendingAuthorization) -> str:
    """Return the verifier that the source wants with the code.

    Raises:
        DefinitionError: It was encrypted with a key that we do not have.
    """
    whose = f"{authorization.org}/{authorization.adapter}"
    return Hidden(database.keys.decrypt(authorization.sealed_verifier, whose).decode())


def finish_authorization(database: Database, state: str, failure: str | None = None) -> None:
    """Have whoever waits for it know that the org is connected, or why it is not."""
    org, adapter = parse_state(state)
    with database.connect(org) as session:
        session.execute(_FINISH, (failure, org, adapter, _hash(state)))


def load_progress(database: Database, state: str) -> AuthorizationProgress:
    """Return where an authorization is.

    Raises:
        NotAuthorized: There is none; the org may be removed by now.
    """
    org, adapter = parse_state(state)
    with database.connect(org) as session:
        row = session.execute(_LOOK, (org, adapter, _hash(state))).fetchone()
    if row is None:
        raise NotAuthorized("the authorization is not there any more")
    return AuthorizationProgress(*row)


def parse_state(state: str) -> tuple[OrgId, AdapterName]:
    """Return whom a state names; that it was ever given out is not known by this.

    Raises:
        NotAuthorized: It names nobody.
    """
    found = _STATE.fullmatch(state)
    if found is None:
        raise NotAuthorized("the state is none of ours")
    try:
        return parse_org(found[2]), AdapterName(found[1])
    except UsageError:
        raise NotAuthorized("the state is none of ours") from None


def _hash(state: str) -> bytes:
    return hashlib.sha256(state.encode()).digest()
