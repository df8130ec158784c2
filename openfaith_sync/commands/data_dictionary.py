"""``data-dictionary``: what every table and column holds, for people, dbt and programs."""

import json
from collections.abc import Callable
from dataclasses import asdict
from io import StringIO
from pathlib import Path

import click
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.domain.data_dictionary.dbt_sources import dbt_sources
from openfaith_sync.domain.data_dictionary.described import DataDictionary
from openfaith_sync.domain.data_dictionary.markdown import markdown_document

_NO_STRINGS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~"})
"""What dbt, which reads YAML 1.1, takes for something else than a string."""


def _as_yaml(dictionary: DataDictionary) -> str:
    yaml, text = YAML(), StringIO()
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump(_quoted(dbt_sources(dictionary)), text)
    return text.getvalue()


def _quoted(value: object) -> object:
    match value:
        case dict():
            return {key: _quoted(part) for key, part in value.items()}
        case list():
            return [_quoted(part) for part in value]
        case str() if value.lower() in _NO_STRINGS:
            return DoubleQuotedScalarString(value)
        case _:
            return value


def _as_json(dictionary: DataDictionary) -> str:
    return json.dumps(asdict(dictionary), indent=2, ensure_ascii=False) + "\n"


FORMATS: dict[str, Callable[[DataDictionary], str]] = {
    "markdown": markdown_document,
    "dbt": _as_yaml,
    "json": _as_json,
}


@click.command("data-dictionary")
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), default="markdown", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@pass_deployment
def data_dictionary(deployment: Deployment, kind: str, output: Path | None) -> None:
    """Print what every table, view and column of records holds, with its type, source, sensitivity and joins.

    It is made from the manifests and the definitions of the canonical tables; no database is
    needed. The format dbt is a sources.yml for dbt 1.10 or newer.

    \b
    Examples:
      openfaith-sync data-dictionary -o data-dictionary.md
      openfaith-sync data-dictionary --format dbt -o models/sources.yml
    """  # noqa: D301  click's marker for lines that are not rewrapped
    # SQLAlchemy takes longer to import than everything else here.
    from openfaith_sync.store.manifests.described_tables import describe_tables  # noqa: PLC0415

    root = deployment.settings.manifests
    text = FORMATS[kind](describe_tables([read_manifest(root, name) for name in list_adapters(root)]))
    if output is None:
        click.echo(text.rstrip("\n"))
        return
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.FileError(str(output), error.strerror or str(error)) from None
    click.echo(f"wrote {output}")
