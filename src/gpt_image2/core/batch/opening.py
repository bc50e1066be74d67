"""What every command for a jobs file begins with: the file read, its folder locked, its jobs planned."""

from __future__ import annotations

import os
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Iterator, List, Optional

from ..api.request import ImageRequest
from ..base.errors import UsageError
from ..base.record import Record
from ..base.redact import show
from ..calls.client import Client
from ..outputs.files import prepare_folder, temporary_folder
from ..telling.output import Output
from .jobs import Job, read_job
from .jobs_file import JobsFile
from .journal import Journal
from .options import JobsOptions
from .plan import INVALID, Plan
from .planning import Folder, Planner

_SHOWN_PROBLEMS = 20


class OpenBatch(Record):
    """A batch whose jobs are planned. `journal` is None for a dry run; `spent_usd` is what earlier runs there
    may have cost."""

    plan: Plan
    jobs_file: JobsFile
    folder: Folder
    journal: Optional[Journal]
    defaults: Job
    spent_usd: float

    def requests(self) -> Iterator[ImageRequest]:
        """The request of every row of the plan; for a line that is no job, its text."""
        for row in self.plan.rows():
            text = self.jobs_file.text_at(row["offset"])
            try:
                yield read_job(text, self.defaults)[0].request
            except UsageError:
                yield ImageRequest(prompt=text[:500])


def open_batch(jobs: JobsOptions, client: Client, output: Output, stack: ExitStack) -> OpenBatch:
    """Plans the jobs of a file; everything is closed with the stack.

    Raises:
        UsageError: lines that are no jobs and are not to be skipped, or a price that is needed and unknown.
        OutputError: the folder does not take the journal.
    """
    scratch = stack.enter_context(temporary_folder())
    jobs_file = stack.enter_context(JobsFile(jobs.path, scratch))
    if not jobs.out_dir:
        raise UsageError("--out-dir is empty", hint="name a folder")
    path = Path(os.path.abspath(os.path.expanduser(jobs.out_dir)))
    folder = Folder(path, client.rescue_folder)
    plan = Plan(scratch)
    stack.callback(plan.close)
    journal: Optional[Journal] = None
    if not jobs.dry_run:
        prepare_folder(path)
        journal = stack.enter_context(Journal(path))
    planner = Planner(plan, folder, jobs.defaults, client.settings.prices, jobs.retry_ambiguous)
    planning = planner.run(jobs_file, journal)
    for warning in (*client.settings.warnings, *planning.warnings):
        output.warn(warning)
    _refuse_invalid(plan, jobs.skip_invalid, output)
    if jobs.max_cost_usd is not None and any(share.cost is None for share in plan.shares()):
        raise UsageError(
            "the cost of some jobs is unknown, so --max-cost cannot be kept",
            hint="leave --max-cost out, or give those jobs a model and quality with a known price",
        )
    return OpenBatch(plan, jobs_file, folder, journal, jobs.defaults, planning.spent_usd)


def _refuse_invalid(plan: Plan, skip: bool, output: Output) -> None:
    """Names the lines that are no jobs.

    Raises:
        UsageError: there are some, and they are not to be skipped.
    """
    count = plan.count().get(INVALID, 0)
    if not count:
        return
    problems: List[str] = []
    for row in islice(plan.rows(INVALID), _SHOWN_PROBLEMS):
        hint = f"; {row['error']['hint']}" if row["error"]["hint"] else ""
        problems.append(f"line {row['line']}: {row['error']['message']}{hint}")
    if count > len(problems):
        problems.append(f"… and {count - len(problems):,} more")
    if not skip:
        raise UsageError(
            f"{'1 line is no job' if count == 1 else f'{count:,} lines are no jobs'}: {'; '.join(problems)}",
            hint="correct them, or add --skip-invalid; nothing was sent",
            code="invalid_jobs",
        )
    for problem in problems:
        output.warn(f"skipped: {show(problem, limit=None)}")
