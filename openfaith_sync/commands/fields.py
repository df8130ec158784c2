"""``fields view``: the custom fields of an org as columns."""

import click

from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json, print_rows
from openfaith_sync.domain.ids import parse_org
from openfaith_sync.store.admin.field_views import drop_field_view, make_field_view
from openfaith_sync.store.database.database import open_database


@click.group()
def fields() -> None:
    """Read the custom fields of an org as columns."""


@fields.command()
@click.argument("org")
@click.option("--drop", is_flag=True, help="Drop the view; its columns keep their names for the next time.")
@as_json
@pass_deployment
def view(deployment: Deployment, org: str, *, drop: bool, as_json: bool) -> None:
    """Make a view with one typed column for each custom field of ORG, or refresh it.

    A column keeps its name when its field is renamed at the source. A field that was deleted
    there loses its column after 30 days. Readers of the org may read the view.

    \b
    Example: openfaith-sync fields view grace
    """  # noqa: D301  click's marker for lines that are not rewrapped
    name = parse_org(org)
    with open_database(deployment.settings) as database:
        if drop:
            was_there = drop_field_view(database, name)
            if as_json:
                print_json({"org": name, "dropped": was_there})
            else:
                click.echo(f"dropped the view of {name}'s fields" if was_there else f"{name} has no view of its fields")
            return
        made, columns = make_field_view(database, name)
    rows = [
        {"column": column.name, "type": column.type, "field": column.field.name, "field_id": column.field.id}
        for column in columns
    ]
    if as_json:
        print_json({"org": name, "view": made, "columns": rows})
        return
    click.echo(f"{made} has {len(rows)} columns:")
    print_rows(rows, ("column", "type", "field", "field_id"), as_json=False)
