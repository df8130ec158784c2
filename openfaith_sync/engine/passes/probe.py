"""Ask the source whether an entity has changed, so that an unchanged org starts no run.

One request where the source can order by version: the newest page is mapped and
compared with what is stored. Only the time of the check is written.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from openfaith_sync.domain.dead_letters.dead_letter import LetterFilter
from openfaith_sync.domain.ids import EntityName, ExternalId, SyncKey
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import DeltaCapability
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.manifest.nested_keys import path_parameters
from openfaith_sync.domain.passes.listing import MOST_PROBED_PAGES, ListingQuery, Order
from openfaith_sync.domain.passes.passes import Checkpoint
from openfaith_sync.domain.records.riding import comes_along, riders_of, rides
from openfaith_sync.engine.passes.list_probe import ListProbe
from openfaith_sync.engine.passes.page_fetching import Fetcher
from openfaith_sync.engine.passes.session import Session
from openfaith_sync.engine.passes.watermarks import is_ahead, look_back
from openfaith_sync.engine.passes.windowed_source import listed_for_changes
from openfaith_sync.engine.ports.passes import Passes
from openfaith_sync.engine.ports.source import Source


@dataclass(frozen=True, slots=True)
class Probe:
    """Whether an entity needs a run."""

    has_work: bool
    reason: str
    """For a person."""
    requests: int


def probe_entity(session: Session, entity: EntityName) -> Probe:
    """Return whether a delta of an entity would change anything.

    What may lie below the newest page and above the watermark less its overlap is
    read by the next delta, since a probe never moves a watermark.

    Raises:
        SyncError: The source or the store failed; nothing is known then.
    """
    store, manifest = session.store, session.manifest
    probed, key = manifest.entities[entity], session.key(entity)
    checkpoint = store.load_checkpoint(key)
    unfinished = _unfinished(store, key, checkpoint, manifest.entity_fingerprint(entity))
    if unfinished is None and _has_new_riders(session, entity):
        unfinished = "its riders were not read with all of its records yet"
    if unfinished is None and _has_outdated_letters(session, entity):
        unfinished = "dead letters wait to be mapped by the present manifest"
    if unfinished:
        return Probe(has_work=True, reason=unfinished, requests=0)
    if rides(probed) or comes_along(manifest.entities, probed):
        # What its carriers' pages brought, and nothing else, makes it differ from what they name.
        probe = Probe(has_work=False, reason="nothing new came with other records", requests=0)
    elif probed.parent is not None:
        lists = ListProbe(session, entity)
        work = lists.find_work()
        probe = Probe(work is not None, work or "nothing new", lists.requests)
    elif probed.delta.by is DeltaCapability.NONE:
        probe = _probe_each(probed, lambda variant: _probe_whole(session, probed, variant))
    else:
        probe = _probe_each(probed, lambda variant: _probe_newest(session, probed, checkpoint, variant))
    if not probe.has_work:
        store.note_checked(key)
    return probe


def probe_access(manifest: Manifest, source: Source, entity: EntityName, parent: ExternalId | None = None) -> bool:
    """Request one record of an entity to find out whether the source refuses it; nothing is stored.

    Returns whether that was found out: a nested entity can only be asked for below a parent, and not if its path has
    further path parameters, or if a 404 means that a parent has no record.

    Raises:
        AccessDenied: It does.
        SyncError: Nothing is known.
    """
    probed = manifest.entities[entity]
    if probed.nested is not None and (
        parent is None or probed.nested.one or any(path_parameters(probed.endpoints.list))
    ):
        return False
    source.read_page(ListingQuery(entity, size=1, parent=parent))
    return True


def _unfinished(store: Passes, key: SyncKey, checkpoint: Checkpoint, version: str) -> str | None:
    """Return why a run is needed regardless of the source."""
    if checkpoint.open_pass is not None:
        return "a pass was not finished"
    if checkpoint.completed_at is None:
        return "it was never synced"
    if checkpoint.manifest_version != version:
        return "the manifest changed"
    return "its records were sideloaded" if store.load_rider(key) else None


def _has_new_riders(session: Session, entity: EntityName) -> bool:
    """Return whether a rider of the entity waits for a full walk."""
    manifest, store = session.manifest, session.store
    riders = riders_of(manifest, entity)
    return any(not store.has_ridden(session.key(one), manifest.entity_fingerprint(one)) for one in riders)


def _has_outdated_letters(session: Session, entity: EntityName) -> bool:
    """Return whether dead letters wait that the present manifest was not tried on: a sync replays them."""
    outdated = LetterFilter(not_mapped_by=session.manifest.entity_fingerprint(entity))
    return bool(session.store.load_waiting_letters(session.key(entity), outdated, None, 1))


def _probe_each(entity: Entity, probe_variant: Callable[[int], Probe]) -> Probe:
    """Probe each variant of a listing, until one has work."""
    requests = 0
    for variant in range(entity.variants_count):
        probe = probe_variant(variant)
        requests += probe.requests
        if probe.has_work:
            break
    return replace(probe, requests=requests)


def _probe_newest(session: Session, entity: Entity, checkpoint: Checkpoint, variant: int) -> Probe:
    is_filtered, watermark = entity.delta.by is DeltaCapability.FILTER, checkpoint.watermark
    lower = look_back(watermark, entity.delta.overlap) if watermark and is_filtered else None
    key = session.key(entity.name)
    fetcher = Fetcher(session.manifest, session.source, session.org, entity.name)
    # A record names its riders only where they are asked for; without these names each would differ from ours.
    query = ListingQuery(entity.name, Order.VERSION_DESCENDING, variant, version_from=lower, children=fetcher.riders)
    fetched = fetcher.fetch(query)
    page, requests = fetched.page, fetched.page.requests
    if is_ahead(watermark, page.answered_at):
        return Probe(has_work=True, reason="its watermark is later than the source's clock", requests=requests)
    changed = session.store.count_changes(key, fetched.batch)
    versions = [record.version for record in fetched.batch.records if record.version is not None]
    if (
        not changed
        and is_filtered
        and versions
        and page.has_next
        and page.answered_at
        and min(versions) > page.answered_at
    ):
        # Records dated in the future fill the page, and current changes come after them.
        fetched = fetcher.fetch(replace(query, version_before=page.answered_at))
        changed = session.store.count_changes(key, fetched.batch)
        requests += fetched.page.requests
    return _probe_of(changed, requests)


def _probe_whole(session: Session, entity: Entity, variant: int) -> Probe:
    """Read the whole listing, page by page, until something is new; a row that moves meanwhile is seen next time."""
    source, requests = listed_for_changes(session, entity), 0
    fetcher = Fetcher(session.manifest, source, session.org, entity.name)
    is_by_token = session.manifest.adapter_file.paging.is_by_token and entity.is_paged
    query = ListingQuery(entity.name, variant=variant, token="" if is_by_token else None, children=fetcher.riders)
    for _ in range(MOST_PROBED_PAGES):
        fetched = fetcher.fetch(query)
        requests += fetched.page.requests
        batches = (fetched.batch, *fetched.children)
        changed = sum(session.store.count_changes(session.key(batch.entity), batch) for batch in batches)
        if changed or not fetched.page.has_next:
            return _probe_of(changed, requests)
        query = (
            replace(query, token=fetched.page.next_token)
            if is_by_token
            else replace(query, offset=query.offset + fetched.page.rows)
        )
    return Probe(has_work=True, reason="its listing is long and shows no versions", requests=requests)


def _probe_of(changed: int, requests: int) -> Probe:
    return Probe(bool(changed), f"{changed} records differ" if changed else "nothing new", requests)
