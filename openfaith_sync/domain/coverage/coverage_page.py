"""What becomes of each resource of a source, as a Markdown document."""

from collections.abc import Iterator, Mapping

from openfaith_sync.domain.coverage.coverage_file import CoverageFile, Covered, Decision
from openfaith_sync.domain.coverage.freshness import cost, freshness
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest

_COLUMNS = ("resource", "table", "how fresh", "what it costs", "what is not seen at once")


def coverage_page(coverage: CoverageFile, manifest: Manifest) -> str:
    """Return the document: a section for each product, with a table of what is synced and a list of the rest."""
    return "\n".join(_lines(coverage, manifest)) + "\n"


def _lines(coverage: CoverageFile, manifest: Manifest) -> Iterator[str]:
    adapter = manifest.adapter_file
    every = [covered for resources in coverage.resources.values() for covered in resources.values()]
    counts = {decision: sum(covered.decision is decision for covered in every) for decision in Decision}
    yield f"# What is synced from {adapter.title}"
    yield ""
    name = manifest.adapter
    files = f"`manifests/{name}` and `manifests/{name}.coverage.yaml`"
    yield f"Made by `openfaith-sync manifest coverage {name}` from {files}."
    yield ""
    yield (
        f"Of {len(every)} resources that the source documents, {counts[Decision.SYNCED]} are synced by listings "
        f"of their own,\n{counts[Decision.RIDES]} come with others, {counts[Decision.REFERENCE]} are reference tables, "
        f"{counts[Decision.DERIVED]} say what is stored elsewhere, and {counts[Decision.EXCLUDED]} are excluded."
    )
    yield ""
    yield f"- **Tables.** `openfaith.…` is a canonical table, with a view of the source's shape in schema `{name}`."
    yield f"  `{name}.…` is a source table, with a column for each attribute."
    yield f"- **Attributes.** In a canonical table, an attribute without a column is the key `{name}_<attribute>` of"
    yield "  `custom_fields`. The attributes that are never stored are named below each table."
    yield f"- **Costs.** A page has up to {adapter.paging.size} records. Products that are not granted are not asked."
    yield "- **Off by default.** *sensitive* and *optional* entities are synced for a church that names them:"
    yield "  `openfaith-sync org set CHURCH --sensitive ENTITY`."
    for product, resources in coverage.resources.items():
        yield ""
        yield from _section(product, resources, manifest)


def _section(product: str, resources: Mapping[str, Covered], manifest: Manifest) -> Iterator[str]:
    head = manifest.adapter_file.products.get(product)
    yield f"## {product}" + (f" (version {head.version})" if head and head.version else "")
    kept = {name: manifest.entities[found.entity] for name, found in resources.items() if found.entity}
    if kept:
        yield ""
        yield f"| {' | '.join(_COLUMNS)} |"
        yield "|---" * len(_COLUMNS) + "|"
        for name, entity in kept.items():
            yield f"| {' | '.join(_cells(name, entity, manifest))} |"
    dropped = [
        f"- {name}: {', '.join(f'`{key}` ({why})' for key, why in found.dropped.items())}."
        for name, found in resources.items()
        if found.dropped
    ]
    if dropped:
        yield from ("", "Never stored:", "", *dropped)
    for decision, title in ((Decision.DERIVED, "Stored elsewhere:"), (Decision.EXCLUDED, "Excluded:")):
        rest = [f"- {name}: {found.reason}." for name, found in resources.items() if found.decision is decision]
        if rest:
            yield from ("", title, "", *rest)


def _cells(resource: str, entity: Entity, manifest: Manifest) -> Iterator[str]:
    marks = [word for word, holds in _marks(entity) if holds]
    yield f"{resource} (`{entity.name}`{', ' + ', '.join(marks) if marks else ''})"
    yield f"`{entity.record_table.schema}.{entity.record_table.name}`"
    yield freshness(entity, manifest)
    yield cost(entity, manifest)
    yield "; ".join(f"{spot.change} ({spot.source})" for spot in entity.blind_spots)


def _marks(entity: Entity) -> Iterator[tuple[str, bool]]:
    yield "*sensitive*", not entity.sensitivity.is_granted
    yield "*optional*", entity.optional
