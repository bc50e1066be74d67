"""`batch run`: from a command line to saved images, a contact sheet and a summary."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Dict, Optional, Sequence

from ..base.about import PROGRAM
from ..base.errors import OutputError
from ..base.interrupt import StopSwitch
from ..base.outcome import ExitCode
from ..calls.client import Client
from ..commands.options import MEGABYTE
from ..commands.package_extras import SANDBOX_KEY, start_sandbox
from ..telling.as_json import failure_json
from ..telling.in_words import cost_in_words
from ..telling.output import Output
from ..wire.curl import find_curl
from .contact_sheet import write_sheet
from .journal import Journal
from .options import BatchRunCommand, read_batch_run
from .planning import open_jobs
from .progress import Progress, duration
from .scheduler import Scheduler
from .summary import (
    Tally,
    counts,
    exit_code,
    forecast,
    forecast_json,
    in_words,
    job_rows,
    what_remains,
)


def run_batch_run(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    """Runs `batch run`; its exit code.

    Raises:
        GptImage2Error: nothing was started.
    """
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
        command = self._command
        base_url, api_key, config = command.base_url, command.api_key, command.config
        if command.sandbox:
            base_url, api_key, config = stack.enter_context(start_sandbox()), SANDBOX_KEY, None
        return Client(
            config=config,
            base_url=base_url,
            api_key=api_key,
            timeout_s=command.timeout,
            retries=command.retries,
            retry_ambiguous=command.retry_ambiguous,
            max_download_bytes=int(command.max_download * MEGABYTE),
            waits_for_server=False,
            history=command.history,
            stop=self._stop,
        )

    def _send(self, journal: Journal) -> int:
        """Runs the jobs, and says how it ended; the exit code."""
        found = counts(self._plan)
        self._output.say(f"{in_words(found)}; {self._plan.images_to_make()} images to make")
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
        """The contact sheet's path; None where it could not be written, or another file has its name."""
        title = f"{PROGRAM} batch: {os.path.basename(self._command.jobs)}"
        try:
            return write_sheet(self._jobs.folder.path, title, words, self._plan.rows(), self._jobs.requests())
        except (OSError, ValueError, OutputError) as error:
            self._output.warn(str(error))
            return None

    def _show_dry_run(self) -> int:
        command = self._command
        found = counts(self._plan)
        sums = forecast(self._plan, command.concurrency, command.images_per_minute)
        say = self._output.result
        say(f"{in_words(found)}; {sums.total.images:,} images to make")
        for share in sums.by_quality:
            say(f"  {share.quality:<8} {share.images:>9,} images  {cost_in_words(share.cost)}")
        say(f"Estimated cost: {cost_in_words(sums.total.cost)}")
        pace = f", {command.images_per_minute:g} images/min" if command.images_per_minute else ""
        say(f"Estimated time: {duration(sums.estimated_s)} at {command.concurrency} calls at once{pace}")
        if self._jobs.spent_usd:
            say(f"Earlier runs in this folder: ${self._jobs.spent_usd:.4f}")
        say("Nothing was sent.")
        self._output.finish(
            {
                "ok": True,
                "command": "batch run",
                "dry_run": True,
                **found,
                **forecast_json(sums),
                "spent_usd": round(self._jobs.spent_usd, 6),
                "out_dir": str(self._jobs.folder.path),
                "billed": "no",
            }
        )
        return int(ExitCode.OK)
