"""Speaking with a process that was started with pipes and as text."""

from subprocess import Popen


def read_line(process: Popen[str]) -> str:
    """Return the next line of what it prints, or nothing when it printed its last."""
    assert process.stdout is not None
    return process.stdout.readline()


def write_line(process: Popen[str], line: str = "") -> None:
    """Write a line to its input now."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()
