"""A problem: what is wrong now with an org, an adapter or an entity, and the command that helps.

Problems are read from the tables each time, so that one ends when its cause does. Asset checks, alerts and
``status`` all show the same ones.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from openfaith_sync.domain.ids import AdapterName, EntityName, OrgId


class ProblemKind(StrEnum):
    """The kind of a problem, worst first; its value names the asset check and the cause of the alert."""

    CONNECTION = "connection"
    """The source refuses the org's credentials, or an entity that the org could read before."""
    OUTAGE = "outage"
    """A source does not respond, or refuses an entity to many orgs at once."""
    FRESHNESS = "freshness"
    """The source was last asked longer ago than it should have been."""
    DELETIONS_HELD = "deletions_held"
    """Deletions, or older versions, wait for a person's approval."""
    COMPLETENESS = "completeness"
    """The source counted more records than are stored and set aside."""
    DEAD_LETTERS = "dead_letters"
    """Records were set aside, since they could not be stored."""
    REFERENCES = "references"
    """References lead to records that are not stored, though everything was read since."""
    SCHEMA_DRIFT = "schema_drift"
    """The source's records differ from what the manifest says of them."""
    GIVING_TOTALS = "giving_totals"
    """Amounts or numbers of gifts do not add up."""


class Severity(StrEnum):
    """Who ends a problem."""

    NEEDS_PERSON = "needs a person"
    HEALS = "heals by itself"


TOLD_THOUGH_IT_HEALS = frozenset({ProblemKind.OUTAGE, ProblemKind.FRESHNESS})
"""What people want to know at once, although it may end without them: nothing new comes meanwhile."""

WARNED_OF = frozenset({ProblemKind.GIVING_TOTALS})
"""What fails its asset check as a warning although it may end without people: whoever relies on it looks there."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong now. It holds no value of a record."""

    kind: ProblemKind
    adapter: AdapterName
    severity: Severity
    since: datetime
    detail: str
    """What is wrong, in one line without the command; up to its first colon, in a few words."""
    command: str
    """The complete command that helps."""
    org: OrgId | None = None
    """``None`` for a whole adapter; see ``orgs``."""
    orgs: frozenset[OrgId] = frozenset()
    """The affected orgs of a problem of a whole adapter."""
    entities: tuple[EntityName, ...] = ()
    """The affected entities; all of the connection if there are none."""
    count: int | None = None
    """How many records are affected, where records are."""

    @property
    def entity(self) -> EntityName | None:
        """The affected entity, if there is exactly one."""
        return self.entities[0] if len(self.entities) == 1 else None

    @property
    def summary(self) -> str:
        """What is wrong in a few words."""
        return self.detail.partition(": ")[0]

    @property
    def is_red(self) -> bool:
        """Return whether it fails its asset check and ``status --check``, and is alerted."""
        return self.severity is Severity.NEEDS_PERSON or self.kind in TOLD_THOUGH_IT_HEALS

    @property
    def is_told(self) -> bool:
        """Return whether people are alerted: of what is red, and of a source that changes."""
        return self.is_red or self.kind is ProblemKind.SCHEMA_DRIFT

    @property
    def is_warned_of(self) -> bool:
        """Return whether its asset check shows a warning, and nothing else tells of it."""
        return not self.is_red and self.kind in WARNED_OF

    @property
    def affected_orgs(self) -> frozenset[OrgId]:
        """The orgs that have this problem."""
        return self.orgs if self.org is None else frozenset({self.org})

    def affects(self, org: OrgId, entity: EntityName | None = None) -> bool:
        """Return whether an org has this problem, or one of its entities."""
        is_of_org = org in self.orgs if self.org is None else org == self.org
        return is_of_org and (entity is None or not self.entities or entity in self.entities)


_KINDS = list(ProblemKind)


def sort_key(problem: Problem) -> tuple[bool, int, bool, datetime, str, str, tuple[str, ...]]:
    """Return what sorts problems worst first; those of a whole adapter before those of one org."""
    return (
        not problem.is_red,
        _KINDS.index(problem.kind),
        problem.org is not None,
        problem.since,
        problem.adapter,
        problem.org or "",
        problem.entities,
    )
