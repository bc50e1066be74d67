"""Makes the plan of a batch before anything is paid for: every line read and checked, every image named, and
what earlier runs have done found again by the journal.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Tuple

from ..api.images import is_whole_image, saved_image_at, sha256_of
from ..api.models import MAX_INPUT_IMAGES, Prices
from ..api.request import ImageRequest, checked, is_address
from ..base.errors import GptImage2Error, UsageError
from ..base.outcome import Billed, SavedImage
from ..base.record import Record, replace
from ..base.redact import show
from ..calls.client import Client
from ..calls.inputs import check_local_inputs
from ..outputs.files import prepare_folder, temporary_folder
from ..outputs.naming import extension, slug
from ..telling.output import Output
from ..telling.report import image_json
from .contact_sheet import SHEET_NAME
from .jobs import Job, job_key, read_job
from .jobs_file import JobsFile, Line
from .journal import DONE, FAILED, JOURNAL_NAME, SENT, SUBMITTED, Entry, Journal, journal_images, read_journal
from .options import JobsOptions
from .output_folder import OutputFolder
from .plan import AMBIGUOUS, INVALID, Plan, PlannedJob

_MAX_WARNINGS = 50
_SHOWN_PROBLEMS = 20


class OpenJobs(Record):
    """A batch whose jobs are planned. `journal` is None for a dry run; `spent_usd` is what earlier runs there
    may have cost."""

    plan: Plan
    jobs_file: JobsFile
    folder: OutputFolder
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


def open_jobs(jobs: JobsOptions, client: Client, output: Output, stack: ExitStack) -> OpenJobs:
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
    folder = OutputFolder(path, client.rescue_folder)
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
    return OpenJobs(plan, jobs_file, folder, journal, jobs.defaults, planning.spent_usd)


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


class Planning(Record):
    """What planning found besides the plan: warnings, and what earlier runs may have spent, in USD."""

    warnings: Tuple[str, ...]
    spent_usd: float


class Planner:
    """Fills a plan. With a journal, what an earlier run left unsaid is noted there."""

    def __init__(
        self,
        plan: Plan,
        folder: OutputFolder,
        defaults: Job,
        prices: Mapping[str, Prices],
        retry_ambiguous: bool,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._real_folder = os.path.realpath(str(folder.path))
        self._defaults = defaults
        self._prices = prices
        self._retry_ambiguous = retry_ambiguous
        self._warnings: Dict[str, int] = {}

    def run(self, jobs_file: JobsFile, journal: Optional[Journal]) -> Planning:
        """Reads every line, then the journal of the folder."""
        for number, line in enumerate(jobs_file.lines(), 1):
            try:
                self._add(number, line)
            except GptImage2Error as error:
                self._plan.refuse(number, line, {"error": _error_json(error)})
        self._plan.number_copies()
        spent_usd = self._replay()
        for job, entry in self._plan.remembered():
            self._settle(job, entry, journal)
        warnings = [f"{text} ({count} jobs)" if count > 1 else text for text, count in self._warnings.items()]
        return Planning(tuple(warnings), spent_usd)

    def _add(self, number: int, line: Line) -> None:
        if line.text is None:
            raise UsageError(line.problem, hint="write one job a line")
        job, unknown = read_job(line.text, self._defaults)
        check_local_inputs(job.sources, job.mask)
        if len(job.sources) > MAX_INPUT_IMAGES:
            raise UsageError(f"{len(job.sources)} images; at most {MAX_INPUT_IMAGES} may be sent", hint="")
        request, warnings = checked(job.request)
        for name in unknown:
            self._warn(f"field {show(name, limit=40)!r} is not known here and is passed through")
        for warning in warnings:
            self._warn(warning)
        named = job.output is not None
        name = _relative(job.output) if job.output is not None else _made_up(number, request)
        if named and os.path.isdir(str(self._folder.path / name)):
            raise UsageError(f"output {show(name, limit=100)!r} is a folder", hint="name a file")
        outputs = self._folder.outputs(name, request, named)
        numbers = tuple(range(1, request.count + 1))
        names = [self._claimed(outputs.path(each)) if named else outputs.path(each).name for each in numbers]
        estimate = request.estimate(self._prices)
        planned = PlannedJob(
            number=number,
            line=line.number,
            offset=line.offset,
            id=job.id,
            key=job_key(request, *_fingerprints(job)),
            copy=0,
            name=name,
            named=named,
            replaces=named and all(os.path.lexists(outputs.path(each)) for each in numbers),
            images=request.count,
            quality=request.effective_quality,
            low_usd=estimate.low_usd if estimate else None,
            high_usd=estimate.high_usd if estimate else None,
            missing=numbers,
        )
        clash = self._plan.add(planned, names)
        if clash:
            raise UsageError(clash, hint="give each job its own")

    def _claimed(self, path: Path) -> str:
        """The file behind an output that the user named, as a path below the folder.

        Raises:
            UsageError: it is outside, also by a link, or cannot be a file.
        """
        real = os.path.realpath(str(path))
        shown = show(str(path.name), limit=100)
        if not real.startswith(self._real_folder + os.sep):
            raise UsageError(f"output {shown!r} leaves the output folder", hint="name a file below --out-dir")
        if os.path.isdir(real):
            raise UsageError(f"output {shown!r} is a folder", hint="name a file")
        name = os.path.relpath(real, self._real_folder)
        if name in (JOURNAL_NAME, SHEET_NAME):
            raise UsageError(f"output {shown!r} is a file of the batch itself", hint="choose another name")
        return name

    def _replay(self) -> float:
        """Takes the journal in; what it says was spent, or may have been, in USD."""
        spent_usd = 0.0
        under_way: Dict[Tuple[str, int], float] = {}
        for entry in read_journal(self._folder.path):
            self._plan.remember(entry)
            job = entry.key, entry.copy
            if entry.event in (SENT, SUBMITTED):
                spent_usd += under_way.get(job, 0.0)  # sent before, and its end is not known
                under_way[job] = entry.high_usd
                continue
            high_usd = under_way.pop(job, None)
            if high_usd is not None and entry.billed is not Billed.NO:
                spent_usd += high_usd if entry.cost_usd is None else entry.cost_usd
        return spent_usd + sum(under_way.values())

    def _settle(self, job: PlannedJob, entry: Entry, journal: Optional[Journal]) -> None:
        """What is left of a job that an earlier run has met."""
        there: Dict[int, SavedImage] = {}
        for image in entry.images:
            saved = saved_image_at(str(self._folder.path / image.path))
            if saved is not None and saved.sha256 == image.sha256:
                there[image.number] = saved
        if entry.event == SENT and not entry.existed:
            there.update(self._unsaid(job, entry, there))
        missing = tuple(number for number in job.missing if number not in there)
        outcome: Dict[str, object] = {
            "images": [image_json(image) for _, image in sorted(there.items())],
            "billed": entry.billed.value,
            "cost_usd": entry.cost_usd,
            "resumed": True,
        }
        if not missing:
            if entry.event != DONE and journal is not None:
                journal.append(
                    replace(
                        entry, event=DONE, images=journal_images(there, self._folder.path), billed=Billed.YES
                    )
                )
            self._plan.end(job.number, DONE, {**outcome, "billed": Billed.YES.value})
        elif entry.event == SUBMITTED:
            self._plan.end(job.number, SUBMITTED, {**outcome, "batch_id": entry.batch_id})
        elif _is_ambiguous(entry) and not self._retry_ambiguous:
            self._plan.end(
                job.number, AMBIGUOUS, {**outcome, "billed": Billed.MAYBE.value, "error": _doubt(entry)}
            )
        elif len(missing) < len(job.missing):
            self._plan.leave(job.number, missing, there)

    def _unsaid(self, job: PlannedJob, entry: Entry, known: Dict[int, SavedImage]) -> Dict[int, SavedImage]:
        """Images that a killed run had saved, but could not say so any more: whole files where none were."""
        count = len(job.missing)
        outputs = self._folder.outputs(entry.name, ImageRequest(prompt="", n=count), job.named)
        found: Dict[int, SavedImage] = {}
        for number in job.missing:
            path = outputs.path(number)
            if number not in known and _is_whole(path):
                saved = saved_image_at(str(path))
                if saved is not None:
                    found[number] = saved
        return found

    def _warn(self, text: str) -> None:
        if text in self._warnings or len(self._warnings) < _MAX_WARNINGS:
            self._warnings[text] = self._warnings.get(text, 0) + 1


def _relative(output: str) -> str:
    """An output as a plain relative path.

    Raises:
        UsageError: it cannot be a file below a folder.
    """
    shown = show(output, limit=100)
    if not output.strip() or "\0" in output or output.endswith(("/", os.sep)):
        raise UsageError(f"output {shown!r} is no file name", hint="leave it out: one is made up")
    if os.path.isabs(output) or os.path.splitdrive(output)[0]:
        raise UsageError(f"output {shown!r} leaves the output folder", hint="name a file below --out-dir")
    return os.path.normpath(output)


def _made_up(number: int, request: ImageRequest) -> str:
    return f"{number:04d}-{slug(request.prompt)}.{extension(request.effective_format)}"


def _is_ambiguous(entry: Entry) -> bool:
    """Whether more may have been paid for than has come."""
    return entry.event == SENT or (
        entry.event == FAILED and entry.billed is not Billed.NO and not entry.settled
    )


def _doubt(entry: Entry) -> Dict[str, object]:
    code, message = entry.code, entry.message
    if entry.event == SENT:
        code, message = "in_flight", "it was in flight when an earlier run ended"
    return {
        "code": code,
        "message": message,
        "hint": "it may have been billed; check your usage, or run it again with --retry-ambiguous",
    }


def _error_json(error: GptImage2Error) -> Dict[str, object]:
    """What is wrong with a line: in its own terms, where the checks speak of flags."""
    return {"code": error.code, "message": _without_flags(error.message), "hint": _without_flags(error.hint)}


def _without_flags(text: str) -> str:
    return re.sub(r"--(?!out-dir)([a-z][a-z-]*)", lambda match: match.group(1).replace("-", "_"), text)


def _is_whole(path: Path) -> bool:
    try:
        with open(str(path), "rb") as file:
            return is_whole_image(file)
    except OSError:
        return False


def _fingerprints(job: Job) -> Tuple[List[str], Optional[str]]:
    return [_fingerprint(each) for each in job.sources], _fingerprint(job.mask) if job.mask else None


def _fingerprint(source: str) -> str:
    """What an input is: the hash of a file's content, or the address it is fetched from."""
    if is_address(source):
        return source
    path = os.path.abspath(os.path.expanduser(source))
    info = os.stat(path)
    return _content_hash(path, info.st_size, info.st_mtime_ns)


@lru_cache(maxsize=1024)
def _content_hash(path: str, size_bytes: int, mtime_ns: int) -> str:
    del size_bytes, mtime_ns  # they tell a changed file from the one that was hashed
    return sha256_of(path)
