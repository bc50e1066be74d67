"""What one run costs: wall time, CPU time of the whole process tree, peak resident memory of the tree.

Time and memory are taken in different runs, so that looking at the memory does not disturb the clock.
CPU time is what `wait4` reports: the process and every descendant that was waited for, a `curl` that our
process reaped included. Memory is the sum over the tree, looked at every 5 ms in /proc: RSS counts a page
that two processes share twice (the stricter figure), PSS shares it out. Without /proc there is no memory.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SAMPLE_EVERY_S = 0.005

_PROC = Path("/proc")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STDERR_CHARS = 2000
#: Of /proc/PID/stat, counted behind the name (proc(5)), and a bit of it (PF_FORKNOEXEC in Linux's sched.h).
_FLAGS, _FORKED_WITHOUT_EXEC = 6, 0x40


@dataclass(frozen=True)
class Cost:
    """One run. `steps` of it ran one after another and are added up; memory is that of the largest step.

    `largest_process_bytes` is `ru_maxrss`: the peak of the largest single process. It is never below the
    harness's own size, since a child begins as a copy of its parent.
    """

    exit_code: int
    wall_s: float
    cpu_s: float
    largest_process_bytes: int
    peak_rss_bytes: int = 0
    peak_pss_bytes: int = 0
    stderr: str = ""


def run(steps: Sequence[Sequence[str]], env: Mapping[str, str], cwd: Path, *, memory: bool = False) -> Cost:
    """Runs commands one after another, and adds up what they cost."""
    costs = [_run_one(step, env, cwd, memory) for step in steps]
    return Cost(
        exit_code=next((cost.exit_code for cost in costs if cost.exit_code), 0),
        wall_s=sum(cost.wall_s for cost in costs),
        cpu_s=sum(cost.cpu_s for cost in costs),
        largest_process_bytes=max(cost.largest_process_bytes for cost in costs),
        peak_rss_bytes=max(cost.peak_rss_bytes for cost in costs),
        peak_pss_bytes=max(cost.peak_pss_bytes for cost in costs),
        stderr="".join(cost.stderr for cost in costs),
    )


def _run_one(command: Sequence[str], env: Mapping[str, str], cwd: Path, memory: bool) -> Cost:
    with tempfile.TemporaryFile() as errors:
        started = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
        watch = _Watch(process.pid) if memory else None
        _, status, usage = os.wait4(process.pid, 0)
        wall_s = time.perf_counter() - started
        peak_rss, peak_pss = watch.stop() if watch else (0, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        stderr = errors.read().decode("utf-8", "replace")[-_STDERR_CHARS:]
    return Cost(
        exit_code=process.returncode,
        wall_s=wall_s,
        cpu_s=usage.ru_utime + usage.ru_stime,
        largest_process_bytes=usage.ru_maxrss * 1024,
        peak_rss_bytes=peak_rss,
        peak_pss_bytes=peak_pss,
        stderr=stderr,
    )


class _Watch:
    """Looks at a process tree until `stop`, which tells the peaks."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._rss = self._pss = 0
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        if _PROC.joinpath("self", "statm").exists():
            self._thread.start()

    def stop(self) -> tuple[int, int]:
        """The peaks of RSS and PSS, in bytes."""
        self._done.set()
        if self._thread.is_alive():
            self._thread.join()
        return self._rss, self._pss

    def _watch(self) -> None:
        while not self._done.wait(SAMPLE_EVERY_S):
            parents = tree_of(self._pid)
            has_begun = {pid: _has_begun(pid) for pid in parents}
            pages = {pid: _statm(pid) for pid in parents}  # parents first
            # Between vfork and exec a child is its parent's memory seen twice, and its parent waits for it.
            own = [
                pid
                for pid, parent in parents.items()
                if has_begun[pid] or parent not in pages or pages[pid][0] != pages[parent][0]
            ]
            self._rss = max(self._rss, sum(pages[pid][1] for pid in own) * _PAGE_BYTES)
            self._pss = max(self._pss, sum(map(_pss_bytes, own)))


def tree_of(pid: int) -> dict[int, int]:
    """A process and its descendants, as far as they live: each with its parent, the first with 0."""
    found = {pid: 0}
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        with suppress(OSError):
            for task in os.listdir(_PROC / str(parent) / "task"):
                with suppress(OSError):
                    text = (_PROC / str(parent) / "task" / task / "children").read_text()
                    children = dict.fromkeys(map(int, text.split()), parent)
                    found.update(children)
                    waiting += children
    return found


def _has_begun(pid: int) -> bool:
    """Whether a process has begun a program of its own since it was forked."""
    with suppress(OSError, IndexError):
        fields = (_PROC / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        return not int(fields[_FLAGS]) & _FORKED_WITHOUT_EXEC
    return True


def _statm(pid: int) -> tuple[int, int]:
    """Virtual and resident size of a process, in pages."""
    with suppress(OSError, IndexError):
        size, resident = (_PROC / str(pid) / "statm").read_text().split()[:2]
        return int(size), int(resident)
    return 0, 0


def _pss_bytes(pid: int) -> int:
    with suppress(OSError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0
