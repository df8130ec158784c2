"""Grants: who agreed to what, which tokens came of it, and what was done with each refresh token."""

import itertools
import secrets
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["spent", "kept", "spent twice", "revoked", "unknown"]


@dataclass(slots=True)
class Grant:
    """What one person agreed to; all tokens that came of it are one family, and go together."""

    number: int
    scopes: frozenset[str]
    is_revoked: bool = False
    refreshes: int = 0
    access: "AccessToken | None" = None
    """The newest; one that was replaced reads no more."""


@dataclass(slots=True)
class AccessToken:
    """A token that reads."""

    grant: Grant
    expires_at: float
    uses_left: int | None


@dataclass(slots=True)
class RefreshToken:
    """A token that is good for one use."""

    grant: Grant
    is_spent: bool = False


@dataclass(slots=True)
class Code:
    """What a person's consent is exchanged for, once."""

    grant: Grant
    redirect_uri: str
    challenge: str
    is_used: bool = False


@dataclass(slots=True)
class TokenLife:
    """How long access tokens are good."""

    access_seconds: float = 7200
    access_requests: int | None = None
    """So many requests use one up, where this is set."""
    rotates: bool = True
    """Whether a refresh brings another refresh token; otherwise the old one stays good (RFC 6749 6)."""


@dataclass(frozen=True, slots=True)
class RefreshAttempt:
    """One use of a refresh token."""

    sequence: int
    grant: int
    """0 for a token that nobody ever got."""
    outcome: Outcome
    at_seconds: float

    def as_json(self) -> dict[str, Any]:
        """Return it as the control surface shows it."""
        return {
            "sequence": self.sequence,
            "grant": self.grant,
            "outcome": self.outcome,
            "at_seconds": self.at_seconds,
        }


@dataclass(slots=True)
class Grants:
    """All grants of one source. Whoever spends a refresh token twice loses the whole family."""

    clock: Callable[[], float]
    life: TokenLife = field(default_factory=TokenLife)
    grants: dict[int, Grant] = field(default_factory=dict)
    attempts: list[RefreshAttempt] = field(default_factory=list)
    _codes: dict[str, Code] = field(default_factory=dict)
    _access: dict[str, AccessToken] = field(default_factory=dict)
    _refresh: dict[str, RefreshToken] = field(default_factory=dict)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    def agree(self, scopes: Collection[str]) -> Grant:
        """Let a person agree to these scopes."""
        number = next(self._numbers)
        self.grants[number] = Grant(number, frozenset(scopes))
        return self.grants[number]

    def issue_code(self, grant: Grant, redirect_uri: str, challenge: str) -> str:
        """Return a code for a grant."""
        code = secrets.token_hex(32)
        self._codes[code] = Code(grant, redirect_uri, challenge)
        return code

    def take_code(self, code: str) -> Code | None:
        """Return what a code stands for, the first time; a second time its tokens end (RFC 6749 4.1.2)."""
        found = self._codes.get(code)
        if found is None:
            return None
        if found.is_used:
            found.grant.is_revoked = True
            return None
        found.is_used = True
        return found

    def issue(self, grant: Grant) -> dict[str, Any]:
        """Return a new pair for a grant, as the token endpoint does."""
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
        """Return a new pair for a refresh token, once; nothing for one that is spent or whose grant is gone.

        Where tokens do not rotate, the answer has an access token alone, as often as it is asked for.
        """
        found = self._refresh.get(token)
        outcome: Outcome = "spent" if self.life.rotates else "kept"
        if found is None:
            outcome = "unknown"
        elif found.is_spent:
            outcome, found.grant.is_revoked = "spent twice", True
        elif found.grant.is_revoked:
            outcome = "revoked"
        number = found.grant.number if found else 0
        self.attempts.append(RefreshAttempt(len(self.attempts) + 1, number, outcome, self.clock()))
        if found is None or outcome not in {"spent", "kept"}:
            return None
        found.grant.refreshes += 1
        if outcome == "kept":
            return {name: said for name, said in self.issue(found.grant).items() if name != "refresh_token"}
        found.is_spent = True
        return self.issue(found.grant)

    def find(self, token: str) -> AccessToken | None:
        """Return an access token that was issued, whatever became of it."""
        return self._access.get(token)

    def use(self, token: AccessToken) -> bool:
        """Count a request; says whether the token still lasts for it."""
        if self.clock() >= token.expires_at or token.uses_left == 0:
            return False
        if token.uses_left is not None:
            token.uses_left -= 1
        return True

    def revoke(self, numbers: Collection[int] | None) -> int:
        """Let these grants be gone, or all of them; says how many were there."""
        found = [grant for grant in self.grants.values() if numbers is None or grant.number in numbers]
        for grant in found:
            grant.is_revoked = True
        return len(found)

    def expire(self) -> None:
        """Let all access tokens be past their end; refresh tokens are good."""
        for token in self._access.values():
            token.expires_at = 0

    def set_scopes(self, number: int, scopes: Collection[str]) -> None:
        """Let a grant hold for other scopes from now on."""
        self.grants[number].scopes = frozenset(scopes)

    def clear(self) -> None:
        """Leave no grant and no token."""
        for held in (self.grants, self.attempts, self._codes, self._access, self._refresh):
            held.clear()
        self.life = TokenLife()

    def as_json(self) -> dict[str, Any]:
        """Return what became of everything."""
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
