"""What Linux tells of running processes. Imports nothing of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, NamedTuple

PROC = Path("/proc")
IS_LINUX = (PROC / "self" / "environ").is_file()


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
        found.append(inspect(child))
    return found


def inspect(pid: int) -> Process:
    """One process."""
    folder = PROC / str(pid)
    name = (folder / "comm").read_text(encoding="utf-8").strip()
    return Process(pid, name, (folder / "cmdline").read_bytes(), (folder / "environ").read_bytes())
