"""Send statements one after the other and read their results later, in the same order.

libpq's pipeline mode, by the driver's own wrapper of it. The driver's ``Connection.pipeline()``
cannot wait for the first of two transactions that are under way, and waits for the socket at each
statement: with threads that map pages, each such wait also is one for the interpreter's lock.
"""

import selectors
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg import pq
from psycopg.errors import error_from_result
from psycopg.pq.abc import PGresult

from openfaith_sync.store.pages.page_rows import array_literal
from openfaith_sync.store.postgres.statements import Connection

_Selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
# Names belong to the connection, which several pipelines may use in turn.
_numbers = count(1)
# The names of each session's prepared statements: the server keeps them as long as the session lasts,
# and another pipeline over the same connection must not prepare them again.
_prepared: WeakKeyDictionary[Connection, dict[bytes, bytes]] = WeakKeyDictionary()
_OK = (pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK)


class StatementResult:
    """The result of one statement, once it was waited for."""

    __slots__ = ("is_read", "row")

    def __init__(self, row: tuple[Any, ...] | None = None) -> None:
        self.is_read = False
        self.row = row
        """The first row; from a pipeline as text."""


class Pipeline:
    """Send statements over one connection and read their results; used from one thread.

    As soon as one fails, the server skips all that were sent behind it, until ``abort``. While
    anything is under way the connection can be used in no other way; after ``rest`` it can.
    """

    def __init__(self, connection: Connection) -> None:
        """Use this connection, which is in autocommit.

        The driver prepares nothing over it from now on: when one of its transactions is
        rolled back it has the server forget all that was prepared, ours too.
        """
        connection.prepare_threshold = None
        self._connection = connection
        self._pq = connection.pgconn
        self._socket = _Selector()
        self._socket.register(self._pq.socket, selectors.EVENT_READ)
        self._names = _prepared.setdefault(connection, {})
        # A statement's text stands for the result of its preparation.
        self._awaited: deque[StatementResult | bytes] = deque()
        self._failure: psycopg.Error | None = None
        self._is_ending = False

    @property
    def is_resting(self) -> bool:
        """Return whether the connection is out of pipeline mode, or closed."""
        return self._connection.closed or self._pq.pipeline_status == pq.PipelineStatus.OFF

    def send(self, statement: bytes, parameters: Mapping[str, Any]) -> StatementResult:
        """Queue one statement; it is prepared once per connection, since every page sends the same ones."""
        if self.is_resting:
            self._pq.enter_pipeline_mode()
            self._is_ending = False
        text, names = _numbered(statement)
        values = [_encoded(parameters[name]) for name in names]
        if statement not in self._names:
            name = f"page_{next(_numbers)}".encode()
            self._pq.send_prepare(name, text)
            self._awaited.append(statement)
            self._names[statement] = name
        self._pq.send_query_prepared(self._names[statement], values)
        answer = StatementResult()
        self._awaited.append(answer)
        return answer

    def flush(self) -> None:
        """Send everything that is queued to the server, which responds at once."""
        self._pq.send_flush_request()
        self._push()

    def catch_up(self) -> None:
        """Read the results of everything that was sent.

        Raises:
            psycopg.Error: One failed.
        """
        self._raise_failure()
        if self._awaited:
            self.flush()
        while self._awaited:
            self._read_next()

    def wait(self, answer: StatementResult) -> None:
        """Read results until this one has arrived.

        Raises:
            psycopg.Error: It, or a statement before it, failed.
        """
        while not answer.is_read:
            self._read_next()

    def end(self) -> None:
        """End the pipeline, so that ``rest`` need not ask for it."""
        if not self._is_ending:
            self._is_ending = True
            self._pq.pipeline_sync()
        self._push()

    def rest(self) -> None:
        """Read every result and leave pipeline mode.

        Raises:
            psycopg.Error: One failed.
        """
        if self.is_resting:
            return
        self._raise_failure()
        self.end()
        while self._awaited:
            self._read_next()
        self._leave()

    def abort(self, *, is_hasty: bool = False) -> None:
        """Leave the connection outside any transaction and usable, or closed, whatever is under way.

        What the server has prepared stays prepared and is used again. ``is_hasty`` cancels the statement
        that the server is executing, for instance one that waits for a lock.
        """
        is_waiting = bool(self._awaited) and self._failure is None
        self._failure = None
        if self._connection.closed:
            return
        try:
            if is_hasty and is_waiting:
                self._connection.cancel_safe(timeout=5)
            if not self.is_resting:
                self._leave()
            self._forget_unanswered()
            self._connection.rollback()
        except psycopg.Error:
            # The server is lost; the reason for the abort says more.
            self._connection.close()
        except BaseException:  # Ctrl-C once more: what is half read would answer the next question; raised again
            self._connection.close()
            raise

    def _leave(self) -> None:
        self.end()
        nothing = 0
        while (result := self._result()) is None or result.status != pq.ExecStatus.PIPELINE_SYNC:
            # One ``None`` ends each statement's results; a second in a row means that the Sync is missing.
            nothing = nothing + 1 if result is None else 0
            if nothing > 1:
                raise psycopg.OperationalError("the end of the answers is missing")
            if result is not None and self._awaited:
                self._take_next(result)
        self._pq.exit_pipeline_mode()

    def _read_next(self) -> None:
        """Read the next statement's result, and the mark that ends it."""
        self._raise_failure()
        result = self._result()
        answer = self._take_next(result)
        if result is None or result.status not in _OK:
            self._failure = error_from_result(result) if result else psycopg.OperationalError("an answer is missing")
            raise self._failure
        self._result()
        if isinstance(answer, StatementResult):
            answer.is_read = True
            if result.ntuples:
                answer.row = tuple(result.get_value(0, column) for column in range(result.nfields))

    def _take_next(self, result: PGresult | None) -> StatementResult | bytes:
        """Return the statement of a result; one that was not prepared is forgotten."""
        answer = self._awaited.popleft()
        if isinstance(answer, bytes) and (result is None or result.status not in _OK):
            self._names.pop(answer, None)
        return answer

    def _forget_unanswered(self) -> None:
        """Expect no more results; whether these statements are prepared is unknown."""
        for answer in self._awaited:
            if isinstance(answer, bytes):
                self._names.pop(answer, None)
        self._awaited.clear()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _result(self) -> PGresult | None:
        while self._pq.is_busy():
            self._socket.select()
            self._pq.consume_input()
        result = self._pq.get_result()
        if result is None and self._pq.status != pq.ConnStatus.OK:
            # No further result will ever come.
            raise psycopg.OperationalError("the connection was lost")
        return result

    def _push(self) -> None:
        while self._pq.flush():
            self._socket.modify(self._pq.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
            events = self._socket.select()
            self._socket.modify(self._pq.socket, selectors.EVENT_READ)
            # A server that waits for its results to be read accepts nothing more.
            if any(ready & selectors.EVENT_READ for _, ready in events):
                self._pq.consume_input()


@cache
def _numbered(statement: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a statement with ``$1`` for its first name, and the names in the order of their numbers."""
    parts = statement.split(b"%(")
    names: dict[str, int] = {}
    text = parts[0]
    for part in parts[1:]:
        name, _, rest = part.partition(b")s")
        text += b"$%d" % names.setdefault(name.decode(), len(names) + 1) + rest
    return text, tuple(names)


def _encoded(value: Any) -> bytes | None:
    """Return a parameter as PostgreSQL's text; what it is, the statement says."""
    if value is None:
        return None
    match value:
        case str():
            text = value
        case bool() | int():
            text = str(value)
        case datetime():
            text = value.isoformat()
        case timedelta():
            text = f"{value.days} days {value.seconds} seconds {value.microseconds} microseconds"
        case bytes():
            text = f"\\x{value.hex()}"
        case Sequence():
            text = array_literal(value)
        case _:
            raise TypeError(f"no parameter can be a {type(value).__name__}")
    encoded = text.encode()
    if b"\0" in encoded:
        raise psycopg.DataError("text with a NUL")
    return encoded
