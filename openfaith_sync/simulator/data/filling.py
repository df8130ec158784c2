"""Fill the tables of a whole church: quickly, since five years of gifts are a hundred thousand records."""

import random
from collections.abc import Mapping
from typing import Any

from openfaith_sync.domain.manifest.attribute import AttributeType
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.record_makers import pick
from openfaith_sync.simulator.data.synthetic_records import invent_values
from openfaith_sync.simulator.data.tables import Reference, Table
from openfaith_sync.simulator.data.timestamps import to_text

_PATTERNS = 16
# Ids of a large table pass from eight to nine digits, where their order as texts is no longer that as numbers.
_FIRST_ID, _GAP = 99_950_000, 400
_LARGE, _LEAST_WEEKS = 400, 30
_NOTHING: dict[str, Any] = {}


class Sheet:
    """Adds the records of one entity; without a table for it, nothing is stored."""

    def __init__(self, table: Table | None, name: str, seed: int, now_seconds: int) -> None:
        """Draw what no maker states from a few patterns, whose values the records then share."""
        self.table, self.links = table, set[str]()
        self._now = now_seconds
        self._random = random.Random(f"{seed}:{name}:sheet").random  # noqa: S311  nothing secret
        self._number = _FIRST_ID
        rng = random.Random(f"{seed}:{name}:patterns")  # noqa: S311  nothing secret
        self._patterns: list[list[Any]] = []
        self._created = self._updated = -1
        self._text_ids: frozenset[int] = frozenset()
        if table is not None:
            # Some ids are numbers on the wire and others are texts.
            self._text_ids = frozenset(
                place
                for name, place in table.position.items()
                if table.entity.attributes[name].type is AttributeType.PRIMARY_KEY
                and table.entity.attributes[name].wire != "number"
            )
            names = set(table.entity.attributes)
            invented = [invent_values(table.entity, names, rng) for _ in range(_PATTERNS)]
            self._patterns = [[values[name] for name in table.names] for values in invented]
            self._created = table.position.get("created_at", -1)
            self._updated = table.position.get("updated_at", -1)

    def add(
        self,
        links: dict[str, Reference],
        values: dict[str, Any] = _NOTHING,
        at: int | None = None,
        updated: int | None = None,
        number: int | None = None,
    ) -> int:
        """Add a record that was made at a time, and return its id; names that the manifest lacks are left out."""
        if number is None:
            self._number += 1 + int(self._random() * _GAP)
            number = self._number
        if self.table is None:
            return number
        share = self._random()
        row_values = self._patterns[int(share * _PATTERNS)].copy()
        if at is None:
            at = self._now - int(self._random() * 150_000_000)
        if self._created >= 0:
            row_values[self._created] = to_text(at)
        if self._updated >= 0:
            row_values[self._updated] = to_text(updated or at + int(max(0, self._now - at) * share**3))
        position = self.table.position
        for name, value in values.items():
            place = position.get(name)
            if place is not None:
                row_values[place] = str(value) if place in self._text_ids and value is not None else value
        self.table.load(number, row_values, links)
        return number

    def state(self, number: int, values: Mapping[str, Any]) -> None:
        """Set values of a record that follow from what was added after it."""
        table = self.table
        for name, value in values.items() if table else ():
            place = table.position.get(name) if table else None
            if table and place is not None:
                table.rows[number].values[place] = value

    def ids(self) -> list[int]:
        """Return the ids of its records."""
        return list(self.table.rows) if self.table else []


class Filling:
    """What the makers of all apps share: sizes, people, choices derived from the seed, and the tables to fill."""

    def __init__(self, world: World, people: int, seed: int, now_seconds: int) -> None:
        """Fill this world for its people, as of a time."""
        self.world, self.seed, self.now = world, seed, now_seconds
        self._share, self._people = people / 2000, people
        self._sheets: dict[str, Sheet] = {}
        table = world.tables.get("person")
        self.people = list(table.rows) if table else []
        """The ids of all people."""
        children = {number for number in self.people if table and table.value(table.rows[number], "child")}
        self.child_set, self.children = frozenset(children), sorted(children)
        self.adults = [number for number in self.people if number not in children]

    def has(self, *entities: str) -> bool:
        """Return whether the manifest has all of these entities."""
        return all(name in self.world.tables for name in entities)

    def count(self, of_2000: float, least: int = 1) -> int:
        """Return how many of a thing a church of this size has, given how many one of 2,000 people has."""
        return max(least, round(of_2000 * self._share))

    def each(self, of_2000: float, least: int = 1) -> int:
        """Return how much belongs to each of many things: a larger church has more things, and no larger ones."""
        return max(least, round(of_2000 * min(1, self._share)))

    def weeks(self, of_large: int) -> int:
        """Return how many weeks of history a church of this size has: a small one, made for tests, is young."""
        return max(of_large * min(self._people, _LARGE) // _LARGE, min(of_large, _LEAST_WEEKS))

    def rng(self, name: str) -> random.Random:
        """Return the choices of one maker, which always fall alike for a seed and a size."""
        return random.Random(f"{self.seed}:{self._people}:{name}:life")  # noqa: S311  nothing secret

    def sheet(self, entity: str) -> Sheet:
        """Return the sheet of an entity."""
        if entity not in self._sheets:
            self._sheets[entity] = Sheet(self.world.tables.get(entity), entity, self.seed, self.now)
        return self._sheets[entity]

    def names(self, entity: str, *names: str) -> list[int]:
        """Add a record for each name, and return their ids."""
        sheet = self.sheet(entity)
        return [sheet.add({}, {"name": name, "value": name, "title": name, "slug": name.lower()}) for name in names]

    @property
    def filled(self) -> frozenset[str]:
        """Return the entities that makers fill."""
        return frozenset(self._sheets)

    def text(self, number: int, name: str) -> str:
        """Return the text of a person's attribute."""
        table = self.world.tables["person"]
        row = table.rows.get(number)
        return str(table.value(row, name) or "") if row else ""


def some(rng: random.Random, choices: list[int], share: float = 1.0) -> int | None:
    """Return one of the choices for this share of the draws, and nothing for the rest."""
    return pick(rng, choices) if choices and rng.random() < share else None
