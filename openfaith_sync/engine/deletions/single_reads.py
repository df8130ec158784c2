"""Read single records by id in parallel, and report each as alive, gone or unknown."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from openfaith_sync.domain.errors import AccessDenied, TransientError
from openfaith_sync.domain.ids import EntityName, ExternalId
from openfaith_sync.domain.records.nesting import RecordPlace
from openfaith_sync.domain.records.record import RawRecord
from openfaith_sync.engine.passes.entity_session import EntitySession

FAILURES_OF_THE_SOURCE = 10
"""When so many reads fail and none succeeds, the source is failing; fewer may be records that it cannot show."""


@dataclass(frozen=True, slots=True)
class SingleRead:
    """The result of reading one record by its id."""

    external_id: ExternalId
    record: RawRecord | None = None
    """``None`` when the record is gone, or when the source refused to show it."""
    refusal: AccessDenied | TransientError | None = None
    """Why the source refused; this is evidence of nothing."""
    children: Mapping[EntityName, Sequence[RawRecord]] = field(default_factory=dict)
    """What came with the record."""

    @property
    def is_gone(self) -> bool:
        """Return whether the source has no such record: only a 404 or 410 says so."""
        return self.record is None and self.refusal is None


def read_records(session: EntitySession, wanted: Iterable[tuple[ExternalId, RecordPlace]]) -> Sequence[SingleRead]:
    """Read records by their ids, a nested one below its parent.

    Raises:
        TransientError: Many reads failed and none succeeded: the source is unreachable.
        ReconnectRequired: The credentials are refused.
    """
    with session.threads(session.manifest.adapter_file.paging.pages_in_flight) as threads:
        under_way = [threads.submit(partial(_read, session, *one)) for one in wanted]
        reads = [future.result() for future in under_way]
    failures = [single_read.refusal for single_read in reads if isinstance(single_read.refusal, TransientError)]
    if len(failures) == len(reads) >= FAILURES_OF_THE_SOURCE:
        raise failures[0]
    return reads


def _read(session: EntitySession, external_id: ExternalId, place: RecordPlace) -> SingleRead:
    try:
        fresh = session.source.read_record(session.key.entity, external_id, place.parent, place.ancestors)
    except (AccessDenied, TransientError) as refusal:
        return SingleRead(external_id, refusal=refusal)
    return SingleRead(external_id, fresh.record, children=fresh.children) if fresh else SingleRead(external_id)


def join_children(reads: Iterable[SingleRead]) -> dict[EntityName, list[RawRecord]]:
    """Return what came with several records, by entity."""
    found: dict[EntityName, list[RawRecord]] = {}
    for read in reads:
        for entity, records in read.children.items():
            found.setdefault(entity, []).extend(records)
    return found
