"""Judge how far an org's first sync is, and how long the rest takes."""

from dataclasses import replace

from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.passes.first_sync import FirstSync
from openfaith_sync.domain.passes.passes import OpenPass, SyncMode
from openfaith_sync.domain.planning.entity_facts import EntityFacts, SourceView
from openfaith_sync.domain.planning.pass_forecast import Facts, PassForecast, predict_passes
from openfaith_sync.domain.planning.ranges import Range
from openfaith_sync.domain.planning.run_forecast import RunForecast
from openfaith_sync.domain.planning.run_time import Pace
from openfaith_sync.domain.schedule.due_work import WorkMode


def judge_first_sync(manifest: Manifest, facts: Facts, pace: Pace) -> FirstSync | None:
    """Return how far the first sync is; ``None`` if every entity that may be read was complete before.

    The size of an entity is known from its pass that is under way, or, where it is listed below a parent, from the
    parents that are stored. One of unknown size takes at least a request.
    """
    readable = {name: one for name, one in facts.items() if one.refusal is None}
    left = [name for name, one in readable.items() if not one.is_synced]
    if not left:
        return None
    sized = {name: _with_size(one) for name, one in facts.items()}
    passes = [_without_sent(one, facts[one.entity]) for one in predict_passes(manifest, sized, SyncMode.AUTO, left)]
    known = tuple(replace(one, requests=one.requests or Range.exactly(1)) for one in passes)
    run = RunForecast(WorkMode.FULL, None, "the first sync", known)
    seconds = run.predict_seconds(pace)
    return FirstSync(
        done=len(readable) - len(left),
        entities=len(readable),
        requests=run.requests.least if run.requests else 0,
        unknown=sum(one.requests is None for one in passes),
        seconds=seconds[0] if seconds else 0.0,
    )


def _with_size(facts: EntityFacts) -> EntityFacts:
    """Return the facts of an entity with the size that its open pass found."""
    opened = facts.checkpoint.open_pass
    total = None if facts.is_synced or facts.source is not None or opened is None else _total(opened)
    return facts if total is None else replace(facts, source=SourceView(counted=total))


def _total(opened: OpenPass) -> int | None:
    rest = [one.remaining for one in opened.place.slices]
    known = [remaining for remaining in rest if remaining is not None]
    return opened.counts.records + sum(known) if len(known) == len(rest) else None


def _without_sent(forecast: PassForecast, facts: EntityFacts) -> PassForecast:
    """Return what is left of lists below parents; of a plain listing the forecast leaves out what was sent."""
    opened = facts.checkpoint.open_pass
    if opened is None or forecast.requests is None or not facts.nested.lists:
        return forecast
    least = max(1, forecast.requests.least - opened.requests)
    return replace(
        forecast,
        requests=Range(least, max(least, forecast.requests.most - opened.requests)),
        rounds=forecast.rounds * least / max(1, forecast.requests.least),
    )
