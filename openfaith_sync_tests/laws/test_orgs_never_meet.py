"""Law 10: nothing of one org is seen, changed or deleted by another, behind two walls that hold alone.

The first wall: every statement names its org. The second: row-level security. Each is taken down
while the other stands; with both down the same deeds are seen to cross, so the test would tell.
"""

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any
from weakref import WeakSet

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from openfaith_sync.domain.errors import SyncError
from openfaith_sync.domain.ids import OrgId
from openfaith_sync.store.database.database import Database
from openfaith_sync.store.pages.pipeline import Pipeline
from openfaith_sync_tests.laws.neighbours import DEEDS, Deed, Neighbour, do, walls_down, without_org

IDS = (
    "1",
    "2",
    "1'; DROP TABLE openfaith.emails; --",
    '"',
    "%s%(org)s",
    "\\",
    "../../1",
    "*",
    "\N{SNOWMAN}",
    "9" * 300,
)
TEXTS = st.one_of(
    st.sampled_from(["", "%", "'", "\0", "' OR true --", "{org}", "\ud800", "x" * 5000]), st.text(max_size=40)
)
Act = tuple[int, Deed, list[str], str, int]
ACTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(DEEDS),
        st.lists(st.sampled_from(IDS), min_size=1, max_size=4, unique=True),
        TEXTS,
        st.integers(0, 9),
    ),
    min_size=3,
    max_size=9,
)
WALLS = {"statements alone": (True, False), "row-level security alone": (False, True)}
_numbers = itertools.count()


@pytest.fixture(params=WALLS, ids=str)
def walled(request: pytest.FixtureRequest, module_database: Database) -> Iterator[Database]:
    """A database with this of its walls."""
    with walls(module_database, *WALLS[request.param]):
        yield module_database


@contextlib.contextmanager
def walls(database: Database, has_right_statements: bool, has_policies: bool) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        if not has_policies:
            stack.enter_context(walls_down(database))
        if not has_right_statements:
            stack.enter_context(forgetful())
        yield


@contextlib.contextmanager
def forgetful() -> Iterator[None]:
    """Remove the condition on the org from every statement that a session sends."""
    execute = psycopg.Connection.execute
    of_one_org: WeakSet[Any] = WeakSet()

    def forget(self: Any, query: Any, *told: Any, **more: Any) -> Any:
        # What looks at all orgs on purpose is no statement of one org.
        if isinstance(query, str) and "openfaith.org" in query:
            of_one_org.add(self)
        return execute(self, without_org(query) if self in of_one_org else query, *told, **more)

    send = Pipeline.send

    def forget_too(self: Pipeline, statement: bytes, parameters: Any) -> Any:
        is_of_one_org = self._connection in of_one_org
        return send(self, without_org(statement) if is_of_one_org else statement, parameters)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(psycopg.Connection, "execute", forget)
        patch.setattr(Pipeline, "send", forget_too)
        yield


def three(database: Database) -> list[Neighbour]:
    """Return three orgs that nobody had before, one's name the beginning of another's."""
    number = next(_numbers)
    return [Neighbour(database, OrgId(name)) for name in (f"o{number}", f"o{number}-", f"p{number}")]


def furnish(neighbours: list[Neighbour]) -> None:
    """Return every org something of everything."""
    for one in neighbours:
        for deed in DEEDS[:-2]:
            deed(one, list(IDS[:3]), "first", 3)


@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(acts=ACTS)
def test_whatever_one_org_does_the_others_stay_as_they_are(walled: Database, acts: list[Act]) -> None:
    orgs = three(walled)
    furnish(orgs)
    for place, deed, ids, text, minutes in acts:
        do(orgs[place], deed, ids, text, minutes)


@pytest.fixture(scope="module")
def furnished(module_database: Database) -> list[Neighbour]:
    orgs = three(module_database)
    furnish(orgs)
    return orgs


def do_often(actor: Neighbour, deed: Any) -> None:
    for number in range(4):
        do(actor, deed, list(IDS[:3]), "later", number)


# A state is found by its hash, which no two orgs share: there the org is a wall behind a wall.
@pytest.mark.parametrize(
    "deed", [deed for deed in dict.fromkeys(DEEDS) if deed is not Neighbour.agree], ids=lambda deed: deed.__name__
)
def test_with_both_walls_down_orgs_would_meet(
    module_database: Database, furnished: list[Neighbour], deed: Deed
) -> None:
    """The law above would tell: each deed crosses where nothing stands in its way."""
    # What another deed did to the orgs, or took from them, is made good: each test may be alone, or anywhere.
    for one in furnished:
        if deed is not Neighbour.erase:
            deed(one, list(IDS[:3]), "again", 3)
        for minutes in (4, 3):
            Neighbour.commit(one, list(IDS[:3]), "again", minutes)
    with walls(module_database, False, False), pytest.raises((AssertionError, SyncError, psycopg.Error)):
        do_often(furnished[0], deed)
