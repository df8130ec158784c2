"""``secrets status`` and ``secrets rotate``: which keys hold what, and how an old one goes."""

import click

from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.printing import as_json, print_json, print_rows
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.store.admin.key_rotation import KeyUse, count_key_use, rotate_secrets
from openfaith_sync.store.database.database import Database, open_database

_ORGS_NAMED = 5


@click.group()
def secrets() -> None:
    """Look at the keys that stored credentials are encrypted with, and replace them."""


@secrets.command()
@as_json
@pass_deployment
def status(deployment: Deployment, as_json: bool) -> None:
    """Show how many secrets each key holds; the exit status is 1 when some are held by none.

    A key is shown by its place in OPENFAITH_SECRET_KEYS and by a fingerprint.
    """
    with open_database(deployment.settings) as database:
        use = count_key_use(database)
    if as_json:
        print_json({"keys": _rows(database, use), "lost": use.lost, "is_rotated": use.is_rotated})
    else:
        print_rows(_rows(database, use), ("key", "fingerprint", "secrets"), as_json=False)
        click.echo(_advice(use))
    _refuse_lost(use)


@secrets.command()
@as_json
@pass_deployment
def rotate(deployment: Deployment, as_json: bool) -> None:
    """Encrypt everything anew with the newest key. May be stopped and started again.

    \b
    1. Put a new key before the others: OPENFAITH_SECRET_KEYS=NEW,OLD
    2. Restart everything with it, so that nothing is stored with OLD any more.
    3. openfaith-sync secrets rotate
    4. Take OLD out, and restart again.
    """  # noqa: D301  click's sign for lines that stay as they are
    with open_database(deployment.settings) as database:
        rotated = rotate_secrets(database, lambda done: click.echo(f"{done:,} encrypted anew", err=True))
        use = count_key_use(database)
    if as_json:
        keys = _rows(database, use)
        print_json({"rotated": rotated, "keys": keys, "lost": use.lost, "is_rotated": use.is_rotated})
    else:
        click.echo(f"{rotated:,} secrets encrypted anew, {use.by_key[0]:,} in all held by the newest key")
        click.echo(_advice(use))
    _refuse_lost(use)


def _rows(database: Database, use: KeyUse) -> list[dict[str, object]]:
    pairs = zip(database.keys.fingerprints, use.by_key, strict=True)
    return [
        {"key": place, "fingerprint": fingerprint, "secrets": count}
        for place, (fingerprint, count) in enumerate(pairs, start=1)
    ]


def _advice(use: KeyUse) -> str:
    if any(use.by_key[1:]):
        return "older keys still hold some: openfaith-sync secrets rotate"
    if len(use.by_key) > 1:
        return "the newest key holds all that can be read; the others may go once every process has the newest first"
    return "there is one key"


def _refuse_lost(use: KeyUse) -> None:
    """Say whose secrets no key opens.

    Raises:
        DefinitionError: There are such.
    """
    if use.lost:
        orgs = sorted(use.lost)
        named = ", ".join(orgs[:_ORGS_NAMED]) + (f" and {len(orgs) - _ORGS_NAMED} more" if orgs[_ORGS_NAMED:] else "")
        raise DefinitionError(
            f"{sum(use.lost.values()):,} secrets were encrypted with a key that is not in OPENFAITH_SECRET_KEYS: "
            f"{named}; add that key, or connect these orgs again"
        )
