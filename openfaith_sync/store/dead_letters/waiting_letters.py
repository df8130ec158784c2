"""The dead letters that a replay maps again, as the engine needs them."""

from collections.abc import Sequence

from openfaith_sync.domain.dead_letters.dead_letter import LetterFilter, WaitingLetter
from openfaith_sync.domain.ids import ExternalId, SyncKey
from openfaith_sync.store.database.org_connection import OrgConnection
from openfaith_sync.store.passes.leases import key_parameters

DESCRIBED = "concat(letter.field, ': ', letter.reason, ' (found ', letter.value_type, ')')"
"""As ``describe_reason`` has it."""

MATCHES_REASON = f"(%(reason)s::text IS NULL OR strpos(lower({DESCRIBED}), lower(%(reason)s)) > 0)"

_WAITING = f"""
SELECT letter.external_id, letter.parent_id, letter.occurrences, letter.read_since, letter.raw
FROM sync.dead_letters letter
WHERE letter.org_id = %(org)s AND letter.adapter = %(adapter)s AND letter.entity = %(entity)s
  AND letter.resolved_at IS NULL AND letter.is_whole AND letter.external_id > %(after)s
  AND (%(letter)s::bigint IS NULL OR letter.dead_letter_id = %(letter)s)
  AND (%(version)s::text IS NULL OR letter.manifest_version <> %(version)s) AND {MATCHES_REASON}
ORDER BY letter.external_id LIMIT %(most)s
"""  # noqa: S608  joined of our own constants


class DeadLetterStore(OrgConnection):
    """Implements ``engine.ports.dead_letters.DeadLetters``."""

    def load_waiting_letters(
        self, key: SyncKey, chosen: LetterFilter, after: ExternalId | None, most: int
    ) -> Sequence[WaitingLetter]:
        """Return the next dead letters after an id that wait and can be mapped again, ordered by external id."""
        org, adapter, entity = key_parameters(key)
        parameters = {
            "org": org,
            "adapter": adapter,
            "entity": entity,
            "after": after or "",
            "most": most,
            "letter": chosen.letter_id,
            "version": chosen.not_mapped_by,
            "reason": chosen.reason,
        }
        with self._using(key) as connection:
            return [WaitingLetter(*row) for row in connection.execute(_WAITING, parameters).fetchall()]
