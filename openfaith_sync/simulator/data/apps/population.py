"""Fill every entity of the manifest when the simulator starts."""

import random
from collections.abc import Iterator

from openfaith_sync.domain.ids import EntityName
from openfaith_sync.domain.manifest.attribute import Attribute, AttributeType, Relationship
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.entity_keys import Delta, DeltaCapability, Endpoints
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.simulator.data.apps.whole_church import fill_apps
from openfaith_sync.simulator.data.edges import World
from openfaith_sync.simulator.data.filling import Filling
from openfaith_sync.simulator.data.gatherings import make_campuses, make_groups
from openfaith_sync.simulator.data.households import Families
from openfaith_sync.simulator.data.memberships import GROUP_MEMBERSHIP, HOUSEHOLD_MEMBERSHIP, make_memberships
from openfaith_sync.simulator.data.record_makers import NewRecord
from openfaith_sync.simulator.data.synthetic_records import invent, invent_references, invent_values
from openfaith_sync.simulator.data.tables import Table
from openfaith_sync.simulator.data.timestamps import BASE_SECONDS
from openfaith_sync.simulator.data.unmodelled_resources import PERSON_MERGER
from openfaith_sync.simulator.data.validation import is_needed

_REPORT_TEMPLATE = EntityName("report_template")
REALISTIC = frozenset({"campus", "household", "person", "address", "email", "phone_number", "group", "event"}) | {
    HOUSEHOLD_MEMBERSHIP,
    GROUP_MEMBERSHIP,
}


def populate(manifest: Manifest, people: int, seed: int, as_of_seconds: int = BASE_SECONDS) -> World:
    """Return the world for this seed and number of people; the same arguments always return the same world.

    What has its place in time, such as gifts, plans and check-ins, lies around ``as_of_seconds``.
    """
    entities = dict(manifest.entities)
    if "person" in entities:
        entities.setdefault(PERSON_MERGER, _merger_entity(entities[EntityName("person")]))
    if "service_type" in entities:
        entities.setdefault(_REPORT_TEMPLATE, _report_template(entities[EntityName("service_type")]))
    world = World(entities.values())
    fillers = {name: _Filler(table, seed) for name, table in world.tables.items()}
    for record in _realistic(people, seed):
        if record.entity in fillers:
            fillers[record.entity].add(record)
    for record in make_memberships(world, seed):
        fillers[record.entity].add(record)
    filled = fill_apps(Filling(world, people, seed, as_of_seconds)) if people else frozenset()
    for name, entity in manifest.entities.items():
        if name not in REALISTIC and name != PERSON_MERGER and name not in filled:
            for record in invent(entity, people, seed):
                fillers[name].add(record)
    for realistic in sorted(REALISTIC & world.tables.keys()):
        _resolve_words(world, world.tables[realistic])
    _refer(world, seed, filled)
    return world


def _realistic(people: int, seed: int) -> Iterator[NewRecord]:
    campuses = list(make_campuses(seed))
    yield from campuses
    yield from Families(people, seed, [campus.id for campus in campuses]).records()
    yield from make_groups(people, seed)


class _Filler:
    """Adds records to a table, and fills in the attributes that their maker leaves out."""

    def __init__(self, table: Table, seed: int) -> None:
        self._table = table
        self._rng = random.Random(f"{seed}:{table.entity.name}:rest")  # noqa: S311  nothing secret
        self._rest: set[str] | None = None

    def add(self, record: NewRecord) -> None:
        entity = self._table.entity
        if self._rest is None:
            # All records of one maker have the same attributes.
            self._rest = set(entity.attributes) - set(record.attributes)
        rest = invent_values(entity, self._rest, self._rng) if self._rest else {}
        self._table.add(record.id, record.attributes | rest if rest else record.attributes, record.references)


def _refer(world: World, seed: int, filled: frozenset[str]) -> None:
    """Fill the relationships that no maker sets, now that all records exist."""
    known = {name: list(table.rows) for name, table in world.tables.items()}
    made = {"campus": {"organization"}, "household": {"people", "primary_contact"}, "person": {"primary_campus"}}
    made |= {child: {"person"} for child in ("address", "email", "phone_number")}
    made |= {"group": {"group_type", "location"}}
    made |= {HOUSEHOLD_MEMBERSHIP: {"household", "person"}, GROUP_MEMBERSHIP: {"group", "person"}}
    made |= {"event": {"group", "location", "repeating_event", "attendance_submitter"}}
    for name, table in world.tables.items():
        _keep_one_below(world, table)
        # A list of what is below a record is no reference of its own.
        rest = {link for link in table.links if not world.is_mirror(table, link)} - made.get(name, set())
        rest -= {table.entity.nested.under} if table.entity.nested and table.entity.nested.one else set()
        if name in filled:
            rest = {link for link in rest if is_needed(table, link) and not any(table.back[link].values())}
        rng = random.Random(f"{seed}:{name}:references")  # noqa: S311  nothing secret
        for row in list(table.rows.values()) if rest else ():
            table.change(row, {}, invent_references(table.entity, rest, known, rng))


def _resolve_words(world: World, table: Table) -> None:
    """Replace ids that makers write as texts, since no table need hold the record, by those of the table that does."""
    for name, declared in table.entity.relationships.items():
        target = world.tables.get(declared.target)
        place = table.link_position[name]
        for row in table.rows.values() if target else ():
            reference = row.references[place]
            found = target.find(reference) if target and isinstance(reference, str) else None
            if found is not None:
                table.change(row, {}, {name: found.id})


def _keep_one_below(world: World, table: Table) -> None:
    """Assign each record of an entity that a parent has at most once to a parent of its own; drop what is left over."""
    nested, parents = table.entity.nested, world.parents(table)
    if nested is None or not nested.one or parents is None:
        return
    free = iter(list(parents.rows))
    for row in list(table.rows.values()):
        if table.reference(row, nested.under) is None:
            parent = next(free, None)
            if parent is None:
                table.remove(row)
            else:
                table.change(row, {}, {nested.under: parent})


def _report_template(service_type: Entity) -> Entity:
    """Return the entity for report templates, which an independent client was recorded with; no manifest syncs them."""
    text = Attribute(type=AttributeType.STRING)
    changes = {
        "name": _REPORT_TEMPLATE,
        "resource": "ReportTemplate",
        "endpoints": Endpoints(list="/report_templates", get="/report_templates/{id}"),
        "attributes": {"body": text, "default": Attribute(type=AttributeType.BOOLEAN), "title": text, "type": text},
    }
    empty = ("relationships", "sideload", "include", "includes", "edges", "order_by", "filters", "scopes", "webhooks")
    return service_type.model_copy(
        update=changes | {name: type(getattr(service_type, name))() for name in empty} | {"table": None}
    )


def _merger_entity(person: Entity) -> Entity:
    """Return the entity for merges, which clients read although no manifest syncs it as an entity."""
    number = Attribute(type=AttributeType.PRIMARY_KEY, wire="number")
    towards = Relationship(target="person", resource=person.resource, always=True)
    return Entity(
        name=PERSON_MERGER,
        adapter=person.adapter,
        module=person.module,
        path=person.path,
        version=person.version,
        resource="PersonMerger",
        webhooks=(person.merges.webhook,) if person.merges and person.merges.webhook else (),
        table=person.table,
        description="A merge of two people.",
        endpoints=Endpoints(list="/person_mergers", get="/person_mergers/{id}"),
        order_by=("created_at",),
        filters=("created_at", "person_to_keep_id", "person_to_remove_id"),
        delta=Delta(by=DeltaCapability.NONE, attribute=None),
        attributes={
            "created_at": Attribute(type=AttributeType.DATE_TIME),
            "person_to_keep_id": number,
            "person_to_remove_id": number,
        },
        relationships={"person_to_keep": towards, "person_to_remove": towards},
    )
