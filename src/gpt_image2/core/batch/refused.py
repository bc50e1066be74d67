"""The jobs that a server has refused for a while: when each may go again, and when it is enough. Pure."""

from __future__ import annotations

from typing import Dict, Optional

from ..base.record import Record
from ..calls.retry import backoff_s

#: Refusals of one job until it fails: on end, while nobody else gets through, and in all. Chance makes
#: neither: where 9 of 10 requests are refused, one of a billion jobs is refused 200 times on end.
MOST_ON_END, MOST_IN_ALL = 20, 200
_MOST_DOUBLINGS = 3  # of a job's own wait, where the server asks for none: up to 8 s


class _Refused(Record):
    """One of them: when it was heard last, when it may go again, and how often it was refused since another
    got through, and in all."""

    heard_s: float = 0.0
    due_s: float = 0.0
    on_end: int = 0
    in_all: int = 0


class RefusedJobs:
    """All of one run, by their number."""

    def __init__(self) -> None:
        self._jobs: Dict[int, _Refused] = {}

    def __contains__(self, number: int) -> bool:
        return number in self._jobs

    def due_s(self, number: int) -> float:
        """The moment from which a job may go."""
        return self._jobs[number].due_s if number in self._jobs else 0.0

    def heard_s(self, number: int) -> float:
        """When its last refusal was heard."""
        return self._jobs[number].heard_s if number in self._jobs else 0.0

    def add(self, number: int, wait_s: Optional[float], has_other_gone: bool, now_s: float) -> bool:
        """A job was refused, and is to wait as long as the server asks; whether it may go again.
        `has_other_gone` tells whether another got through since it was refused before."""
        last = self._jobs.get(number, _Refused())
        wait_s = backoff_s(min(last.in_all, _MOST_DOUBLINGS)) if wait_s is None else wait_s
        on_end = 1 if has_other_gone else last.on_end + 1
        self._jobs[number] = _Refused(now_s, now_s + wait_s, on_end, last.in_all + 1)
        return on_end <= MOST_ON_END and last.in_all < MOST_IN_ALL

    def forget(self, number: int) -> None:
        self._jobs.pop(number, None)
