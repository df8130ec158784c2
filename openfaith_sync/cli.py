"""The command line: reads the environment once and registers the commands."""

import os
from importlib import import_module

import click

from openfaith_sync.commands.deployment import Deployment
from openfaith_sync.commands.one_line_errors import OneLineErrors
from openfaith_sync.domain.connections.deployment_settings import LogFormat
from openfaith_sync.sessions.log_output import configure_logging

COMMANDS = {
    "alerts": "openfaith_sync.commands.alerts",
    "data-dictionary": "openfaith_sync.commands.data_dictionary",
    "db": "openfaith_sync.commands.database",
    "dead-letters": "openfaith_sync.commands.dead_letters",
    "demo": "openfaith_sync.commands.demo",
    "erase": "openfaith_sync.commands.erase",
    "fields": "openfaith_sync.commands.fields",
    "giving": "openfaith_sync.commands.giving",
    "graph": "openfaith_sync.commands.graph",
    "holds": "openfaith_sync.commands.holds",
    "manifest": "openfaith_sync.commands.manifest",
    "org": "openfaith_sync.commands.org",
    "plan": "openfaith_sync.commands.plan",
    "secrets": "openfaith_sync.commands.secrets",
    "serve": "openfaith_sync.commands.serve",
    "simulate": "openfaith_sync.simulator.server.command",
    "status": "openfaith_sync.commands.status",
    "sync": "openfaith_sync.commands.sync",
    "webhooks": "openfaith_sync.commands.webhooks",
}
"""The module that holds each command, under its own name."""


class Commands(OneLineErrors):
    """The root group. Imports a command when it is used: importing all of them takes half of a command's start."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's
        """Return the names of all commands."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  click's
        """Return a command; ``None`` if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name]), cmd_name.replace("-", "_"))
        return command


@click.group("openfaith-sync", cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="openfaith-sync")
@click.pass_context
def main(context: click.Context) -> None:
    """Sync church management systems into PostgreSQL.

    \b
    Start with:
      openfaith-sync demo                         a simulated church, end to end
      openfaith-sync org add grace --basic-stdin  connect a real one
      openfaith-sync plan grace                   what a sync would do, and what it costs
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
      OPENFAITH_ALERT_URLS     the Apprise URLs that alerts are sent to; without it, nobody is told
      OPENFAITH_OPERATOR       the organization that runs this, as `org invite` names it to churches
      OPENFAITH_LOG_FORMAT     text (default) or json: one object a line on standard error
      OPENFAITH_PCO_CLIENT_ID, OPENFAITH_PCO_CLIENT_SECRET
                               the OAuth client that `org connect` and `org invite` use
    """  # noqa: D301  click's marker for lines that are not rewrapped
    context.obj = deployment = Deployment.from_environment(os.environ)
    if deployment.settings.log_format is LogFormat.JSON:
        configure_logging(deployment.settings.log_format)
    context.default_map = {"simulate": {"manifests": str(deployment.settings.manifests)}}
