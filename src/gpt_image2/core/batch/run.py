"""`batch run`: from a command line to saved images, a contact sheet and a summary."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Dict, Optional, Sequence

from ..base.about import PROGRAM
from ..base.errors import OutputError
from ..base.interrupt import StopSwitch
from ..calls.client import Client
from ..commands.options import client_of
from ..commands.package_extras import use_sandbox
from ..telling.as_json import estimate_json, failure_json
from ..telling.in_words import cost_in_words
from ..telling.output import Output
from ..wire.curl import find_curl
from .contact_sheet import write_sheet
from .journal import Journal
from .options import BatchRunCommand, read_batch_run
from .planning import open_jobs
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
    show_dry_run,
    sum_of_shares,
    what_remains,
)


def run_batch_run(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    with ExitStack() as stack:
        return _Run(read_batch_run(rest), output, stop, stack).run()


class _Run:
    """One `batch run`."""

    def __init__(self, command: BatchRunCommand, output: Output, stop: StopSwitch, stack: ExitStack) -> None:
        self._command = command
        self._output = output
        self._stop = stop
        self._client = self._make_client(stack)
        self._jobs = open_jobs(command, self._client, output, stack)
        self._plan = self._jobs.plan

    def run(self) -> int:
        if self._jobs.journal is None:
            return self._show_dry_run()
        self._client.settings.require_key()
        find_curl()
        return self._send(self._jobs.journal)

    def _make_client(self, stack: ExitStack) -> Client:
        if self._command.sandbox:
            use_sandbox(self._command, stack)
        return client_of(self._command, self._stop, waits_for_server=False)

    def _send(self, journal: Journal) -> int:
        found = counts(self._plan)
        self._output.say(f"{in_words(found)}; {sum_of_shares(self._plan.shares()).images} images to make")
        progress = Progress(self._output, found["not_started"], self._command.max_cost_usd)
        scheduler = Scheduler(self._jobs, journal, self._client, self._command, progress, self._stop)
        with self._output.heartbeat():
            tally = scheduler.run()
        return self._finish(tally, progress)

    def _finish(self, tally: Tally, progress: Progress) -> int:
        found = counts(self._plan)
        sheet = self._write_sheet(in_words(found))
        error = what_remains(found, tally)
        unpriced = f" and {tally.unpriced} calls of unknown cost" if tally.unpriced else ""
        self._output.say(
            f"{in_words(found)}; ${tally.spent_usd:.4f}{unpriced}; {sheet or self._jobs.folder.path}"
        )
        if error is not None:
            self._output.complain(f"{error.message}; {error.hint}")
        outcome: Dict[str, object] = {
            "ok": error is None,
            "command": "batch run",
            **found,
            "images": tally.images,
            "cost_usd": round(tally.spent_usd, 6),
            "unpriced": tally.unpriced,
            "images_per_minute": round(progress.images_per_minute(tally), 2),
            "elapsed_s": round(progress.elapsed_s, 3),
            "out_dir": str(self._jobs.folder.path),
            "contact_sheet": sheet,
            "error": failure_json(error),
        }
        self._output.finish(outcome, job_rows(self._plan))
        return exit_code(found, tally, self._stop.signum)

    def _write_sheet(self, words: str) -> Optional[str]:
        title = f"{PROGRAM} batch: {os.path.basename(self._command.jobs)}"
        try:
            return write_sheet(self._jobs.folder.path, title, words, self._plan.rows(), self._jobs.requests())
        except (OSError, ValueError, OutputError) as error:
            self._output.warn(str(error))
            return None

    def _show_dry_run(self) -> int:
        concurrency, pace = self._command.concurrency, self._command.images_per_minute
        shares = self._plan.shares()
        cost, seconds = sum_of_shares(shares).cost_usd, estimated_s(shares, concurrency, pace)
        at_pace = f", {pace:g} images/min" if pace else ""
        lines = [
            *(
                f"  {each.quality:<8} {each.images:>9,} images  {cost_in_words(each.cost_usd)}"
                for each in shares
            ),
            f"Estimated cost: {cost_in_words(cost)}",
            f"Estimated time: {duration(seconds)} at {concurrency} calls at once{at_pace}",
        ]
        facts = {
            "cost_usd": estimate_json(cost),
            "by_quality": [{**vars(each), "cost_usd": estimate_json(each.cost_usd)} for each in shares],
            "estimated_s": round(seconds, 1),
        }
        return show_dry_run(self._output, "batch run", self._jobs, lines, facts)
