"""A command imports what it uses, and not what the other commands use."""

import subprocess
import sys

import click
import pytest

from openfaith_sync.cli import COMMANDS, main

OF_OTHERS = (
    "openfaith_sync.simulator",
    "openfaith_sync.web",
    "openfaith_sync.commands.demo",
    "uvicorn",
    "dagster",
    "apprise",
)
IMPORTED = """
import sys
from openfaith_sync.cli import main
try:
    main(["sync", "--help"])
finally:
    print([name for name in sys.argv[1:] if name in sys.modules])
"""


def test_a_sync_starts_without_the_other_commands() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, "openfaith_sync.commands.sync", *OF_OTHERS],
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1] == "['openfaith_sync.commands.sync']"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_found_under_its_own_name(name: str) -> None:
    with click.Context(main) as context:
        command = main.get_command(context, name)
    assert command is not None
    assert command.name == name


def test_an_unknown_command_is_none() -> None:
    with click.Context(main) as context:
        assert main.get_command(context, "sink") is None
