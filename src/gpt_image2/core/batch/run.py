"""`batch run`: from a command line to saved images, a contact sheet and a summary."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Dict, Sequence

from ..base.interrupt import StopSwitch
from ..commands.options import client_of
from ..commands.package_extras import run_beyond, use_sandbox
from ..telling.amounts import cost_in_words, estimate_json
from ..telling.as_json import failure_json
from ..telling.in_words import SANDBOX_MADE_IT
from ..telling.output import Output
from .contact_sheet import write_sheet
from .options import BatchRunCommand, read_batch_run
from .planning import OpenJobs, open_jobs
from .scheduler import Scheduler
from .summary import (
    Progress,
    Tally,
    counts,
    duration,
    estimated_s,
    exit_code,
    in_words,
    job_rows,
    share_json,
    show_dry_run,
    sum_of_shares,
    what_remains,
)


def run_batch_run(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    command = read_batch_run(rest)
    if command.is_beyond:
        return run_beyond(rest, command, output, stop)
    with ExitStack() as stack:
        if command.sandbox:
            use_sandbox(command, stack)
        client = client_of(command, stop, waits_for_server=False)
        if not command.dry_run:  # before it is seen what is missing: some of it may be here already
            for warning in client.finish_leftovers(waits=True):
                output.warn(warning)
        jobs = open_jobs(command, client, output, stack)
        if jobs.journal is None:
            return _dry_run(command, jobs, output)
        client.check_way()
        found = counts(jobs.plan)
        output.say(f"{in_words(found)}; {sum_of_shares(jobs.plan.shares()).images} images to make")
        progress = Progress(output, found["not_started"], command.max_cost_usd)
        scheduler = Scheduler(jobs, jobs.journal, client, command, progress, stop)
        with output.heartbeat():
            tally = scheduler.run()
        found = counts(jobs.plan)
        _tell_ending(command, jobs, found, tally, progress, output)
        return exit_code(found, tally, stop.signum)


def _tell_ending(
    command: BatchRunCommand,
    jobs: OpenJobs,
    found: Dict[str, int],
    tally: Tally,
    progress: Progress,
    output: Output,
) -> None:
    words, folder = in_words(found), jobs.folder.path
    name = os.path.basename(command.jobs)
    sheet = write_sheet(folder, name, words, jobs.plan.rows(), jobs.requests(), output)
    error = what_remains(found, tally)
    unpriced = f" and {tally.unpriced} calls of unknown cost" if tally.unpriced else ""
    output.say(f"{words}; ${tally.spent_usd:.4f}{unpriced}; {sheet or folder}")
    is_sandbox = tally.images > 0 and jobs.journal is not None and jobs.journal.is_sandbox
    if is_sandbox:
        output.warn(SANDBOX_MADE_IT)
    if error is not None:
        output.complain(f"{error.message}; {error.hint}")
    outcome: Dict[str, object] = {
        "ok": error is None,
        "command": "batch run",
        **found,
        "images": tally.images,
        "cost_usd": round(tally.spent_usd, 6),
        "unpriced": tally.unpriced,
        "images_per_minute": round(progress.images_per_minute(tally), 2),
        "elapsed_s": round(progress.elapsed_s, 3),
        "out_dir": str(folder),
        "contact_sheet": sheet,
        "error": failure_json(error),
        **({"sandbox": True} if is_sandbox else {}),
    }
    output.finish(outcome, job_rows(jobs.plan))


def _dry_run(command: BatchRunCommand, jobs: OpenJobs, output: Output) -> int:
    concurrency, pace = command.concurrency, command.images_per_minute
    shares = jobs.plan.shares()
    cost, seconds = sum_of_shares(shares).cost_usd, estimated_s(shares, concurrency, pace)
    at_pace = f", {pace:g} images/min" if pace else ""
    lines = [
        *(f"  {each.quality:<8} {each.images:>9,} images  {cost_in_words(each.cost_usd)}" for each in shares),
        f"Estimated cost: {cost_in_words(cost)}",
        f"Estimated time: {duration(seconds)} at {concurrency} calls at once{at_pace}",
    ]
    facts = {
        "cost_usd": estimate_json(cost),
        "by_quality": list(map(share_json, shares)),
        "estimated_s": round(seconds, 1),
    }
    return show_dry_run(output, "batch run", jobs, lines, facts)
