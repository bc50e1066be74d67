"""What a run tells while it lasts: its images and failures as they come, and how far it is: by a live line on
a terminal, else by a line a minute.
"""

from __future__ import annotations

import time
from typing import Any, Mapping, Optional

from ..api.models import TYPICAL_SECONDS
from ..base.outcome import SavedImage
from ..base.redact import show
from ..telling.in_words import saved_line
from ..telling.output import Output
from .pacer import MINUTE_S
from .plan import PlannedJob
from .summary import INTERRUPTED, Tally, job_row

TICK_S = 0.25
_LINE_EVERY_S = 60.0


class Progress:
    """The voice of one run. `jobs` is how many are to be run."""

    def __init__(self, output: Output, jobs: int, max_cost_usd: Optional[float]) -> None:
        self._output = output
        self._jobs = jobs
        self._max_cost_usd = max_cost_usd
        self._started_s = time.monotonic()
        self._every_s = TICK_S if output.is_live else _LINE_EVERY_S
        self._next_s = self._started_s + self._every_s
        self._has_said_goodbye = False

    def saved(self, image: SavedImage) -> None:
        """An image is on disk."""
        self._output.result(saved_line(image.path, image.size_bytes))

    def ended(self, job: PlannedJob, state: str, outcome: Mapping[str, Any]) -> None:
        """A job has ended."""
        row = job_row({"job": job.number, "line": job.line, "id": job.id, "status": state, **outcome})
        self._output.event({"event": "job_finished", **row})
        if row["error"]:
            self._output.complain(
                f"job {job.number} (line {job.line}): {show(row['error']['message'], limit=None)} "
                f"(billed: {row['billed']})"
            )

    def show(self, tally: Tally) -> None:
        """Tells how far the run is, where it is time to; may be called at any time."""
        if tally.stopped == INTERRUPTED and not self._has_said_goodbye:
            self._has_said_goodbye = True
            self._output.say(_farewell(tally))
        now_s = time.monotonic()
        if now_s >= self._next_s:
            self._next_s = now_s + self._every_s
            tell = self._output.live if self._output.is_live else self._output.say
            tell(self._line(tally))

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
        if tally.paused_s:
            parts.append(f"paused for {duration(tally.paused_s)} as the server asks")
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
