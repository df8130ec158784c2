"""What each entity costs an org in requests, as ``plan --cost`` and ``graph --cost`` show it."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

import click

from openfaith_sync.commands.output import print_json, print_rows
from openfaith_sync.commands.plan_facts import OrgPlan
from openfaith_sync.domain.manifest.entity import Entity
from openfaith_sync.domain.manifest.manifest import Manifest
from openfaith_sync.domain.planning.entity_costs import Cost, EntityCost, total
from openfaith_sync.domain.schedule.chosen_intervals import format_interval

COLUMNS = ("entity", "delta", "reconcile", "first", "quarter_hour", "night", "week", "month", "note")
TOTALS = ("module", "first", "quarter_hour", "night", "week", "month")


def print_costs(found: OrgPlan, *, as_json: bool) -> None:
    """Print what each entity costs, and the totals by module."""
    modules = _modules(found.costs)
    if as_json:
        entities = [{**_row(one), "module": one.module} for one in found.costs]
        print_json({"source_asked": found.is_source_asked, "entities": entities, "modules": modules})
        return
    print_rows([_row(one) for one in found.costs], COLUMNS, as_json=False)
    click.echo("")
    print_rows(modules, TOTALS, as_json=False)
    if not found.is_source_asked:
        click.echo("the source was not asked; this is predicted from what is stored", err=True)
    unknown = sum(one.cost.first is None for one in found.costs)
    if unknown:
        click.echo(f"the size of {unknown:,} entities is not known; the totals leave them out", err=True)


def print_shape(manifest: Manifest, *, as_json: bool) -> None:
    """Print how often each entity of a manifest is synced, where there is no org whose requests could be counted."""
    rows = [
        {
            "entity": name,
            "module": entity.module,
            "delta": entity.cadence.delta,
            "reconcile": entity.cadence.reconcile,
            "full": entity.cadence.full,
            "requests": _shape(manifest, entity),
        }
        for name, entity in ((name, manifest.entities[name]) for name in manifest.graph.entities)
    ]
    print_rows(rows, ("entity", "module", "delta", "reconcile", "full", "requests"), as_json=as_json)


def _shape(manifest: Manifest, entity: Entity) -> str:
    if entity.nested is not None and entity.nested.rides:
        return f"none, comes with {entity.parent}"
    if entity.nested is not None:
        return f"1 a {entity.parent}"
    return "1" if entity.singleton or not entity.is_paged else f"1 for each {manifest.adapter_file.paging.size} records"


def _modules(costs: Sequence[EntityCost]) -> list[dict[str, Any]]:
    by_module = sorted(costs, key=lambda one: one.module)
    rows = [
        {"module": module, **_figures(total(list(of_module)))}
        for module, of_module in groupby(by_module, key=lambda one: one.module)
    ]
    return [*rows, {"module": "all", **_figures(total(list(costs)))}]


def _row(one: EntityCost) -> dict[str, Any]:
    return {
        "entity": one.entity,
        "delta": format_interval(one.cadence.delta),
        "reconcile": format_interval(one.cadence.reconcile),
        **_figures(one.cost),
        "note": one.note,
    }


def _figures(cost: Cost) -> Mapping[str, float | None]:
    names = ("first", "quarter", "night", "week", "month")
    shown: Iterable[tuple[str, float | None]] = ((name, getattr(cost, name)) for name in names)
    rounded = {name: None if value is None else round(value, 1) for name, value in shown}
    return {"quarter_hour" if name == "quarter" else name: value for name, value in rounded.items()}
