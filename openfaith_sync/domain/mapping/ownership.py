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
        self._targets = {
            name: {kind: IdDeriver(org, adapter, EntityName(target)) for kind, target in part.targets.items()}
            for name, part in entity.relationships.items()
            if part.to in owners
        }

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
    """Return what an entity's records tell of the records that they refer to; see the manifest's ``describes``."""
    places = {column.name: place for place, column in enumerate(entity.record_table.columns)}
    told: dict[int, list[tuple[str, str | None]]] = defaultdict(list)
    for name, attribute in entity.attributes.items():
        column = entity.relationships[attribute.describes].to if attribute.describes else None
        if column is not None:
            told[places[column]].append((name, attribute.to))
    return tuple(
        Described(
            place,
            tuple(places[column] for _, column in attributes if column is not None),
            # A value that its column does not hold exactly lies in the custom fields too.
            tuple(prefix + name for name, _ in attributes),
        )
        for place, attributes in told.items()
    )
