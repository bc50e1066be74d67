"""Running processes: waited for, ended, measured, and what Linux tells of them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

from faulty import WAIT_S
from harness import Home, Run

#: Starts a command from a small process of its own: a child inherits the high-water mark of its parent.
MEASURE = """
import os, sys
pid = os.spawnv(os.P_NOWAIT, sys.argv[1], sys.argv[1:])
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss, status)
"""

PROC = Path("/proc")
IS_LINUX = (PROC / "self" / "environ").is_file()


class Measured(NamedTuple):
    """A finished run, and the most memory that its process took."""

    peak_kb: int
    run: Run


class Process(NamedTuple):
    """One process as it was when it was looked at."""

    pid: int
    name: str
    argv: bytes
    environ: bytes


def descendants(pid: int) -> List[Process]:
    """All processes below this one."""
    children: Dict[int, List[int]] = {}
    for entry in PROC.iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue  # it has ended
            parent = int(stat.rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry.name))
    found: List[Process] = []
    waiting = list(children.get(pid, []))
    while waiting:
        child = waiting.pop()
        waiting += children.get(child, [])
        with suppress(OSError):  # it has ended
            found.append(inspect(child))
    return found


def inspect(pid: int) -> Process:
    """One process."""
    folder = PROC / str(pid)
    name = (folder / "comm").read_text(encoding="utf-8").strip()
    return Process(pid, name, (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes())


def measured(home: Home, base_url: str, *args: str) -> Measured:
    """Runs the script to its end."""
    python = [sys.executable, "-I", "-S", "-c", MEASURE]
    run = home.run_program(*python, *home.command(*args), base_url=base_url)
    said, _, last = run.stdout.rstrip("\n").rpartition("\n")
    peak, status = map(int, last.split())
    peak_kb = peak // 1024 if sys.platform == "darwin" else peak
    return Measured(peak_kb, Run(status, said, run.stderr))


def until(what: Callable[[], Any]) -> Any:
    """Waits for something to become true; the value."""
    deadline = time.monotonic() + WAIT_S
    while True:
        value = what()
        if value:
            return value
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.002)


def curls_of(process: Optional[subprocess.Popen[Any]] = None) -> List[int]:
    """The process ids of the curl programs below a process, by default below this one."""
    pid = process.pid if process else os.getpid()
    return [child.pid for child in descendants(pid) if child.name == "curl"] if IS_LINUX else []


def is_alive(pid: int) -> bool:
    """Whether a process has not ended yet; one that has, and was not waited for, is dead."""
    try:
        stat = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def sleeps(pid: int) -> bool:
    """Whether every thread of a process waits for something: it has done what it was woken for."""
    threads = (PROC / str(pid) / "task").glob("*/stat")
    try:
        states = [stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2] for stat in threads]
    except OSError:  # one has just ended
        return False
    return bool(states) and all(state.split()[0] == "S" for state in states)


def end_of(process: subprocess.Popen[bytes]) -> Run:
    try:
        stdout, stderr = process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return Run(process.returncode, stdout.decode(), stderr.decode())
