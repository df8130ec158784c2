"""``serve``: the webhook receiver."""

import click

from openfaith_sync.adapters.manifest_reader.manifest_files import list_adapters, read_manifest
from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.domain.webhooks.subscription import parse_public_url
from openfaith_sync.sessions.log_output import configure_logging
from openfaith_sync.store.database.database import open_database
from openfaith_sync.web.server import Address
from openfaith_sync.web.server import serve as run_server


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8790, show_default=True, help="0 picks a free port.")
@click.option(
    "--proxies",
    default="127.0.0.1",
    show_default=True,
    metavar="ADDRESS,...",
    help="Proxies whose X-Forwarded-For is trusted.",
)
@pass_deployment
def serve(deployment: Deployment, host: str, port: int, proxies: str) -> None:
    """Receive webhooks, and the redirects of `org connect`, until stopped.

    A delivery is stored before it is acknowledged.

    By default the server listens only on this machine, and it speaks HTTP: put a proxy with TLS
    in front of it, and set OPENFAITH_PUBLIC_URL to the URL at which sources reach the proxy.
    `webhooks ensure` and Dagster's sensor then subscribe OPENFAITH_PUBLIC_URL/webhooks/ADAPTER/ORG
    at each source.

    \b
    Example: openfaith-sync serve --port 8790
    """  # noqa: D301  click's marker for lines that are not rewrapped
    settings = deployment.settings
    public_url = parse_public_url(settings.public_url) if settings.public_url else None
    manifests = [read_manifest(settings.manifests, adapter) for adapter in list_adapters(settings.manifests)]
    configure_logging(settings.log_format, ["openfaith_sync.web"])

    def say(url: str) -> None:
        reached = f"public URL: {public_url}" if public_url else "OPENFAITH_PUBLIC_URL is not set"
        click.echo(f"receiving webhooks at {url} ({reached})")

    with open_database(settings) as database:
        database.keys.require()
        run_server(database, manifests, Address(host, port, proxies), say)
