"""What can befall a task that an answer is: how it ends, and what its polls meet."""

from __future__ import annotations

from dataclasses import replace

from ..api.errors import Refused
from ..connection import Answer
from . import replies
from .fault import Course, Fault

_SOON = {"retry-after": "1"}
_NOT_FOUND = Refused(404, "The task does not exist or has expired.", code="task_not_found")
_SLOW_DOWN = Refused(429, "Too many requests: slow down.", code="slow_down", headers=_SOON)
_OVERLOADED = Refused(503, "The service is busy.", code="server_is_overloaded", headers=_SOON)
_RESET = Answer(0, (), ending="reset")


def _first(count: int, instead: Answer | Refused) -> Course:
    """The first polls meet something else."""
    return Course(polled=lambda nth: instead if nth <= count else None)


TABLE = (
    Fault("task-hidden", "a task: its first two polls answer 404", course=_first(2, _NOT_FOUND)),
    Fault("task-lost", "a task: every poll answers 404", course=Course(polled=lambda _: _NOT_FOUND)),
    Fault("task-429", "a task: its first poll answers 429, retry-after 1", course=_first(1, _SLOW_DOWN)),
    Fault("task-503", "a task: its first poll answers 503, retry-after 1", course=_first(1, _OVERLOADED)),
    Fault("task-reset", "a task: the connection of its first poll is reset", course=_first(1, _RESET)),
    Fault(
        "task-html",
        "a task: its first poll answers 502 and an HTML page",
        course=_first(1, replies.html_page(502, "502 Bad Gateway", "The relay did not answer.")),
    ),
    Fault("task-stuck", "a task that never ends", course=Course("running")),
    Fault("task-failed", "a task that fails for moderation", course=Course("failed")),
    Fault("task-refunded", "as task-failed, and it says that nothing was charged", course=Course("refunded")),
    Fault("task-cancelled", "a task that the server cancels", course=Course("cancelled")),
    Fault(
        "task-empty",
        "a task that is completed without an image",
        course=Course(),
        drawn=lambda request: replace(request, n=0),
    ),
)
