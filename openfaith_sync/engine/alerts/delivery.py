"""Send the messages of the outbox: each at least once, and a repetition under the same id.

A message is claimed, sent and then recorded, in that order and each by itself: nothing is held open while another
machine answers. A process that dies after the claim leaves it to expire, and the message is sent by the next one; it is
repeated only if the process died between sending and recording.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Protocol

from openfaith_sync.domain.alerts.messages import Message
from openfaith_sync.domain.alerts.targets import AlertTarget

OnStep = Callable[[str], None]
"""Called with the name of each step that was done."""


class Outbox(Protocol):
    """The messages that are waiting, in the database."""

    def claim(self, target: AlertTarget) -> Message | None:
        """Return the next message that is due to a target; for a while no other process gets it."""
        ...

    def record_sent(self, message: Message, target: AlertTarget) -> None:
        """Record that a message was accepted."""
        ...

    def record_failure(self, message: Message, target: AlertTarget, reason: str) -> None:
        """Record why a message was not accepted; it is due again later."""
        ...


class Sender(Protocol):
    """What sends a message, over the network."""

    def send(self, target: AlertTarget, message: Message) -> str | None:
        """Return why the target did not accept the message, without secrets; ``None`` if it did."""
        ...


def deliver(
    outbox: Outbox, sender: Sender, targets: Sequence[AlertTarget], patience_seconds: float, on_step: OnStep
) -> None:
    """Send what is due to all targets, side by side: a slow one delays no other.

    After ``patience_seconds`` this returns; what is being sent then ends and is recorded by itself.
    """
    if not targets:
        return
    threads = ThreadPoolExecutor(len(targets), thread_name_prefix="alerts")
    futures = [threads.submit(partial(_deliver_to, outbox, sender, target, on_step)) for target in targets]
    finished = wait(futures, timeout=patience_seconds).done
    threads.shutdown(wait=False)
    for future in finished:
        future.result()


def _deliver_to(outbox: Outbox, sender: Sender, target: AlertTarget, on_step: OnStep) -> None:
    """Send what is due to a target, until nothing is or until it accepts a message no more."""
    while (message := outbox.claim(target)) is not None:
        on_step("claimed")
        failure = sender.send(target, message)
        on_step("sent")
        if failure is not None:
            outbox.record_failure(message, target, failure)
            return
        outbox.record_sent(message, target)
        on_step("recorded")
