"""Named selections: which rows ``filter=...`` shows, and which rows a listing hides unless one asks for them."""

from collections.abc import Callable, Iterator

from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.simulator.data.tables import Row, Table
from openfaith_sync.simulator.data.timestamps import to_seconds

Test = Callable[[Row], bool]

_ARCHIVED, _NOT_ARCHIVED = frozenset({"archived", "only_archived"}), frozenset({"not_archived", "unarchived"})
_DELETED, _ALSO_DELETED = frozenset({"deleted", "only_deleted"}), frozenset({"include_deleted", "with_deleted"})
_ALSO_ARCHIVED = frozenset({"include_archived", "with_archived"})
_TIMES = ("starts_at", "sort_date", "ends_at", "published_to_library_at")


def scope_tests(table: Table, scopes: tuple[str, ...], asked: frozenset[str], now_seconds: int) -> Iterator[Test]:
    """Yield the tests for the rows of a listing with these selections; one that the entity lacks is ignored.

    A listing that can show archived, deleted or hidden records hides them unless it is asked to, which is what the
    source does wherever that is known, and loses rows wherever a client only assumes it.
    """
    known = known_scopes(table.entity)
    named = [scope for scope in scopes if scope in known]
    wanted = frozenset(named)
    if known & (_ARCHIVED | _ALSO_ARCHIVED) and not wanted & (_ARCHIVED | _NOT_ARCHIVED | _ALSO_ARCHIVED):
        yield lambda row: not is_archived(table, row)
    if known & (_DELETED | _ALSO_DELETED) and not wanted & (_DELETED | _ALSO_DELETED):
        yield lambda row: table.value(row, "deleted_at") is None
    if "hidden" in table.entity.filters and "hidden" not in asked:
        yield lambda row: not table.value(row, "hidden")
    for scope in named:
        test = _test(table, scope, now_seconds)
        if test is not None:
            yield test


def known_scopes(entity: Entity) -> frozenset[str]:
    """Return the selections that the entity has: those it states, and those that its own listings use."""
    used = (parameters.get("filter", "") for parameters in (entity.parameters, *entity.variants))
    return frozenset(entity.scopes).union(name for text in used for name in text.split(",") if name)


def is_archived(table: Table, row: Row) -> bool:
    """Return whether a record is archived."""
    is_said = bool(table.value(row, "archived_at")) or table.value(row, "archived") is True
    return is_said or row.id in table.archived


def _test(table: Table, scope: str, now_seconds: int) -> Test | None:
    if scope in _ARCHIVED | _NOT_ARCHIVED:
        return lambda row: is_archived(table, row) == (scope in _ARCHIVED)
    if scope in _DELETED:
        return lambda row: table.value(row, "deleted_at") is not None
    if scope in ("future", "upcoming", "past"):
        return _by_time(table, now_seconds, is_past=scope == "past")
    if scope == "has_donated":
        return lambda row: table.value(row, "first_donated_at") is not None
    return _by_state(table, {"waitlist": "waitlisted"}.get(scope, scope))


def _by_state(table: Table, name: str) -> Test | None:
    if name in table.position:
        return lambda row: table.value(row, name) is True
    status = next((status for status in ("payment_status", "status") if status in table.position), None)
    return (lambda row: table.value(row, status) == name) if status else None


def _by_time(table: Table, now_seconds: int, *, is_past: bool) -> Test | None:
    name = next((name for name in _TIMES if name in table.position), None)
    if name is None:
        return None

    def test(row: Row) -> bool:
        at_seconds = to_seconds(table.value(row, name))
        return at_seconds is not None and (at_seconds < now_seconds) == is_past

    return test
