"""How far a batch is, for a person: a live line on a terminal, else a line a minute."""

from __future__ import annotations

import time
from typing import Optional

from ..api.models import TYPICAL_SECONDS
from ..telling.output import Output
from .pacer import MINUTE_S, Pacer
from .scheduler import INTERRUPTED, Runner, Tally

TICK_S = 0.25
_LINE_EVERY_S = 60.0


class Progress:
    """Called from time to time while a run lasts. `jobs` is how many are to be run."""

    def __init__(
        self, output: Output, runner: Runner, pacer: Pacer, jobs: int, max_cost_usd: Optional[float]
    ) -> None:
        self._output = output
        self._runner = runner
        self._pacer = pacer
        self._jobs = jobs
        self._max_cost_usd = max_cost_usd
        self._started_s = time.monotonic()
        self._next_line_s = self._started_s + _LINE_EVERY_S
        self._told_to_stop = False

    def __call__(self) -> None:
        """Says what there is to say now."""
        tally = self._runner.tally()
        if tally.stopped == INTERRUPTED and not self._told_to_stop:
            self._told_to_stop = True
            self._output.say(_farewell(tally))
        if self._output.is_live:
            self._output.live(self._line(tally))
        elif time.monotonic() >= self._next_line_s:
            self._next_line_s += _LINE_EVERY_S
            self._output.say(self._line(tally))

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return max(0.001, time.monotonic() - self._started_s)

    def images_per_minute(self, tally: Tally) -> float:
        """The pace since the start."""
        return tally.images * MINUTE_S / self.elapsed_s

    def _line(self, tally: Tally) -> str:
        parts = [
            f"{tally.done}/{self._jobs} done",
            f"{tally.failed} failed",
            f"{tally.in_flight} in flight",
            f"{self.images_per_minute(tally):.1f} images/min",
            f"${tally.spent_usd:.4f} spent",
        ]
        if self._max_cost_usd is not None:
            parts.append(f"${max(0.0, self._max_cost_usd - tally.spent_usd):.4f} left")
        ended = tally.done + tally.failed
        if ended:
            left_s = (self._jobs - ended) * self.elapsed_s / ended
            parts.append(f"about {duration(left_s)} to go")
        if self._pacer.paused_s:
            parts.append(f"paused for {duration(self._pacer.paused_s)} as the server asks")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """A duration in words, to two units."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"


def _farewell(tally: Tally) -> str:
    longest_s = max(TYPICAL_SECONDS.values())
    return (
        f"nothing more is started; waiting for {tally.in_flight} requests that are paid for "
        f"(the oldest is {duration(tally.oldest_s)} old; one may take {duration(longest_s)}). "
        "Ctrl-C again ends them"
    )
