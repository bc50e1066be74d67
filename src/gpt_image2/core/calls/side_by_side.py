"""Requests of one call that run at the same time."""

from __future__ import annotations

import threading
from typing import Callable, List, Optional

from .lane import LaneEnd

_JOIN_S = 0.5


def run_side_by_side(jobs: List[Callable[[], LaneEnd]]) -> List[LaneEnd]:
    """Runs every job in a thread of its own; how they ended, in their order."""
    ends: List[Optional[LaneEnd]] = [None] * len(jobs)
    failures: List[BaseException] = []

    def work(number: int) -> None:
        try:
            ends[number] = jobs[number]()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(_JOIN_S)  # in slices, so that signals are heard everywhere
    if failures:
        raise failures[0]
    return [end for end in ends if end is not None]
