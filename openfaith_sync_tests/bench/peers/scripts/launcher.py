"""Run commands as one pipeline and write what they took, as JSON, to a file.

``python launcher.py FIGURES INPUT OUTPUT [[ARGUMENT, …], …]``: the commands as JSON, each one's output the next one's
input, the first one's from INPUT and the last one's to OUTPUT. A process of its own, and a small one: what the system
reports as a child's peak memory includes what its parent held when it forked, here 10 MB.
"""

import json
import os
import sys
import time
from pathlib import Path


def start(command: list[str], standard_input: int, standard_output: int) -> int:
    """Start a command and return its process id."""
    redirections = [(os.POSIX_SPAWN_DUP2, standard_input, 0), (os.POSIX_SPAWN_DUP2, standard_output, 1)]
    return os.posix_spawn(command[0], command, os.environ, file_actions=redirections)


def main() -> None:
    figures, given, taken, commands = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
    began = time.perf_counter()
    source = os.open(given, os.O_RDONLY)
    pids = []
    for command in commands[:-1]:
        reading, writing = os.pipe()
        pids.append(start(command, source, writing))
        os.close(source)
        os.close(writing)
        source = reading
    sink = os.open(taken, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    pids.append(start(commands[-1], source, sink))
    os.close(source)
    ended = [os.wait4(pid, 0) for pid in pids]
    seconds = time.perf_counter() - began
    used = [usage for _, _, usage in ended]
    found = {
        "seconds": seconds,
        "cpu_seconds": sum(usage.ru_utime + usage.ru_stime for usage in used),
        "peak_mb": sum(usage.ru_maxrss for usage in used) / 1024,
        "statuses": [os.waitstatus_to_exitcode(status) for _, status, _ in ended],
    }
    Path(figures).write_text(json.dumps(found))


if __name__ == "__main__":
    main()
