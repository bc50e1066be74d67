"""Says of a run whether the task was done, what was wasted, whether it asked, what was spent. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gpt_image2.core.api.cost import estimate_cost

from .checks import Check, did_not_use, inputs_untouched, key_untold
from .recording import Recording
from .task import KEY, Task
from .tasks import TASKS

_USAGE_ERROR = 2
#: What the sandbox takes `auto` for.
_AUTO_QUALITY = "medium"


@dataclass(frozen=True)
class Verdict:
    """`wasted` are requests beyond those needed, and commands with bad input; `failures` are the name of a
    check and what it says."""

    task: str
    failures: tuple[tuple[str, str], ...]
    wasted: int
    asked: bool
    spent_usd: float

    @property
    def passed(self) -> bool:
        """Whether nothing failed."""
        return not self.failures


def judge(run: Recording) -> Verdict:
    """The verdict on a run of one of the tasks."""
    task = TASKS[run.task]
    asked, spent = has_asked(run), spent_usd(run)
    found = [(check.name, check.wrong(run)) for check in (*task.checks, *_always(task, asked, spent))]
    mistakes = sum(command.exit == _USAGE_ERROR for command in run.commands)
    return Verdict(
        task=task.name,
        failures=tuple((name, wrong) for name, wrong in found if wrong),
        wasted=max(0, len(run.posts) - task.needs) + mistakes,
        asked=asked,
        spent_usd=spent,
    )


def has_asked(run: Recording) -> bool:
    """Whether it ended in a question before anything was made."""
    return not run.posts and bool(re.search(r"[?？]", re.sub(r"https?://\S+", "", run.answer)))


def spent_usd(run: Recording) -> float:
    """What the run would have cost at the API's prices: by the requests that delivered images or by the
    ledger, whichever is more: the first leave out batches and what has no price before it is made, the other
    leaves out calls by other programs. What only a sandbox of the agent's own has made costs nothing."""
    if not run.journal["images_delivered"] and not run.journal["batch_requests"]:
        return 0.0
    total = 0.0
    for post in run.posts:
        fields = post["fields"]
        quality = fields.get("quality", "auto")
        estimate = estimate_cost(
            model=fields.get("model", ""),
            prompt=post["prompt"] or "",
            size=fields.get("size", "auto"),
            quality=_AUTO_QUALITY if quality == "auto" else quality,
            n=post["images_delivered"],
        )
        total += estimate.high_usd if estimate else 0.0
    return max(total, run.spent_usd)


def _always(task: Task, asked: bool, spent: float) -> list[Check]:
    def asking(_: Recording) -> str:
        if task.asks:
            return "" if asked else "the user was not asked first"
        return "asked for what the user had said already" if asked and task.needs else ""

    def budget(_: Recording) -> str:
        return f"spent ${spent:.4f} of ${task.budget_usd}" if spent > task.budget_usd else ""

    return [
        Check("asked", asking),
        Check("budget", budget),
        inputs_untouched(),
        key_untold(KEY),
        did_not_use("--api-key", "--retry-ambiguous"),
    ]
