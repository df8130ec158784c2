"""Law 7: whatever moment the receiver dies at, what it acknowledged is in the inbox."""

import random
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from openfaith_sync.store.database.database import Database
from openfaith_sync_tests.store.making import fetch
from openfaith_sync_tests.web.making import ORG, body, headers, part, subscribe
from openfaith_sync_tests.web.receiver import Receiver, running_receiver

SIGKILLED = -9
SENDERS = 8
DELIVERIES = 120
# Making one takes longer than a delivery.
_CLIENT = httpx.Client(trust_env=False, timeout=20)


def stored(database: Database) -> set[str]:
    return {event_id for (event_id,) in fetch(database, "SELECT event_id FROM sync.webhook_events")}


def deliver(receiver: Receiver, *event_ids: str) -> bool:
    """Say whether a delivery was acknowledged."""
    content = body(*map(part, event_ids))
    try:
        answer = _CLIENT.post(receiver.at(ORG), content=content, headers=headers(content))
    except httpx.TransportError:
        return False
    return answer.is_success


def test_killed_before_the_commit_it_has_promised_nothing_and_stored_nothing(database: Database) -> None:
    subscribe(database)
    with running_receiver(database, kill_at=("read", 1)) as receiver:
        assert not deliver(receiver, "e-1", "e-2")
        assert receiver.process.wait(20) == SIGKILLED
    assert stored(database) == set()


def test_killed_between_the_commit_and_the_answer_it_has_stored_all_of_it_and_a_repetition_changes_nothing(
    database: Database,
) -> None:
    subscribe(database)
    with running_receiver(database, kill_at=("stored", 1)) as receiver:
        assert not deliver(receiver, "e-1", "e-2")
        assert receiver.process.wait(20) == SIGKILLED
    assert stored(database) == {"e-1", "e-2"}
    with running_receiver(database) as receiver:
        assert deliver(receiver, "e-1", "e-2")
    assert fetch(database, "SELECT count(*) FROM sync.webhook_events") == [(2,)]


@pytest.mark.parametrize("seed", range(3))
def test_killed_among_many_what_it_acknowledged_is_stored(database: Database, seed: int) -> None:
    subscribe(database)
    dice = random.Random(seed)
    kill_at = (dice.choice(["read", "stored"]), dice.randint(5, 30))
    with running_receiver(database, kill_at=kill_at) as receiver, ThreadPoolExecutor(SENDERS) as senders:
        ids = [f"e-{number}" for number in range(DELIVERIES)]
        acknowledged = {
            event for event, was in zip(ids, senders.map(lambda e: deliver(receiver, e), ids), strict=True) if was
        }
        assert receiver.process.wait(20) == SIGKILLED
    assert acknowledged <= stored(database)
    assert 0 < len(acknowledged) < DELIVERIES
    # The source tries the others again.
    with running_receiver(database) as receiver:
        assert all(deliver(receiver, event) for event in ids)
    assert stored(database) == set(ids)
    assert fetch(database, "SELECT count(*) FROM sync.webhook_events") == [(DELIVERIES,)]
