"""The pass of an entity that is stored as it comes with others, and never asked for: no request, no proof."""

from openfaith_sync.domain.passes.passes import Counts, PassResult, SyncMode
from openfaith_sync.domain.passes.walk_place import WalkPlace
from openfaith_sync.engine.passes.entity_session import EntitySession


def close_companion(session: EntitySession) -> PassResult:
    """Complete the pass in which the records came; without one, nothing came since the last."""
    store, came_with = session.store, session.store.load_rider(session.key)
    if came_with is None:
        is_new = store.load_checkpoint(session.key).manifest_version != session.version
        # A full walk brought all that there is, even if the source left it out of some pages.
        mode = SyncMode.FULL if is_new and store.has_ridden(session.key, session.version) else SyncMode.DELTA
        opened, _ = session.open_pass(mode, WalkPlace(()))
        pass_id, counts = opened.pass_id, Counts()
    else:
        pass_id, mode, counts = came_with.pass_id, SyncMode.SIDELOAD, came_with.counts
    store.close_pass(session.lease, pass_id, None, 0)
    report = store.load_report(session.lease, pass_id)
    return session.build_result(pass_id, mode, counts, pages=0, requests=0, source_count=None, report=report)
