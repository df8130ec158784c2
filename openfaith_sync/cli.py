"""The command line: reads the environment once and registers the commands."""

import os

import click

from openfaith_sync.commands.database import db
from openfaith_sync.commands.demo import demo
from openfaith_sync.commands.deployment import Deployment
from openfaith_sync.commands.graph import graph
from openfaith_sync.commands.holds import holds
from openfaith_sync.commands.manifest import manifest
from openfaith_sync.commands.one_line_errors import OneLineErrors
from openfaith_sync.commands.org import org
from openfaith_sync.commands.secrets import secrets
from openfaith_sync.commands.serve import serve
from openfaith_sync.commands.status import status
from openfaith_sync.commands.sync import sync
from openfaith_sync.commands.webhooks import webhooks
from openfaith_sync.simulator.server.command import simulate


@click.group("openfaith-sync", cls=OneLineErrors, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="openfaith-sync")
@click.pass_context
def main(context: click.Context) -> None:
    """Sync church management systems into PostgreSQL.

    \b
    Start with:
      openfaith-sync demo                         a simulated church, end to end
      openfaith-sync org add grace --basic-stdin  connect a real one
      openfaith-sync sync grace                   sync it
      openfaith-sync status                       what is stored, and how fresh it is

    \b
    Environment (all optional):
      OPENFAITH_DATABASE_URL   the PostgreSQL database; by default one is started in OPENFAITH_HOME
      OPENFAITH_QUERY_URL      the same database with the role for `db query`; by default one is created
      OPENFAITH_SECRET_KEYS    keys that encrypt credentials, newest first; required with a URL
      OPENFAITH_MANIFESTS      the folder of manifests (default: manifests/)
      OPENFAITH_HOME           the folder for local files (default: .openfaith/)
      OPENFAITH_PUBLIC_URL     the URL at which sources reach `serve`; without it, no webhooks
      OPENFAITH_PCO_CLIENT_ID, OPENFAITH_PCO_CLIENT_SECRET
                               the OAuth client that `org connect` uses
    """  # noqa: D301  click's marker for lines that are not rewrapped
    context.obj = deployment = Deployment.from_environment(os.environ)
    context.default_map = {"simulate": {"manifests": str(deployment.settings.manifests)}}


for command in (demo, simulate, org, status, sync, holds, serve, webhooks, secrets, graph, manifest, db):
    main.add_command(command)
