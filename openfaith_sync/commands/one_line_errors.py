"""Errors as one clear line, and exit statuses: 1 failure, 2 wrong usage, 130 interrupted."""

import sys
from typing import Any

import click

from openfaith_sync.domain.errors import SyncError

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


class OneLineErrors(click.Group):
    """The root group. Prints our own errors in one line; any other exception is a bug and keeps its traceback."""

    def main(self, *args: Any, **options: Any) -> Any:
        """Run the command and exit with its status."""
        options["standalone_mode"] = False
        sys.exit(self._run(args, options))

    def _run(self, args: tuple[Any, ...], options: dict[str, Any]) -> int:
        try:
            # The value that a command passes to `ctx.exit` is returned here.
            status = super().main(*args, **options)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            return WRONG_USAGE
        except click.UsageError as error:
            where = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
            _say(error.format_message().rstrip(".") + where)
            return WRONG_USAGE
        except click.ClickException as error:
            _say(error.format_message())
            return error.exit_code
        except click.Abort:
            _say("interrupted")
            return INTERRUPTED
        except SyncError as error:
            _say(str(error))
            return FAILED
        return status if isinstance(status, int) else 0


def _say(message: str) -> None:
    click.echo(f"openfaith-sync: {message}", err=True)
