"""``secrets status`` and ``secrets rotate``: the keys that encrypt stored secrets."""

import click

from openfaith_sync.commands.deployment import Deployment, pass_deployment
from openfaith_sync.commands.output import as_json, print_json, print_rows
from openfaith_sync.domain.errors import DefinitionError
from openfaith_sync.store.admin.key_rotation import KeyUse, count_key_use, rotate_secrets
from openfaith_sync.store.database.database import Database, open_database

_ORGS_NAMED = 5


@click.group()
def secrets() -> None:
    """Inspect and rotate the keys that encrypt stored credentials."""


@secrets.command()
@as_json
@pass_deployment
def status(deployment: Deployment, as_json: bool) -> None:
    """Show how many secrets each key encrypts; the exit status is 1 if no key decrypts some of them.

    A key is identified by its position in OPENFAITH_SECRET_KEYS and by a fingerprint.
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
    """Re-encrypt all secrets with the newest key. Can be interrupted and restarted.

    \b
    1. Put a new key before the others: OPENFAITH_SECRET_KEYS=NEW,OLD
    2. Restart every process with it, so that OLD encrypts nothing new.
    3. openfaith-sync secrets rotate
    4. Remove OLD, and restart again.
    """  # noqa: D301  click's marker for lines that are not rewrapped
    with open_database(deployment.settings) as database:
        rotated = rotate_secrets(database, lambda done: click.echo(f"{done:,} re-encrypted", err=True))
        use = count_key_use(database)
    if as_json:
        keys = _rows(database, use)
        print_json({"rotated": rotated, "keys": keys, "lost": use.lost, "is_rotated": use.is_rotated})
    else:
        click.echo(f"{rotated:,} secrets re-encrypted; the newest key now encrypts {use.by_key[0]:,}")
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
        return "older keys still encrypt some secrets; run: openfaith-sync secrets rotate"
    if len(use.by_key) > 1:
        return "the newest key encrypts every readable secret; remove the others once every process uses it"
    return "there is only one key"


def _refuse_lost(use: KeyUse) -> None:
    """Raise an error that names the orgs whose secrets no key decrypts.

    Raises:
        DefinitionError: There are such secrets.
    """
    if use.lost:
        orgs = sorted(use.lost)
        named = ", ".join(orgs[:_ORGS_NAMED]) + (f" and {len(orgs) - _ORGS_NAMED} more" if orgs[_ORGS_NAMED:] else "")
        raise DefinitionError(
            f"{sum(use.lost.values()):,} secrets are encrypted with a key that is not in OPENFAITH_SECRET_KEYS: "
            f"{named}; add that key, or reconnect these orgs"
        )
