"""The status of webhooks for people: the subscribed events, and what was received."""

from dataclasses import dataclass
from datetime import datetime

from openfaith_sync.domain.ids import AdapterName, OrgId
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.inbox.unreadable_events import MALFORMED

_LOAD = """
WITH received AS (
  SELECT name, count(*) AS events, count(*) FILTER (WHERE done_at IS NULL) AS waiting,
         count(*) FILTER (WHERE outcome = %(malformed)s) AS malformed, max(received_at) AS last_at
  FROM sync.webhook_events
  WHERE org_id = %(org)s AND adapter = %(adapter)s
    -- What we ask ourselves about a record is no event of the source; what nobody could read is.
    AND (action <> 'check' OR outcome = %(malformed)s)
  GROUP BY name
), subscribed AS (
  SELECT name, url, is_active, checked_at FROM sync.webhook_subscriptions
  WHERE org_id = %(org)s AND adapter = %(adapter)s
)
SELECT name, subscribed.url, COALESCE(subscribed.is_active, false), subscribed.checked_at,
       COALESCE(received.events, 0), COALESCE(received.waiting, 0), COALESCE(received.malformed, 0), received.last_at
FROM subscribed FULL JOIN received USING (name) ORDER BY name
"""


@dataclass(frozen=True, slots=True)
class WebhookStatus:
    """The status of one event name of an org."""

    name: str
    url: str | None
    """Where the source delivers; ``None`` without a subscription."""
    is_active: bool
    checked_at: datetime | None
    """When the source was last seen to have it active."""
    received: int
    """Events that the inbox still contains, as for the following counts."""
    waiting: int
    malformed: int
    """Parts of deliveries that could not be read."""
    last_received_at: datetime | None


def load_webhook_status(database: Database, org: OrgId, adapter: AdapterName) -> list[WebhookStatus]:
    """Return every event name that an org subscribes to or has received, in order."""
    parameters = {"org": org, "adapter": adapter, "malformed": MALFORMED}
    with database.connect(org) as connection:
        return [WebhookStatus(*row) for row in connection.execute(_LOAD, parameters)]
