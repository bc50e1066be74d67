"""What can be set when a sandbox is started. Pure data; importing it is cheap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from gpt_image2.core.api import models

#: How relays speak of tasks: see `tasks/dialects.py`.
DialectName = Literal["location", "apimart", "replicate", "poll-url", "object", "jobs"]


@dataclass(frozen=True)
class Tasks:
    """Answers are tasks in a dialect, which take so many `seconds`; None means the latency of a call."""

    dialect: DialectName
    seconds: float | None = None


def tasks_of(text: str) -> Tasks:
    """Reads `DIALECT[:SECONDS]`.

    Raises:
        ValueError: it is none; the message names the dialects.
    """
    name, colon, number = text.partition(":")
    try:
        seconds = float(number) if colon else None
    except ValueError:
        seconds = math.nan
    if name not in get_args(DialectName) or not 0 <= (seconds or 0) < math.inf:
        raise ValueError(f"expected DIALECT[:SECONDS] with one of {', '.join(get_args(DialectName))}")
    return Tasks(cast("DialectName", name), seconds)


@dataclass(frozen=True)
class Limits:
    """How many images may be asked for.

    `burst` is how many at once, by default as many as in a minute. A `fixed_window` refills all at once, a
    minute after it began; otherwise what was used comes back evenly.
    """

    images_per_minute: int
    burst: int | None = None
    fixed_window: bool = False

    @property
    def capacity(self) -> int:
        """The most images that can be had at once."""
        return self.burst or self.images_per_minute


@dataclass(frozen=True)
class Settings:
    """How one sandbox behaves.

    Attributes:
        latency_s: how long one call takes; None means as long as the API usually takes.
        log_requests: write one line a request to stderr.
        batch_job_s: how long one job of a batch takes, in simulated seconds.
        clock_speed: simulated seconds in one real second.
        limits: how many images may be asked for; None means any number.
        limit_headers: tell of limits and waits in headers.
        tasks: answer image requests with tasks to be polled; None means with images.
        keeps_in: a folder in which files and batches are kept for the next sandbox; None keeps nothing.
    """

    latency_s: float | None = 0.3
    log_requests: bool = False
    batch_job_s: float = 1.0
    clock_speed: float = 1.0
    limits: Limits | None = None
    limit_headers: bool = True
    tasks: Tasks | None = None
    keeps_in: Path | None = None

    def latency_for(self, model: str, quality: str) -> float:
        return models.typical_seconds(model, quality) if self.latency_s is None else self.latency_s
