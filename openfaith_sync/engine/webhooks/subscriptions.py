"""Keep subscriptions as the manifest wants them.

Everything here may be killed at any point and run again: the source's list and ours are
compared each time, and a secret is stored before the next request is made. One process per org does
this at a time, under a lease.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from openfaith_sync.domain.errors import DefinitionError, TransientError
from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.webhooks.event_names import announcements
from openfaith_sync.domain.webhooks.subscription import (
    KnownSubscription,
    Subscription,
    SubscriptionReport,
    delivery_url,
)
from openfaith_sync.engine.ports.subscriptions import SubscriptionSource, SubscriptionStore

# Our clock says when a subscription was last seen active, the source's when an event was
# made. Events that are fetched twice are stored once, so the span may be wide.
CLOCKS_APART = timedelta(hours=1)


@dataclass(slots=True)
class _Done:
    created: list[str] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)
    reactivated: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)
    unchanged: list[str] = field(default_factory=list)
    missed: int = 0


def ensure_subscriptions(
    manifest: Manifest,
    source: SubscriptionSource,
    store: SubscriptionStore,
    public_url: str,
    unselected: Collection[EntityName] = (),
    holder: str = "ensure",
) -> SubscriptionReport:
    """Subscribe our URL to every event that the manifest wants: once each, active, with a known secret.

    Events of entities that the org did not select are not wanted.

    Without changes this costs the requests of one listing and one update of the time of the check.

    Raises:
        LeaseHeld: Another process is changing them.
        AccessDenied: The token may not manage subscriptions.
        TransientError: The source cannot be reached now; what was done stays done.
    """
    wanted = sorted(announcements(manifest, unselected))
    url = delivery_url(public_url, store.adapter, store.org)
    done = _Done()
    with store.hold_lease(holder):
        known = store.load()
        listed = source.list_subscriptions()
        for name in wanted:
            ours = [found for found in listed if found.name == name and found.url == url]
            try:
                kept = _ensure_one(source, store, known.get(name), ours, (name, url), done)
            except DefinitionError as error:
                # An event name that the source does not offer must not prevent the others.
                done.refused[name] = str(error)
                continue
            _remove(source, [found for found in ours if found.subscription_id != kept.subscription_id])
        _remove_unwanted(source, store, known, listed, set(wanted), url, done)
        store.note_active(done.unchanged)
    return SubscriptionReport(
        wanted=len(wanted),
        created=done.created,
        adopted=done.adopted,
        reactivated=done.reactivated,
        removed=done.removed,
        refused=done.refused,
        missed_events=done.missed,
    )


def rotate_secrets(source: SubscriptionSource, store: SubscriptionStore, holder: str = "rotate") -> SubscriptionReport:
    """Rotate the secrets at the source; signatures with the old ones are accepted for one more day.

    Raises:
        LeaseHeld: Another process is changing them.
        TransientError: The source cannot be reached now; run it again, or ``ensure_subscriptions``.
    """
    rotated: list[str] = []
    refused: dict[str, str] = {}
    with store.hold_lease(holder):
        known = store.load()
        for name, stored in sorted(known.items()):
            try:
                found = _rotate_one(source, stored)
            except DefinitionError as error:
                refused[name] = str(error)
                continue
            store.save(found)
            rotated.append(name)
    return SubscriptionReport(wanted=len(known), rotated=rotated, refused=refused)


def remove_subscriptions(
    source: SubscriptionSource, store: SubscriptionStore, public_url: str | None = None, holder: str = "remove"
) -> SubscriptionReport:
    """Delete our subscriptions at the source, and accept no more signatures.

    Deletes the known subscriptions, and with ``public_url`` also unknown ones at our URL.

    Raises:
        LeaseHeld: Another process is changing them.
        TransientError: The source cannot be reached now; those that are left are still known.
    """
    url = delivery_url(public_url, store.adapter, store.org) if public_url else None
    removed: list[str] = []
    with store.hold_lease(holder):
        known = store.load()
        for name, stored in sorted(known.items()):
            source.delete_subscription(stored.subscription_id)
            store.forget(name)
            removed.append(name)
        gone = {stored.subscription_id for stored in known.values()}
        if url is not None:
            strays = [s for s in source.list_subscriptions() if s.url == url and s.subscription_id not in gone]
            _remove(source, strays)
            removed += [stray.name for stray in strays]
    return SubscriptionReport(wanted=0, removed=removed)


def _ensure_one(
    source: SubscriptionSource,
    store: SubscriptionStore,
    known: KnownSubscription | None,
    ours: Sequence[Subscription],
    wanted: tuple[str, str],
    done: _Done,
) -> Subscription:
    """Return the active subscription of an event name, whose secret is stored."""
    name, url = wanted
    kept = _choose(ours, known)
    if kept is None:
        _remove(source, ours)
        made = _create(source, name, url)
        store.save(made)
        done.created.append(name)
        return made
    if known is None or known.subscription_id != kept.subscription_id:
        done.adopted.append(name)
    is_gap = not kept.is_active or (known is not None and not known.is_active)
    if not kept.is_active:
        # Stored first: if this process is killed after the request, the next one still knows of the gap.
        store.note_inactive(name)
        source.activate_subscription(kept.subscription_id)
        done.reactivated.append(name)
    if is_gap and known is not None:
        done.missed += store.receive(list(source.read_undelivered(kept, known.checked_at - CLOCKS_APART)))
    active = _with_secret(kept, known)
    if not is_gap and known is not None and _is_kept(active, known):
        done.unchanged.append(name)
    else:
        store.save(active)
    return active


def _is_kept(found: Subscription, known: KnownSubscription) -> bool:
    return (found.subscription_id, found.url, found.secret) == (known.subscription_id, known.url, known.secret)


def _choose(ours: Sequence[Subscription], known: KnownSubscription | None) -> Subscription | None:
    """Return the known subscription, else the oldest that shows its secret; without a secret it is of no use."""
    for found in ours:
        if known is not None and found.subscription_id == known.subscription_id:
            return found
    return next((found for found in ours if found.secret is not None), None)


def _with_secret(kept: Subscription, known: KnownSubscription | None) -> Subscription:
    secret = kept.secret or (known.secret if known else None)
    return Subscription(kept.subscription_id, kept.name, kept.url, is_active=True, secret=secret)


def _create(source: SubscriptionSource, name: str, url: str) -> Subscription:
    """Create a subscription; when the outcome is unknown, look for it in the source's list."""

    def listed() -> Subscription | None:
        return next((s for s in source.list_subscriptions() if s.name == name and s.url == url and s.secret), None)

    return _require_secret(_once(lambda: source.create_subscription(name, url), listed))


def _rotate_one(source: SubscriptionSource, stored: KnownSubscription) -> Subscription:
    def listed() -> Subscription | None:
        same = (s for s in source.list_subscriptions() if s.subscription_id == stored.subscription_id)
        return next((s for s in same if s.secret not in (None, stored.secret)), None)

    return _require_secret(_once(lambda: source.rotate_secret(stored.subscription_id), listed))


def _once(ask: Callable[[], Subscription], listed: Callable[[], Subscription | None]) -> Subscription:
    """Send a request that must not be repeated; after a failure, check whether it was done before sending it again."""
    try:
        return ask()
    except (TransientError, DefinitionError) as error:
        found = listed()
        if found is not None:
            return found
        if isinstance(error, DefinitionError):
            raise
    return ask()


def _require_secret(found: Subscription) -> Subscription:
    if found.secret is None:
        raise DefinitionError(f"the source shows no secret for the subscription to {found.name}")
    return found


def _remove(source: SubscriptionSource, superfluous: Iterable[Subscription]) -> None:
    for found in superfluous:
        source.delete_subscription(found.subscription_id)


def _remove_unwanted(
    source: SubscriptionSource,
    store: SubscriptionStore,
    known: Mapping[str, KnownSubscription],
    listed: Sequence[Subscription],
    wanted: set[str],
    url: str,
    done: _Done,
) -> None:
    """Delete ours that the manifest no longer wants, and those that point to a former URL of ours."""
    by_id = {stored.subscription_id: stored for stored in known.values()}
    for found in listed:
        stored = by_id.get(found.subscription_id)
        is_former = stored is not None and found.url != url and found.name in wanted
        is_unwanted = (stored is not None or found.url == url) and found.name not in wanted
        if not (is_former or is_unwanted) or found.name in done.refused:
            continue
        if is_former and stored is not None:
            # What it could not deliver to the former URL is deleted with it.
            done.missed += store.receive(list(source.read_undelivered(found, stored.checked_at - CLOCKS_APART)))
        source.delete_subscription(found.subscription_id)
        done.removed.append(found.name)
    for name in known:
        if name not in wanted:
            store.forget(name)
