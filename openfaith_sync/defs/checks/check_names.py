"""Which checks there are, and on which assets."""

from collections.abc import Mapping

from openfaith_sync.domain.canonical_tables import GIFTS
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.problems.problem import ProblemKind

CONNECTION = EntityName("connection")
"""The last part of the key of the asset that stands for each org's connection to an adapter."""

CONNECTION_CHECKS: Mapping[ProblemKind, str] = {
    ProblemKind.CONNECTION: "The source accepts the org's credentials, and lets it read what it could read before.",
    ProblemKind.OUTAGE: "The source responds.",
    ProblemKind.FRESHNESS: "The source was asked for changes as often as it should be.",
    ProblemKind.DELETIONS_HELD: "No deletions or older versions wait for a person's approval.",
    ProblemKind.COMPLETENESS: "Of every entity, the source counts as many records as are stored or set aside.",
    ProblemKind.DEAD_LETTERS: "No record was set aside because it could not be stored.",
    ProblemKind.REFERENCES: "All references lead to stored records.",
    ProblemKind.SCHEMA_DRIFT: "The source's records have the attributes and types that the manifest names.",
}
"""Every org has these checks on its connection, whatever the number of entities: one place to look at, worst first."""

ENTITY_CHECKS: Mapping[ProblemKind, str] = {
    ProblemKind.DELETIONS_HELD: "No deletions or older versions of this entity wait for a person's approval.",
    ProblemKind.DEAD_LETTERS: "No record of this entity was set aside because it could not be stored.",
}
"""Every entity has these checks too: here a person decides about its records."""

GIVING_CHECKS: Mapping[ProblemKind, str] = {
    ProblemKind.GIVING_TOTALS: (
        "Giving adds up: each gift is the sum of its parts, no refund is larger than its gift, each committed batch is "
        "the sum of its gifts (compared every night), and each month has as many gifts as the source counts (monthly)."
    ),
}
"""The entity of gifts has these as well: they are the treasurer's, and say nothing of the connection."""

ALL_IS_WELL: Mapping[ProblemKind, str] = {
    ProblemKind.CONNECTION: "the source accepts the org's credentials",
    ProblemKind.OUTAGE: "the source responds",
    ProblemKind.FRESHNESS: "the source was asked on time",
    ProblemKind.DELETIONS_HELD: "nothing waits for approval",
    ProblemKind.COMPLETENESS: "nothing is missing",
    ProblemKind.DEAD_LETTERS: "no record is set aside",
    ProblemKind.REFERENCES: "no reference leads nowhere",
    ProblemKind.SCHEMA_DRIFT: "the records are as the manifest says",
    ProblemKind.GIVING_TOTALS: "giving adds up",
}


def checks_of(entity: Entity) -> Mapping[ProblemKind, str]:
    """Return the checks on an entity's own asset."""
    return {**ENTITY_CHECKS, **GIVING_CHECKS} if entity.table == GIFTS else ENTITY_CHECKS
