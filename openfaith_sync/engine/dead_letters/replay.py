"""Replay the dead letters of an entity: map their raw records again, and store what the present manifest can map.

Nothing is requested from the source. Letters are committed in pages, by the rules of every page, and in passes of
their own, so that a replay neither waits for a walk of the entity nor ends its open pass. A replay that is killed
has settled whole pages; the next one maps the rest.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace

from openfaith_sync.domain.dead_letters.dead_letter import LetterFilter, WaitingLetter
from openfaith_sync.domain.dead_letters.replays import ReplayCounts, ReplayedLetters
from openfaith_sync.domain.errors import LeaseHeld
from openfaith_sync.domain.ids import EntityName, ExternalId, OrgId, SyncKey, replays_of
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.mapping.mapping import build_mapper, map_batch
from openfaith_sync.domain.passes.passes import Counts, Lease, PageCommit, PassId, PassStart, SyncMode
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.domain.records.record import RawRecord, Rejection, join_batches
from openfaith_sync.engine.passes.merges import follow
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.ports.source import KeptRecords
from openfaith_sync.engine.ports.store import Store

LETTERS_A_PAGE = 100
"""The size of a usual page, so that a replay holds no more in memory than a walk does."""

PAGES_WITH_A_SYNC = 100
"""A sync first replays at most so many pages: 10,000 letters, which take a few seconds."""


@dataclass(frozen=True, slots=True)
class Replay:
    """What the replay of one org's dead letters works with."""

    manifest: Manifest
    kept: KeptRecords
    store: Store
    org: OrgId
    trigger: str = "cli"
    run_id: str | None = None

    def run(self, entity: EntityName, chosen: LetterFilter, most_pages: int | None = None) -> ReplayCounts:
        """Replay the chosen dead letters of an entity; at most ``most_pages`` pages of them.

        Raises:
            LeaseHeld: Another worker is replaying dead letters of the entity.
        """
        key = SyncKey(self.org, self.manifest.adapter, entity)
        if not self.store.load_waiting_letters(key, chosen, None, 1):
            return ReplayCounts()
        own_key = replace(key, entity=replays_of(entity))
        with self.store.hold_lease(own_key, f"{socket.gethostname()} pid {os.getpid()}") as lease:
            counts = self._replay(key, lease, chosen, most_pages)
        # A letter may refer to a record that was merged since it was read.
        follow(self.manifest, self.store, key)
        return counts

    def _replay(self, key: SyncKey, lease: Lease, chosen: LetterFilter, most_pages: int | None) -> ReplayCounts:
        version = self.manifest.entity_fingerprint(key.entity)
        start = PassStart(SyncMode.REPLAY, self.trigger, version, self.run_id)
        opened = self.store.open_pass(lease, start, WalkPlace(()))
        builder = _PageBuilder(self, key.entity, opened.pass_id)
        total, pages, after = Counts(), 0, None
        while letters := self.store.load_waiting_letters(key, chosen, after, LETTERS_A_PAGE):
            if pages == most_pages:
                break
            counts = self.store.commit_page(lease, builder.build(letters))
            total, pages, after = total + counts[key.entity], pages + 1, letters[-1].external_id
        self.store.close_pass(lease, opened.pass_id, None, 0)
        return ReplayCounts(
            created=total.created,
            updated=total.updated,
            unchanged=total.unchanged,
            failed=total.dead,
            pages=pages,
            is_unfinished=bool(letters),
        )


def replay_outdated(session: Session, entity: EntityName) -> ReplayCounts:
    """Replay the dead letters of an entity that another manifest version mapped last, before it is walked.

    Those that fail again are mapped by this version then, so that each change of the manifest replays a letter once.
    """
    replay = Replay(session.manifest, session.source, session.store, session.org, session.trigger, session.run_id)
    outdated = LetterFilter(not_mapped_by=session.manifest.entity_fingerprint(entity))
    try:
        return replay.run(entity, outdated, PAGES_WITH_A_SYNC)
    except LeaseHeld:
        # The worker that holds it maps them.
        return ReplayCounts()


class _PageBuilder:
    """Maps dead letters of one entity, and makes pages of them."""

    def __init__(self, replay: Replay, entity: EntityName, pass_id: PassId) -> None:
        self._kept, self._entity, self._pass_id = replay.kept, entity, pass_id
        manifest = replay.manifest
        self._mapper = build_mapper(manifest.entities[entity], replay.org, manifest.adapter, manifest.entities)

    def build(self, letters: Sequence[WaitingLetter]) -> PageCommit:
        """Return the page of these letters."""
        mapped = [map_batch(self._mapper, self._entity, (self._parse(letter),)) for letter in letters]
        became: dict[ExternalId, tuple[ExternalId, ...]] = {}
        rejected: list[Rejection] = []
        for letter, one in zip(letters, mapped, strict=True):
            for record in one.records:
                became[record.external_id] = (*became.get(record.external_id, ()), letter.external_id)
            # By the id of the letter: a record without an id of its own has another one each time its content changes.
            rejected += [replace(bad, external_id=letter.external_id) for bad in one.rejected]
        return PageCommit(
            pass_id=self._pass_id,
            place=WalkPlace(()),
            batches=(replace(join_batches(mapped), rejected=tuple(rejected)),),
            requests=0,
            replayed=ReplayedLetters(
                read_since=min(letter.read_since for letter in letters),
                occurrences={letter.external_id: letter.occurrences for letter in letters},
                became=became,
            ),
        )

    def _parse(self, letter: WaitingLetter) -> RawRecord:
        return self._kept.parse_stored(self._entity, letter.raw, letter.parent_id)
