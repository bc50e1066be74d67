"""`batch run`: from a command line to saved images, a contact sheet and a summary."""

from __future__ import annotations

import os
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from ..about import PROGRAM
from ..budget import Budget
from ..client import Client
from ..curl import find_curl
from ..errors import OutputError, UsageError
from ..extras import SANDBOX_KEY, start_sandbox
from ..files import prepare_folder, temporary_folder, write_pieces
from ..interrupt import StopSwitch
from ..outcome import ExitCode, SavedImage
from ..output import Output
from ..record import replace
from ..redact import show
from ..report import cost_in_words, saved_line
from ..request import ImageRequest
from .contact_sheet import SHEET_MARK, SHEET_NAME, contact_sheet
from .jobs import read_job
from .jobs_file import JobsFile
from .journal import Journal
from .options import BatchRunCommand, batch_parser, read_batch_run
from .pacer import Pacer
from .plan import INVALID, Plan, PlannedJob
from .planner import Folder, Planner, Planning
from .progress import TICK_S, Progress, duration
from .runner import MAX_COST, Runner, Tally, Workplace
from .summary import (
    counts,
    exit_code,
    forecast,
    forecast_json,
    in_words,
    job_row,
    job_rows,
    what_remains,
)

_SHOWN_PROBLEMS = 20


def run_batch(rest: Sequence[str], output: Output, stop: StopSwitch) -> int:
    """Runs a `batch` command.

    Raises:
        GptImage2Error: nothing was started.
    """
    name = rest[0] if rest else "--help"
    if name in ("-h", "--help"):
        batch_parser().print_help()
        return int(ExitCode.OK)
    if name != "run":
        raise UsageError(f"unknown command batch {name!r}", hint=f"see {PROGRAM} batch --help")
    with ExitStack() as stack:
        return _Run(read_batch_run(rest[1:]), output, stop, stack).run()


class _Run:
    """One `batch run`."""

    def __init__(self, command: BatchRunCommand, output: Output, stop: StopSwitch, stack: ExitStack) -> None:
        self._command = command
        self._output = output
        self._stop = stop
        self._stack = stack
        self._client = self._make_client()
        scratch = stack.enter_context(temporary_folder())
        self._jobs_file = stack.enter_context(JobsFile(command.jobs, scratch))
        path = Path(os.path.abspath(os.path.expanduser(command.out_dir)))
        self._folder = Folder(path, self._client.rescue_folder)
        self._plan = Plan(scratch)
        stack.callback(self._plan.close)

    def run(self) -> int:
        """From planning to the exit code."""
        journal: Optional[Journal] = None
        if not self._command.dry_run:
            prepare_folder(self._folder.path)
            journal = self._stack.enter_context(Journal(self._folder.path))
        command = self._command
        planner = Planner(
            self._plan,
            self._folder,
            command.defaults,
            self._client.settings.prices,
            command.retry_ambiguous,
        )
        planning = planner.run(self._jobs_file, journal)
        for warning in (*self._client.settings.warnings, *planning.warnings):
            self._output.warn(warning)
        self._refuse_invalid()
        if command.max_cost_usd is not None and any(share.cost is None for share in self._plan.shares()):
            raise UsageError(
                "the cost of some jobs is unknown, so --max-cost cannot be kept",
                hint="leave --max-cost out, or give those jobs a model and quality with a known price",
            )
        if journal is None:
            return self._show_dry_run(planning)
        self._client.settings.require_key()
        find_curl()
        return self._finish(*self._send(journal, planning))

    def _make_client(self) -> Client:
        command = self._command
        base_url, api_key, config = command.base_url, command.api_key, command.config
        if command.sandbox:
            base_url, api_key, config = self._stack.enter_context(start_sandbox()), SANDBOX_KEY, None
        return Client(
            config=config,
            base_url=base_url,
            api_key=api_key,
            timeout_s=command.timeout_s,
            retries=command.retries,
            retry_ambiguous=command.retry_ambiguous,
            max_download_bytes=command.max_download_bytes,
            waits_for_server=False,
            history=command.history,
            stop=self._stop,
        )

    def _refuse_invalid(self) -> None:
        """Names the lines that are no jobs.

        Raises:
            UsageError: there are some, and they are not to be skipped.
        """
        count = self._plan.count().get(INVALID, 0)
        if not count:
            return
        problems: List[str] = []
        for row in islice(self._plan.rows(INVALID), _SHOWN_PROBLEMS):
            hint = f"; {row['error']['hint']}" if row["error"]["hint"] else ""
            problems.append(f"line {row['line']}: {row['error']['message']}{hint}")
        if count > len(problems):
            problems.append(f"… and {count - len(problems):,} more")
        if not self._command.skip_invalid:
            raise UsageError(
                f"{count:,} lines are no jobs: {'; '.join(problems)}",
                hint="correct them, or add --skip-invalid; nothing was sent",
                code="invalid_jobs",
            )
        for problem in problems:
            self._output.warn(f"skipped: {show(problem, limit=None)}")

    def _send(self, journal: Journal, planning: Planning) -> Tuple[Tally, Progress]:
        command = self._command
        pacer = Pacer(command.images_per_minute)
        place = Workplace(
            plan=self._plan,
            jobs_file=self._jobs_file,
            journal=journal,
            folder=self._folder,
            client=self._client,
            defaults=command.defaults,
            pacer=pacer,
            budget=Budget(command.max_cost_usd, planning.spent_usd),
            stop=self._stop,
        )
        runner = Runner(place, command.concurrency, command.max_failures, self._saved, self._ended)
        found = counts(self._plan)
        self._output.say(f"{in_words(found)}; {self._plan.images_to_make()} images to make")
        progress = Progress(self._output, runner, pacer, found["not_started"], command.max_cost_usd)
        with self._output.heartbeat():
            return runner.run(progress, TICK_S), progress

    def _saved(self, image: SavedImage) -> None:
        self._output.result(saved_line(image.path, image.size_bytes))

    def _ended(self, job: PlannedJob, state: str, outcome: Mapping[str, Any]) -> None:
        row = job_row({"job": job.number, "line": job.line, "id": job.id, "status": state, **outcome})
        self._output.event({"event": "job_finished", **row})
        if row["error"]:
            self._output.complain(
                f"job {job.number} (line {job.line}): {show(row['error']['message'], limit=None)} "
                f"(billed: {row['billed']})"
            )

    def _finish(self, tally: Tally, progress: Progress) -> int:
        """Writes the contact sheet, and says how it ended."""
        found = counts(self._plan)
        if tally.over_budget and not tally.stopped:
            tally = replace(tally, stopped=MAX_COST)
        sheet = self._write_sheet(in_words(found))
        error = what_remains(self._plan, tally)
        unpriced = f" and {tally.unpriced} calls of unknown cost" if tally.unpriced else ""
        self._output.say(f"{in_words(found)}; ${tally.spent_usd:.4f}{unpriced}; {sheet or self._folder.path}")
        if error is not None:
            self._output.complain(f"{error['message']}; {error['hint']}")
        outcome: Dict[str, object] = {
            "ok": error is None,
            "command": "batch run",
            **found,
            "images": tally.images,
            "cost_usd": round(tally.spent_usd, 6),
            "unpriced": tally.unpriced,
            "images_per_minute": round(progress.images_per_minute(tally), 2),
            "elapsed_s": round(progress.elapsed_s, 3),
            "out_dir": str(self._folder.path),
            "contact_sheet": sheet,
            "error": error,
        }
        self._output.finish(outcome, job_rows(self._plan))
        return exit_code(self._plan, tally, self._stop.signum)

    def _write_sheet(self, words: str) -> Optional[str]:
        """The contact sheet's path; None where it could not be written, or another file has its name."""
        path = self._folder.path / SHEET_NAME
        try:
            if path.exists() and SHEET_MARK.encode() not in path.read_bytes()[:4096]:
                raise OutputError(f"{path} is not ours; the contact sheet was left out")
            title = f"{PROGRAM} batch: {os.path.basename(self._command.jobs)}"
            folder = str(self._folder.path)
            write_pieces(path, contact_sheet(title, words, self._plan.rows(), self._requests(), folder))
        except (OSError, OutputError) as error:
            self._output.warn(str(error))
            return None
        return str(path)

    def _requests(self) -> Iterator[ImageRequest]:
        """The request of every row of the plan; for a line that is no job, its text."""
        for row in self._plan.rows():
            text = self._jobs_file.text_at(row["offset"])
            try:
                yield read_job(text, self._command.defaults)[0].request
            except UsageError:
                yield ImageRequest(prompt=text[:500])

    def _show_dry_run(self, planning: Planning) -> int:
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
        if planning.spent_usd:
            say(f"Earlier runs in this folder: ${planning.spent_usd:.4f}")
        say("Nothing was sent.")
        self._output.finish(
            {
                "ok": True,
                "command": "batch run",
                "dry_run": True,
                **found,
                **forecast_json(sums),
                "spent_usd": round(planning.spent_usd, 6),
                "out_dir": str(self._folder.path),
                "billed": "no",
            }
        )
        return int(ExitCode.OK)
