"""What a record belongs to, and what it tells of the records that it refers to: what is erased with them."""

from collections import defaultdict

from openfaith_sync.domain.errors import RecordRejected
from openfaith_sync.domain.ids import AdapterName, EntityId, EntityName, IdDeriver, OrgId
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.mapping.references import derive_id
from openfaith_sync.domain.records.record import Described, RawRecord


class OwnerReader:
    """Reads what a raw record belongs to, also where it cannot be mapped."""

    __slots__ = ("_targets",)

    def __init__(self, entity: Entity, org: OrgId, adapter: AdapterName) -> None:
        """Compile which relationships lead to owners."""
        owners = {column.name for column in entity.record_table.own if column.is_owner}
        by_relationship = {
            name: {
                kind: IdDeriver(org, adapter, EntityName(target))
                for column, targets in part.by_column.items()
                if column in owners
                for kind, target in targets.items()
            }
            for name, part in entity.relationships.items()
        }
        self._targets = {name: targets for name, targets in by_relationship.items() if targets}

    def __call__(self, raw: RawRecord) -> tuple[EntityId, ...]:
        """Return the entity ids of the owners that the record names."""
        found = []
        for name, targets in self._targets.items():
            members = (raw.members or {}).get(name, ())
            for reference in (raw.references.get(name), *members):
                if reference is not None and reference.type in targets:
                    try:
                        found.append(derive_id(targets[reference.type], name, reference.external_id))
                    except RecordRejected:  # it names nothing that is stored
                        continue
        return tuple(found)


def build_described(entity: Entity, prefix: str) -> tuple[Described, ...]:
    """Return what an entity's records tell of the records that they refer to; see the manifest's ``describes``.

    A reference that is severed when its target is erased is itself among what they tell.
    """
    places = {column.name: place for place, column in enumerate(entity.record_table.columns)}
    severed = {places[column.name] for column in entity.record_table.own if column.is_severed}
    told: dict[int, list[tuple[str, str | None]]] = defaultdict(list, {place: [] for place in sorted(severed)})
    for name, attribute in entity.attributes.items():
        for column in entity.relationships[attribute.describes].by_column if attribute.describes else ():
            told[places[column]].append((name, attribute.to))
    return tuple(
        Described(
            place,
            (
                *(places[column] for _, column in attributes if column is not None),
                *((place,) if place in severed else ()),
            ),
            # A value that its column does not hold exactly lies in the custom fields too.
            tuple(prefix + name for name, _ in attributes),
        )
        for place, attributes in told.items()
    )
