"""Grants, the tokens issued under them, and each use of a refresh token."""

import itertools
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["spent", "kept", "spent twice", "revoked", "unknown"]


@dataclass(slots=True)
class OAuthGrant:
    """What one person consented to; all tokens issued under it form one family and are revoked together."""

    number: int
    scopes: frozenset[str]
    is_revoked: bool = False
    refreshes: int = 0
    access: "AccessToken | None" = None
    """The newest access token; a replaced one no longer works."""


@dataclass(slots=True)
class AccessToken:
    """A token that authorizes reads."""

    grant: OAuthGrant
    expires_at: float
    uses_left: int | None


@dataclass(slots=True)
class RefreshToken:
    """A token that can be used once."""

    grant: OAuthGrant
    is_spent: bool = False


@dataclass(slots=True)
class AuthorizationCode:
    """A code that can be exchanged for tokens once."""

    grant: OAuthGrant
    redirect_uri: str
    challenge: str
    is_used: bool = False


@dataclass(slots=True)
class TokenLife:
    """How long access tokens are valid."""

    access_seconds: float = 7200
    access_requests: int | None = None
    """The number of requests that an access token is good for, if limited."""
    rotates: bool = True
    """Whether a refresh issues a new refresh token; otherwise the old one stays valid (RFC 6749 6)."""


@dataclass(frozen=True, slots=True)
class RefreshAttempt:
    """One use of a refresh token."""

    sequence: int
    grant: int
    """0 for a token that was never issued."""
    outcome: Outcome
    at_seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return the attempt as the control surface shows it."""
        return {
            "sequence": self.sequence,
            "grant": self.grant,
            "outcome": self.outcome,
            "at_seconds": self.at_seconds,
        }


@dataclass(slots=True)
class Grants:
    """All grants of one source. Using a refresh token twice revokes its whole family."""

    clock: Callable[[], float]
    life: TokenLife = field(default_factory=TokenLife)
    grants: dict[int, OAuthGrant] = field(default_factory=dict)
    attempts: list[RefreshAttempt] = field(default_factory=list)
    _codes: dict[str, AuthorizationCode] = field(default_factory=dict)
    _access: dict[str, AccessToken] = field(default_factory=dict)
    _refresh: dict[str, RefreshToken] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def agree(self, scopes: Collection[str]) -> OAuthGrant:
        """Record a person's consent to these scopes."""
        number = next(self._numbers)
        self.grants[number] = OAuthGrant(number, frozenset(scopes))
        return self.grants[number]

    def issue_code(self, grant: OAuthGrant, redirect_uri: str, challenge: str) -> str:
        """Return a new code for a grant."""
        code = secrets.token_hex(32)
        self._codes[code] = AuthorizationCode(grant, redirect_uri, challenge)
        return code

    def take_code(self, code: str) -> AuthorizationCode | None:
        """Return the code's record on its first use; a second use revokes its tokens (RFC 6749 4.1.2)."""
        grant_code = self._codes.get(code)
        if grant_code is None:
            return None
        if grant_code.is_used:
            grant_code.grant.is_revoked = True
            return None
        grant_code.is_used = True
        return grant_code

    def issue(self, grant: OAuthGrant) -> dict[str, Any]:
        """Return new tokens for a grant, as the token endpoint does."""
        access, refresh, now = secrets.token_hex(32), secrets.token_hex(32), self.clock()
        grant.access = AccessToken(grant, now + self.life.access_seconds, self.life.access_requests)
        self._access[access] = grant.access
        self._refresh[refresh] = RefreshToken(grant)
        return {
            "access_token": access,
            "token_type": "bearer",
            "expires_in": int(self.life.access_seconds),
            "refresh_token": refresh,
            "scope": " ".join(sorted(grant.scopes)),
            "created_at": int(now),
        }

    def refresh(self, token: str) -> dict[str, Any] | None:
        """Return new tokens for a refresh token; nothing if it was used before or its grant was revoked.

        Where tokens do not rotate, the response has only an access token, and the token can be used again.
        """
        refresh_token = self._refresh.get(token)
        outcome: Outcome = "spent" if self.life.rotates else "kept"
        if refresh_token is None:
            outcome = "unknown"
        elif refresh_token.is_spent:
            outcome, refresh_token.grant.is_revoked = "spent twice", True
        elif refresh_token.grant.is_revoked:
            outcome = "revoked"
        number = refresh_token.grant.number if refresh_token else 0
        self.attempts.append(RefreshAttempt(len(self.attempts) + 1, number, outcome, self.clock()))
        if refresh_token is None or outcome not in {"spent", "kept"}:
            return None
        refresh_token.grant.refreshes += 1
        if outcome == "kept":
            return {name: value for name, value in self.issue(refresh_token.grant).items() if name != "refresh_token"}
        refresh_token.is_spent = True
        return self.issue(refresh_token.grant)

    def find(self, token: str) -> AccessToken | None:
        """Return an access token that was issued, even if it no longer works."""
        return self._access.get(token)

    def use(self, token: AccessToken) -> bool:
        """Count a request, and return whether the token is still valid for it."""
        if self.clock() >= token.expires_at or token.uses_left == 0:
            return False
        if token.uses_left is not None:
            token.uses_left -= 1
        return True

    def revoke(self, numbers: Collection[int] | None) -> int:
        """Revoke these grants, or all of them, and return how many existed."""
        grants = [grant for grant in self.grants.values() if numbers is None or grant.number in numbers]
        for grant in grants:
            grant.is_revoked = True
        return len(grants)

    def expire(self) -> None:
        """Expire all access tokens; refresh tokens stay valid."""
        for token in self._access.values():
            token.expires_at = 0

    def set_scopes(self, number: int, scopes: Collection[str]) -> None:
        """Change the scopes of a grant."""
        self.grants[number].scopes = frozenset(scopes)

    def clear(self) -> None:
        """Remove all grants and tokens."""
        for records in (self.grants, self.attempts, self._codes, self._access, self._refresh):
            records.clear()
        self.life = TokenLife()

    def as_json(self) -> dict[str, Any]:
        """Return all grants and refresh attempts."""
        return {
            "grants": [
                {
                    "number": grant.number,
                    "scopes": sorted(grant.scopes),
                    "is_revoked": grant.is_revoked,
                    "refreshes": grant.refreshes,
                }
                for grant in self.grants.values()
            ],
            "refreshes": [attempt.as_json() for attempt in self.attempts],
            "spent_twice": sum(attempt.outcome == "spent twice" for attempt in self.attempts),
        }
