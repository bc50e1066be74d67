"""When to look again at a job that another worker has: soon at first, then ever less often. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

from ..jobs.table import TableJob

_FIRST_S, _MOST_S, _GROWTH = 0.25, 10.0, 1.5


def waits() -> Iterator[float]:
    """Seconds until one looks again, each time."""
    wait_s = _FIRST_S
    while True:
        yield wait_s
        wait_s = min(wait_s * _GROWTH, _MOST_S)


@dataclass(frozen=True)
class _Watch:
    """Until when one looks at a job, and how long one waits each time."""

    until_s: float
    waits: Iterator[float]


class LaterJobs:
    """Jobs that others have, each looked at for so many seconds in all. For one thread."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._due: list[tuple[float, int, TableJob]] = []
        self._watched: dict[int, _Watch] = {}

    def __bool__(self) -> bool:
        return bool(self._due)

    def put(self, job: TableJob, now_s: float) -> bool:
        """Keeps a job until it is time to look again; False where that was long enough."""
        watch = self._watched.setdefault(job.number, _Watch(now_s + self._patience_s, waits()))
        if now_s >= watch.until_s:
            return False
        heapq.heappush(self._due, (now_s + next(watch.waits), job.number, job))
        return True

    def take(self, now_s: float) -> TableJob | None:
        """A job that it is time to look at; None where there is none."""
        if not self._due or self._due[0][0] > now_s:
            return None
        return heapq.heappop(self._due)[2]

    def wait_s(self, now_s: float) -> float | None:
        """Seconds until there is one; None where none is kept."""
        return max(0.0, self._due[0][0] - now_s) if self._due else None

    def has_seen(self, job: TableJob) -> bool:
        """Whether a job was looked at before."""
        return job.number in self._watched

    def forget(self, job: TableJob) -> None:
        """A job that has ended."""
        self._watched.pop(job.number, None)
