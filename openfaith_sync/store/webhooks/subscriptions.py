"""Store webhook subscriptions and the secrets that their deliveries are signed with.

A secret is encrypted like the credentials. A replaced secret stays valid for another day, since the
source may retry a delivery that it signed before. The database's clock decides this, not the clocks
of the machines.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.domain.ids import AccountId, AdapterName, OrgId, SyncKey
from openfaith_sync.domain.passes.passes import Lease
from openfaith_sync.domain.webhooks.inbox import InboxEvent
from openfaith_sync.domain.webhooks.subscription import SUBSCRIPTIONS, KnownSubscription, Subscription
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.database.secrets import SecretKeys
from openfaith_sync.store.inbox.erased_events import without_erased
from openfaith_sync.store.inbox.inbox import receive_on
from openfaith_sync.store.passes.leases import hold_lease
from openfaith_sync.store.postgres.error_translation import translated
from openfaith_sync.store.postgres.statements import Connection

_LOAD = """
SELECT subscription_id, name, url, is_active, secret, checked_at FROM sync.webhook_subscriptions
WHERE org_id = %s AND adapter = %s ORDER BY name
"""
_LOAD_SECRETS = """
SELECT name, secret, CASE WHEN previous_until > now() THEN previous_secret END FROM sync.webhook_subscriptions
WHERE org_id = %s AND adapter = %s ORDER BY name
"""
_LOCK_HELD = """
SELECT secret FROM sync.webhook_subscriptions WHERE org_id = %s AND adapter = %s AND name = %s FOR UPDATE
"""
_SAVE = """
INSERT INTO sync.webhook_subscriptions AS held (org_id, adapter, name, subscription_id, url, secret, is_active)
VALUES (%(org)s, %(adapter)s, %(name)s, %(id)s, %(url)s, %(secret)s, %(is_active)s)
ON CONFLICT (org_id, adapter, name) DO UPDATE
SET subscription_id = EXCLUDED.subscription_id, url = EXCLUDED.url, is_active = EXCLUDED.is_active,
    checked_at = CASE WHEN EXCLUDED.is_active THEN now() ELSE held.checked_at END
"""
# Separate from _SAVE, so that an unchanged secret keeps its predecessor for the full time.
_REPLACE = """
UPDATE sync.webhook_subscriptions
SET previous_secret = secret, previous_until = now() + interval '24 hours', secret = %s
WHERE org_id = %s AND adapter = %s AND name = %s
"""
_NOTE_ACTIVE = """
UPDATE sync.webhook_subscriptions SET checked_at = now(), is_active = true
WHERE org_id = %s AND adapter = %s AND name = ANY (%s)
"""
_NOTE_INACTIVE = """
UPDATE sync.webhook_subscriptions SET is_active = false WHERE org_id = %s AND adapter = %s AND name = %s
"""
# Only a key lock: updating a subscription waits for no one, removing it does.
_KEEP = """
SELECT (SELECT account_id FROM sync.accounts own
        WHERE (own.org_id, own.adapter) = (held.org_id, held.adapter))
FROM sync.webhook_subscriptions held WHERE org_id = %s AND adapter = %s LIMIT 1 FOR KEY SHARE OF held
"""
_FORGET = "DELETE FROM sync.webhook_subscriptions WHERE org_id = %s AND adapter = %s AND name = %s"
_FORGET_ALL = "DELETE FROM sync.webhook_subscriptions WHERE org_id = %s AND adapter = %s"


class PostgresSubscriptions:
    """One org's subscriptions to one adapter; implements ``engine.subscription_needs.SubscriptionStore``."""

    def __init__(self, connection: Connection, keys: SecretKeys, org: OrgId, adapter: AdapterName) -> None:
        """Serve only this org and adapter."""
        self._connection = connection
        self._keys = keys
        self.org, self.adapter = org, adapter

    def hold_lease(self, holder: str) -> AbstractContextManager[Lease]:
        """Hold the lease on the org's subscriptions; it ends with the process, however that ends."""
        return hold_lease(self._connection, SyncKey(self.org, self.adapter, SUBSCRIPTIONS), holder)

    def load(self) -> dict[str, KnownSubscription]:
        """Return the stored subscriptions, by event name."""
        with translated():
            rows = self._connection.execute(_LOAD, (self.org, self.adapter)).fetchall()
        return {
            name: KnownSubscription(identity, name, url, is_active, self._decrypt(secret), checked_at)
            for identity, name, url, is_active, secret, checked_at in rows
        }

    def save(self, subscription: Subscription) -> None:
        """Store a subscription with its secret; a replaced secret stays valid for another day.

        Raises:
            DefinitionError: It has no secret.
        """
        if subscription.secret is None:
            raise DefinitionError(f"the subscription of {self.org} to {subscription.name} has no secret to store")
        key = (self.org, self.adapter, subscription.name)
        encrypted = self._keys.encrypt(subscription.secret.encode())
        parameters = {
            "org": self.org,
            "adapter": self.adapter,
            "name": subscription.name,
            "id": subscription.subscription_id,
            "url": subscription.url,
            "secret": encrypted,
            "is_active": subscription.is_active,
        }
        with translated(), self._connection.transaction():
            row = self._connection.execute(_LOCK_HELD, key).fetchone()
            if row is not None and self._decrypt(row[0]) != subscription.secret:
                self._connection.execute(_REPLACE, (encrypted, *key))
            self._connection.execute(_SAVE, parameters)

    def note_active(self, names: Sequence[str]) -> None:
        """Record that these subscriptions were active at the source just now."""
        with translated():
            self._connection.execute(_NOTE_ACTIVE, (self.org, self.adapter, list(names)))

    def note_inactive(self, name: str) -> None:
        """Record that a subscription was inactive, so that its deliveries must be fetched."""
        with translated():
            self._connection.execute(_NOTE_INACTIVE, (self.org, self.adapter, name))

    def forget(self, name: str) -> None:
        """Delete the subscription to an event name; deliveries signed for it are no longer accepted."""
        with translated():
            self._connection.execute(_FORGET, (self.org, self.adapter, name))

    def receive(self, events: Sequence[InboxEvent]) -> int:
        """Store events in the inbox, and return how many were new."""
        if not events:
            return 0
        with translated(), self._connection.transaction():
            keep_subscribed(self._connection, self.org, self.adapter)
            received = without_erased(self._connection, self._keys, self.org, self.adapter, events)
            return receive_on(self._connection, self.org, self.adapter, received)

    def _decrypt(self, secret: bytes) -> str:
        return self._keys.decrypt(secret, f"{self.org}/{self.adapter}'s webhooks").decode()


@contextmanager
def open_subscriptions(database: Database, org: OrgId, adapter: AdapterName) -> Iterator[PostgresSubscriptions]:
    """Yield the store of an org's subscriptions, over a separate connection."""
    with database.connect(org) as connection:
        yield PostgresSubscriptions(connection, database.keys, org, adapter)


def forget_subscriptions(database: Database, org: OrgId, adapter: AdapterName) -> int:
    """Delete all stored subscriptions of an org whose source cannot be asked to remove them, and return how many."""
    with database.connect(org) as connection:
        return connection.execute(_FORGET_ALL, (org, adapter)).rowcount


@dataclass(frozen=True, slots=True)
class Subscriber:
    """An org with subscriptions."""

    account: AccountId | None
    """The source's account that its records come from; ``None`` until the source states it."""


def keep_subscribed(connection: Connection, org: OrgId, adapter: AdapterName) -> Subscriber | None:
    """Return an org if it has subscriptions, and keep them from being deleted until the transaction ends.

    Whatever this transaction stores exists once the subscriptions can be deleted, so deleting them and then
    the org's events leaves none. An erasure locks them too, and deletes what was stored before.
    """
    row = connection.execute(_KEEP, (org, adapter)).fetchone()
    return None if row is None else Subscriber(row[0])


def load_secrets(
    connection: Connection, keys: SecretKeys, org: OrgId, adapter: AdapterName
) -> Mapping[str, tuple[bytes, ...]]:
    """Return the valid secrets by event name: the current one, and the previous one while it is valid.

    Raises:
        DefinitionError: They are encrypted with a key that we do not have.
    """
    with translated():
        rows = connection.execute(_LOAD_SECRETS, (org, adapter)).fetchall()
    whose = f"{org}/{adapter}'s webhooks"
    return {
        name: tuple(keys.decrypt(encrypted, whose) for encrypted in secrets if encrypted is not None)
        for name, *secrets in rows
    }
