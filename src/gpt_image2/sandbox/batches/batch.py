"""What is known of one batch, and how the API tells it. Times are in simulated seconds since 1970."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from .input_file import LineError

WINDOW_S = 24 * 3600.0
Status = Literal[
    "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
]
#: The statuses of which a batch tells when it came to them.
_TOLD_STATUSES: tuple[Status, ...] = get_args(Status)[1:]


@dataclass(frozen=True)
class BatchOrder:
    """What a client asked for; `outputs_live_s` is how long the output files are kept."""

    input_file_id: str
    endpoint: str
    metadata: Mapping[str, str] | None = None
    outputs_live_s: int | None = None


@dataclass
class Batch:
    """One batch on its way; `moments` tells when it came to each status."""

    order: BatchOrder
    created_at_s: float
    status: Status = "validating"
    id: str = field(default_factory=lambda: f"batch_{secrets.token_hex(16)}")
    moments: dict[Status, float] = field(default_factory=dict["Status", float])
    model: str | None = None
    total: int = 0
    completed: int = 0
    failed: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    errors: tuple[LineError, ...] = ()
    output_file_id: str | None = None
    error_file_id: str | None = None

    @property
    def expires_at_s(self) -> float:
        """When what was not done by then is given up."""
        return self.created_at_s + WINDOW_S

    @property
    def last_moment_s(self) -> float:
        """Until when requests are run."""
        return min(self.expires_at_s, self.moments.get("cancelling", self.expires_at_s))

    def enter(self, status: Status, moment_s: float) -> None:
        """Come to a status. While a batch is being cancelled it only comes to its end."""
        if self.is_cancelling() and status in ("in_progress", "finalizing"):
            return
        self.status = status
        self.moments[status] = moment_s

    def is_cancelling(self) -> bool:
        return "cancelling" in self.moments

    def count(self, status: int, usage: Mapping[str, Any]) -> None:
        if status < 400:
            self.completed += 1
        else:
            self.failed += 1
        self.input_tokens += usage.get("input_tokens", 0)
        self.output_tokens += usage.get("output_tokens", 0)

    def as_json(self) -> dict[str, Any]:
        errors = {"object": "list", "data": [asdict(error) for error in self.errors]}
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.order.endpoint,
            "model": self.model,
            "errors": errors if self.errors else None,
            "input_file_id": self.order.input_file_id,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": int(self.created_at_s),
            "expires_at": int(self.expires_at_s),
            **{f"{status}_at": None for status in _TOLD_STATUSES},
            **{f"{status}_at": int(moment_s) for status, moment_s in self.moments.items()},
            "request_counts": {"total": self.total, "completed": self.completed, "failed": self.failed},
            "usage": self._usage(),
            "metadata": self.order.metadata,
        }

    def _usage(self) -> dict[str, Any]:
        return {
            "input_tokens": self.input_tokens,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": self.output_tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": self.input_tokens + self.output_tokens,
        }
