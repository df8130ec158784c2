"""Send messages through Apprise, which knows Slack, Teams, mail, webhooks and a hundred other places by their URL."""

import logging
import re
from typing import TYPE_CHECKING

from openfaith_sync.domain.alerts.announcing import MessageKind
from openfaith_sync.domain.alerts.causes import AlertSeverity
from openfaith_sync.domain.alerts.messages import Message
from openfaith_sync.domain.alerts.targets import AlertTarget

if TYPE_CHECKING:
    from apprise import Apprise, AppriseResult

TIMEOUT_SECONDS = 30.0
"""For one message; each of Apprise's requests waits 4 s for a connection and 4 s for an answer by itself."""
NOT_A_URL = "Apprise does not understand this URL"

_STATUS = re.compile(r"error=(\d{3})\b")


class AppriseSender:
    """Sends to any Apprise URL."""

    def send(self, target: AlertTarget, message: Message) -> str | None:
        """Return why the target did not accept the message, without secrets; ``None`` if it did."""
        apprise = _open(target.url)
        if apprise is None:
            return NOT_A_URL
        # The kind decides the colour and sign that Slack and others show.
        result = apprise.notify(
            title=message.title,
            body=message.text,
            notify_type=_kind(message),
            body_format="text",
            timeout=TIMEOUT_SECONDS,
        )
        return None if result else _reason(result)


def understands(target: AlertTarget) -> bool:
    """Return whether Apprise knows what to do with a target's URL."""
    return _open(target.url) is not None


def _open(url: str) -> "Apprise | None":
    # Here, since the import takes 0.3 s and its first use another 0.5 s: only what sends pays for it.
    from apprise import Apprise, AppriseAsset  # noqa: PLC0415

    # What Apprise logs can hold parts of a URL. What a person needs of it is in the reason of a failure.
    log = logging.getLogger("apprise")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
        log.propagate = False
    apprise = Apprise(asset=AppriseAsset(app_id="OpenFaith Sync", app_desc="OpenFaith Sync", async_mode=False))
    return apprise if apprise.add(url) and len(apprise) > 0 else None


def _kind(message: Message) -> str:
    if message.kind is MessageKind.RECOVERED:
        return "success"
    return "failure" if message.severity is AlertSeverity.CRITICAL else "warning"


def _reason(result: "AppriseResult") -> str:
    """Return the reason of a failure in our own words: Apprise's can hold parts of the URL."""
    said = [entry.message for entry in result.logs()]
    statuses = [found[1] for text in said if (found := _STATUS.search(text))]
    if statuses:
        return f"the answer was HTTP {statuses[-1]}"
    if any("connection error" in text.lower() for text in said):
        return "no connection, or no answer in time"
    return "no answer in time" if result.status.name == "TIMEOUT" else "it was refused"
