"""One accepted request that is polled for its images. Pure data; time is given to it."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from ..faults.fault import Case, Course, Fault, State
from ..request_log import ImagePost
from ..settings import DialectName

UNFINISHED = ("queued", "running")
_QUEUED_PART = 0.1


@dataclass
class Task:
    """A request on its way. `base` is the path before `/images/`; times are those of the sandbox's clock."""

    dialect: DialectName
    fault: Fault
    case: Case
    post: ImagePost
    base: str
    seconds: float
    created_at_s: float = 0.0
    id: str = field(default_factory=lambda: f"task_{secrets.token_hex(12)}")
    polls: int = 0
    cancelled: bool = False

    @property
    def course(self) -> Course:
        return self.fault.course or Course()

    def progress(self, now_s: float) -> float:
        """The part of the time that has passed, 0 to 1."""
        return min(1.0, (now_s - self.created_at_s) / self.seconds) if self.seconds else 1.0

    def state(self, now_s: float) -> State:
        if self.cancelled:
            return "cancelled"
        progress = self.progress(now_s)
        if progress == 1:
            return self.course.end
        return "queued" if progress < _QUEUED_PART else "running"
