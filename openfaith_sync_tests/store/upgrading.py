"""Upgrades a database in a process of its own, which ends or stops itself at one statement.

Arguments: the database's URL; ``kill``, ``stop`` or ``run``; and at which statement, counted from 1. It prints the
number of statements when it was neither killed nor stopped.
"""

import os
import signal
import sys
from itertools import count

from sqlalchemy import event
from sqlalchemy.engine import Engine

from openfaith_sync.store.database.database import open_database
from openfaith_sync.store.postgres.database_url import DatabaseUrl
from openfaith_sync.store.schema import migrate
from openfaith_sync_tests.conftest import settings_for

SIGNALS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}
assert migrate, "imported before the fork, since opening a database imports it when it is needed"


def main() -> None:
    """Open the database, counting the statements of its migrations, the commit among them."""
    url, action, number = sys.argv[1:]
    taken = count(1)
    last = 0

    def before(*_: object) -> None:
        nonlocal last
        last = next(taken)
        if last == int(number) and action in SIGNALS:
            os.kill(os.getpid(), SIGNALS[action])

    event.listen(Engine, "before_cursor_execute", before)
    event.listen(Engine, "commit", before)
    open_database(settings_for(DatabaseUrl.parse(url)))
    print(last)
