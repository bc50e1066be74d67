"""What can be set when a sandbox is started. Pure data; importing it is cheap."""

from __future__ import annotations

from dataclasses import dataclass

from gpt_image2.core.api import models


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
    """

    latency_s: float | None = 0.3
    log_requests: bool = False
    batch_job_s: float = 1.0
    clock_speed: float = 1.0
    limits: Limits | None = None
    limit_headers: bool = True

    def latency_for(self, model: str, quality: str) -> float:
        return models.typical_seconds(model, quality) if self.latency_s is None else self.latency_s
