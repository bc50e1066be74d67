"""Many calls, so many at a time, by those who have no command for it: threads over the library or a process.

pool.py library BASE_URL OUT CALLS CONCURRENCY: `gpt_image2.Client`, in an environment that has it
pool.py process OUT CALLS CONCURRENCY COMMAND...: a process a call, `{number}` and `{out}` filled in
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def spread(job: Callable[[int], object], calls: int, concurrency: int) -> None:
    """Runs the job once a number; the first failure is raised."""
    with ThreadPoolExecutor(concurrency) as pool:
        for _ in pool.map(job, range(calls)):
            pass


def library(base_url: str, out: str, calls: str, concurrency: str) -> None:
    """One client, many threads."""
    from gpt_image2 import Client

    client = Client(base_url=base_url)

    def one(number: int) -> None:
        client.generate(f"A lighthouse, number {number}", output=Path(out, f"{number}.png"))

    spread(one, int(calls), int(concurrency))


def process(out: str, calls: str, concurrency: str, *command: str) -> None:
    """A process a call."""

    def one(number: int) -> None:
        filled = [part.replace("{number}", str(number)).replace("{out}", out) for part in command]
        subprocess.run(filled, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    spread(one, int(calls), int(concurrency))


if __name__ == "__main__":
    {"library": library, "process": process}[sys.argv[1]](*sys.argv[2:])
