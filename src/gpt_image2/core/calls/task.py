"""A task: what a host accepts instead of answering with an image, to be asked after later. Pure."""

from __future__ import annotations

from enum import Enum
from typing import Iterable, Optional, Tuple

from ..base.record import Record, replace
from ..base.redact import show

#: The HTTP status under which any id is that of a task.
TASK_ACCEPTED = 202
#: The code of the error for a task that has not ended.
TASK_PENDING = "task_pending"


class TaskState(Enum):
    """How far a task is."""

    UNDER_WAY = "under way"
    DONE = "done"
    FAILED = "failed"


class Task(Record):
    """A task as one answer tells of it.

    `status` is its state in the host's own word, `percent` how much of it is done, `addresses` where the
    answer says that it is asked after, `reason` why it failed. `is_told` says that its state is told in a
    known word, `is_named` that its id is a task's by its name, `is_free` that nothing was charged, `is_found`
    whether any address knew of it.
    """

    id: str
    state: TaskState
    status: str = ""
    percent: Optional[float] = None
    addresses: Tuple[str, ...] = ()
    reason: str = ""
    is_told: bool = True
    is_named: bool = False
    is_free: bool = False
    is_found: bool = True

    @property
    def in_words(self) -> str:
        """Its state for people."""
        status = self.status or self.state.value
        return status if self.percent is None else f"{status}, {self.percent:.0f} %"


def shown_task(task: Task, secrets: Iterable[str]) -> Task:
    """The same in words that may be shown."""
    return replace(task, id=show(task.id, secrets, None), status=show(task.status, secrets))
