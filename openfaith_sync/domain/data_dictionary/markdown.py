"""The data dictionary as a Markdown document."""

from collections.abc import Iterable, Iterator

from openfaith_sync.domain.data_dictionary.described import DataDictionary, DescribedRelation, RelationKind
from openfaith_sync.domain.record_tables import live_schema

_TOP = """# Data dictionary

Made by `openfaith-sync data-dictionary` from the definitions that make the tables.

- **Rows.** One row is one record of one church (`org_id`). Tables keep deleted and merged records, with `deleted_at`.
  A live view (`openfaith_live.people`) shows the living ones only, and leaves out what is sensitive.
- **Joins.** A reference holds the `id` of its target. Join on the church as well, which is what the indexes serve:
  `JOIN openfaith_live.people AS person ON (person.org_id, person.id) = (email.org_id, email.person_id)`. The target may
  be missing, if it was not synced yet or is deleted: use `LEFT JOIN` to keep such rows.
- **Merges.** When the source merges two records, all references follow to the one that is kept, so joins need nothing
  special. Whoever kept the `id` of the removed one finds the kept one's in its `merged_into_id`, in one step:
  `SELECT COALESCE(merged_into_id, id) FROM openfaith.people WHERE id = '...'`.
- **Custom fields.** `custom_fields` holds what has no column: `custom_fields ->> 'pco_grade'`. Beside the keys below,
  it has attributes that the manifest does not name yet, and values that their column could not hold exactly, each as
  `<adapter>_<attribute>`.
- **Sensitivity.** `public`, `personal` or `sensitive`. Readers see what is sensitive only if they were granted it by
  name.
"""


def markdown_document(dictionary: DataDictionary) -> str:
    """Return the dictionary as Markdown: a section a table or view, with its live view beside it."""
    live = {relation.qualified: relation for relation in dictionary.relations}
    lines = [_TOP]
    for schema in dictionary.schemas:
        shown = [relation for relation in dictionary.of_schema(schema) if relation.kind is not RelationKind.LIVE_VIEW]
        if shown:
            lines.append(f"## Schema `{schema}`\n")
        for relation in shown:
            lines += _section(relation, live.get(f"{live_schema(relation.schema)}.{relation.name}"))
    return "\n".join(lines)


def _section(relation: DescribedRelation, live: DescribedRelation | None) -> Iterator[str]:
    yield f"### `{relation.qualified}` ({relation.kind}, {relation.sensitivity})\n"
    yield f"{relation.description}\n"
    # A view of several tables shows living rows only, and has no live view of its own.
    if live is not None:
        shown = {column.name for column in live.columns}
        hidden = ", ".join(f"`{column.name}`" for column in relation.columns if column.name not in shown)
        yield f"Live view: `{live.qualified}`, without {hidden}.\n"
    rows = [
        (
            f"`{column.name}`",
            column.type,
            column.description,
            ", ".join(column.sources),
            column.sensitivity,
            ", ".join(f"`{table}`" for table in column.joins),
        )
        for column in relation.columns
    ]
    yield from _table(("column", "type", "holds", "source", "sensitivity", "joins"), rows)
    if relation.custom_fields:
        yield f"Keys of `{relation.qualified}.custom_fields`:\n"
        fields = [
            (found.entity, f"`{found.key}`", found.type, found.source, found.sensitivity)
            for found in relation.custom_fields
        ]
        yield from _table(("entity", "key", "type", "source", "sensitivity"), fields)


def _table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for row in rows:
        yield f"| {' | '.join(map(_escaped, row))} |"
    yield ""


def _escaped(cell: str) -> str:
    return cell.replace("&", "&amp;").replace("<", "&lt;").replace("|", "&#124;")
