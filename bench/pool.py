"""Many calls, so many at a time, by those who have no command for it: a process a call.

pool.py OUT CALLS CONCURRENCY COMMAND...: `{number}` and `{out}` are filled in
"""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor


def spread(out: str, calls: int, concurrency: int, command: list[str]) -> None:
    """Runs the command once a number; the first failure is raised."""

    def one(number: int) -> None:
        filled = [part.replace("{number}", str(number)).replace("{out}", out) for part in command]
        subprocess.run(filled, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    with ThreadPoolExecutor(concurrency) as pool:
        for _ in pool.map(one, range(calls)):
            pass


if __name__ == "__main__":
    spread(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
