"""How one dead letter is shown: its raw record beside what the mapping makes of it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from openfaith_sync.adapters.manifest_reader.manifest_lines import ManifestLines
from openfaith_sync.commands.output import print_json, print_rows
from openfaith_sync.domain.dead_letters.dead_letter import DeadLetter, Origin, describe_reason
from openfaith_sync.domain.dead_letters.explanation import ExplainedField, explain_mapping
from openfaith_sync.domain.mapping.parsing import json_type
from openfaith_sync.engine.dead_letters.replay import Replay

FIELD_COLUMNS = ("field", "sent", "column", "stored", "problem", "manifest")
_KEYS = {"attribute": "attributes", "relationship": "relationships"}


def letter_json(letter: DeadLetter, replay: Replay, folder: Path, *, with_values: bool) -> dict[str, Any]:
    """Return everything about a dead letter; without ``with_values``, no value that may be personal."""
    manifest, entity = replay.manifest, letter.key.entity
    is_known = entity in manifest.entities
    version = manifest.entity_fingerprint(entity) if is_known else None
    shown: dict[str, Any] = {
        "id": letter.letter_id,
        "org": letter.key.org,
        "entity": f"{letter.key.adapter}/{entity}",
        "external_id": letter.external_id,
        "parent_id": letter.parent_id,
        "reason": describe_reason(letter.field, letter.value_type, letter.reason),
        "rejected_by_manifest": letter.manifest_version,
        "present_manifest": version,
        "first_seen_at": letter.first_seen_at,
        "last_seen_at": letter.last_seen_at,
        "occurrences": letter.occurrences,
        "resolved_at": letter.resolved_at,
        "origin": _describe_origin(letter.origin),
        "events": list(letter.origin.events),
        "is_replayable": letter.is_replayable,
        "next": _next(letter, is_known=is_known),
        "fields": [],
    }
    if letter.is_replayable and is_known:
        raw = replay.kept.parse_stored(entity, letter.raw, letter.parent_id)
        fields = explain_mapping(manifest.entities[entity], letter.key.org, letter.key.adapter, manifest.entities, raw)
        lines = ManifestLines(folder)
        shown["fields"] = [_field(one, lines, entity, with_values=with_values) for one in fields]
    return {**shown, "raw": letter.raw} if with_values else shown


def print_letter(shown: Mapping[str, Any]) -> None:
    """Print a dead letter for people."""
    click.echo("\n".join(_heading(shown)))
    if shown["fields"]:
        print_rows(shown["fields"], FIELD_COLUMNS, as_json=False)
    if "raw" in shown:
        print_json(shown["raw"])
    elif any(field["is_hidden"] for field in shown["fields"]):
        click.echo(f"values are hidden: openfaith-sync dead-letters show {shown['id']} --values", err=True)
    click.echo(f"next: {shown['next']}", err=True)


def _heading(shown: Mapping[str, Any]) -> Iterator[str]:
    yield f"dead letter {shown['id']}: {shown['entity']} {shown['external_id']} of {shown['org']}"
    yield f"  reason    {shown['reason']}"
    present = shown["present_manifest"]
    state = "the present one" if shown["rejected_by_manifest"] == present else f"the present one is {present}"
    yield f"  manifest  rejected by {shown['rejected_by_manifest']}; {state}"
    yield f"  from      {shown['origin']}"
    first, last, times = shown["first_seen_at"], shown["last_seen_at"], shown["occurrences"]
    seen = f"{first:%F %T}" if times == 1 else f"{times:,} times, {first:%F %T} to {last:%F %T}"
    yield f"  seen      {seen} UTC"
    if shown["resolved_at"]:
        yield f"  resolved  {shown['resolved_at']:%F %T} UTC"


def _describe_origin(origin: Origin) -> str:
    if origin.pass_id is None:
        return "not recorded"
    place = f"pass {origin.pass_id}" if origin.page is None else f"page {origin.page} of pass {origin.pass_id}"
    how = f"{place} ({origin.mode}, {origin.trigger})" if origin.mode else place
    return f"{how}, webhook event {', '.join(origin.events)}" if origin.events else how


def _next(letter: DeadLetter, *, is_known: bool) -> str:
    """Return the command that gets the record stored."""
    org, adapter, entity = letter.key.org, letter.key.adapter, letter.key.entity
    if letter.resolved_at is not None:
        return "nothing: it is resolved"
    if not is_known:
        return f"nothing: the {adapter} manifest has no entity {entity} now"
    if letter.is_replayable:
        return f"correct the manifest or the record, then: openfaith-sync dead-letters replay {letter.letter_id}"
    return (
        "it has no whole raw record, so it is read again by: "
        f"openfaith-sync sync {org} --adapter {adapter} --entity {entity} --mode full"
    )


def _field(one: ExplainedField, lines: ManifestLines, entity: str, *, with_values: bool) -> dict[str, Any]:
    is_hidden = one.is_private and not with_values

    def shown(value: object) -> object:
        return f"({json_type(value)}, hidden)" if is_hidden and value is not None else value

    problem = one.problem and (f"{one.problem}; rejects the record" if one.rejects else one.problem)
    return {
        "field": one.name,
        "sent": shown(one.sent) if one.is_sent else "(not sent)",
        "column": one.column,
        "stored": shown(one.stored),
        "problem": problem,
        "manifest": lines.find(entity, _KEYS[one.kind], one.name) if one.kind in _KEYS else None,
        "is_hidden": is_hidden and (one.sent is not None or one.stored is not None),
    }
