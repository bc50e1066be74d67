"""What every command for a jobs file begins with, before anything is paid for: the file read, its folder
locked, every line checked, every image named, and what earlier runs have done found again.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Tuple

from ..api.checks import checked
from ..api.cost import CostEstimate
from ..api.images import sha256_of
from ..api.models import MAX_INPUT_IMAGES, typical_seconds
from ..api.request import ImageRequest, is_address
from ..base.errors import GptImage2Error, UsageError
from ..base.record import Record, replace
from ..base.redact import show
from ..calls.client import Client
from ..calls.free import asks_sandbox
from ..commands.picture_flags import names_of
from ..commands.steps_ahead import estimate_with_steps, local_inputs
from ..ledger.budget import unknown_cost
from ..outputs.files import prepare_folder, temporary_folder
from ..outputs.left import outputs_under_way
from ..outputs.lines import remove_empty
from ..outputs.naming import OutputPlan, extension, name_problem, slug
from ..settings.base_url import is_loopback
from ..settings.places import state_folder
from ..telling.as_json import failure_json
from ..telling.output import Output
from .contact_sheet import SHEET_NAME
from .job import Job, job_key, read_job
from .jobs_file import JobsFile, Line
from .journal import JOURNAL_NAME, Journal, read_journal
from .options import JobsOptions, is_address_of_store
from .output_folder import OutputFolder, canonical
from .plan import INVALID, Plan, PlannedJob
from .resume import resume_jobs

_MAX_WARNINGS = 50
_MAX_ID_BYTES = 100
_SHOWN_PROBLEMS = 20


class OpenJobs(Record):
    """A jobs file whose jobs are planned. `journal` is None for a dry run; `spent_usd` is what earlier runs
    in the folder may have cost."""

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


def open_jobs(options: JobsOptions, client: Client, output: Output, stack: ExitStack) -> OpenJobs:
    """Plans the jobs of a file; everything is closed with the stack. Raises before anything is sent."""
    scratch = stack.enter_context(temporary_folder())
    jobs_file = JobsFile(options.jobs, scratch)
    stack.callback(jobs_file.close)
    if not options.out_dir:
        raise UsageError("--out-dir is empty", hint="name a folder")
    if is_address_of_store(options.out_dir):
        raise UsageError(
            f"--out-dir {show(options.out_dir)} is an address, which batch run takes",
            hint="name a folder here; nothing was sent",
        )
    path = Path(os.path.abspath(os.path.expanduser(options.out_dir)))
    folder = OutputFolder(path, client.rescue_folder)
    plan = Plan(scratch)
    stack.callback(plan.close)
    journal: Optional[Journal] = None
    if not options.dry_run:
        stack.callback(remove_empty, [each for each in (path, *path.parents) if not each.exists()])
        prepare_folder(path)
        journal = stack.enter_context(Journal(path))
    defaults = replace(options.defaults, request=client.with_model(options.defaults.request))
    planner = _Planner(plan, folder, defaults, client, options)
    for line in jobs_file.lines():
        planner.add(line)
    plan.name_by_ids()
    plan.number_copies()
    is_sandbox = _is_for_sandbox(options, client, path)
    if journal is not None:
        journal.is_sandbox = is_sandbox is True
    under_way = frozenset(outputs_under_way(state_folder(client.env)))
    spent_usd = resume_jobs(plan, folder, journal, options.retry_ambiguous, is_sandbox, under_way)
    elsewhere = plan.count_elsewhere()
    if elsewhere:
        jobs = "1 job was" if elsewhere == 1 else f"{elsewhere:,} jobs were"
        who = "another host than the sandbox" if is_sandbox else "the sandbox"
        output.warn(
            f"{jobs} made by {who} in an earlier run, which does not count here: made again, under free names"
        )
    for warning in (*client.settings.warnings, *planner.warnings):
        output.warn(warning)
    _refuse_invalid(plan, options.skip_invalid, output)
    if options.max_cost_usd is not None and any(share.cost_usd is None for share in plan.shares()):
        raise unknown_cost("some jobs")
    return OpenJobs(plan, jobs_file, folder, journal, defaults, spent_usd)


def _is_for_sandbox(options: JobsOptions, client: Client, folder: Path) -> Optional[bool]:
    """Whether the run is one of the sandbox; None where only an answer would tell. A host on this machine is
    asked, at no cost, where the folder has something of the sandbox's."""
    if getattr(options, "sandbox", False):
        return True
    if not is_loopback(client.settings.base_url) or not any(entry.sandbox for entry in read_journal(folder)):
        return False
    return None if options.dry_run else asks_sandbox(client.host.curl, client.settings.base_url)


def _refuse_invalid(plan: Plan, skip: bool, output: Output) -> None:
    """Names the lines that are no jobs; raises unless they are to be skipped."""
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


class _Planner:
    """Takes lines of a jobs file into a plan."""

    def __init__(
        self,
        plan: Plan,
        folder: OutputFolder,
        defaults: Job,
        client: Client,
        options: JobsOptions,
    ) -> None:
        self._plan = plan
        self._folder = folder
        self._real_folder = os.path.realpath(str(folder.path))
        self._defaults = defaults
        self._client = client
        self._is_sent_here = options.is_sent_here
        self._max_cost_usd = options.max_cost_usd
        self._lines = 0
        self._warnings: Dict[str, int] = {}

    @property
    def warnings(self) -> List[str]:
        return [f"{text} ({count} jobs)" if count > 1 else text for text, count in self._warnings.items()]

    def add(self, line: Line) -> None:
        self._lines += 1
        try:
            planned, names = self._planned(line)
            clash = self._plan.add(planned, names)
            if clash:
                raise UsageError(clash, hint="give each job its own")
        except GptImage2Error as error:
            self._plan.refuse(self._lines, line, {"error": failure_json(error)})

    def _planned(self, line: Line) -> Tuple[PlannedJob, List[str]]:
        """The job of a line, and the names of its files."""
        if line.text is None:
            raise UsageError(line.problem, hint="write one job a line")
        job, unknown = read_job(line.text, self._defaults)
        if len(job.sources) > MAX_INPUT_IMAGES:
            raise UsageError(f"{len(job.sources)} images; at most {MAX_INPUT_IMAGES} may be sent")
        if job.markup is not None and not self._is_sent_here:
            raise UsageError("the Batch API takes no markup", hint="use batch run")
        if job.wishes is not None and not self._is_sent_here:
            raise UsageError(
                f"the Batch API's images are not worked on, as {names_of(job.wishes)} would",
                hint="use batch run, or leave it out and work on them when they are fetched",
            )
        # A file for the Batch API takes up inputs as they are.
        inputs = local_inputs(job.request, job.sources, job.mask, job.markup, converts=self._is_sent_here)
        request, warnings = checked(inputs)
        for name in unknown:
            self._warn(f"field {show(name, limit=40)!r} is not known here and is passed through")
        for warning in warnings:
            self._warn(warning)
        named = job.output is not None
        own_name = ""
        if job.output is None:
            suffix = extension(request.effective_format)
            name = f"{self._lines:04d}-{slug(request.prompt)}.{suffix}"
            own_name = name_of_id(job.id or "", suffix)
        else:
            name = _relative(job.output)
        if named and os.path.isdir(str(self._folder.path / name)):
            raise UsageError(f"output {show(name, limit=100)!r} is a folder", hint="name a file")
        outputs = self._folder.outputs(name, request, named)
        numbers = tuple(range(1, request.count + 1))
        paths = [outputs.path(number) for number in numbers]
        estimate = self._estimate(job, request, outputs)
        sources = [_fingerprint(each) for each in job.sources]
        mask, markup = (_fingerprint(each) if each else None for each in (job.mask, job.markup))
        planned = PlannedJob(
            number=self._lines,
            line=line.number,
            id=job.id,
            key=job_key(request, sources, mask, markup, job.wishes),
            copy=0,
            name=name,
            named=named,
            missing=numbers,
            high_usd=estimate.high_usd if estimate else None,
            low_usd=estimate.low_usd if estimate else None,
            quality=request.effective_quality,
            offset=line.offset,
            replaces=named and all(map(os.path.lexists, paths)),
            own_name=own_name,
            typical_s=typical_seconds(request.model, request.effective_quality),
        )
        return planned, [self._claimed(path) if named else path.name for path in paths]

    def _estimate(self, job: Job, request: ImageRequest, outputs: OutputPlan) -> Optional[CostEstimate]:
        """What a job may cost; what it wishes for is tried as far as that goes without its images."""
        if job.wishes is None:
            return request.estimate(self._client.settings.prices)
        cap_usd = self._max_cost_usd
        estimate = estimate_with_steps(
            job.wishes, job.request, (job.sources, job.mask, job.markup), self._client, outputs, cap_usd
        )
        if job.wishes.cutout and cap_usd is None and request.background != "opaque":
            self._warn("without --max-cost no second call is made where a background does not come clear")
        return estimate

    def _claimed(self, path: Path) -> str:
        """The file behind an output that the user named, as a path below the folder; no link may lead out."""
        real = os.path.realpath(str(path))
        shown = show(str(path.name), limit=100)
        if not real.startswith(self._real_folder + os.sep):
            raise UsageError(f"output {shown!r} leaves the output folder", hint="name a file below --out-dir")
        if os.path.isdir(real):
            raise UsageError(f"output {shown!r} is a folder", hint="name a file")
        name = os.path.relpath(real, self._real_folder)
        if canonical(name) in (JOURNAL_NAME, SHEET_NAME):
            raise UsageError(f"output {shown!r} is a file of the batch itself", hint="choose another name")
        return name

    def _warn(self, text: str) -> None:
        if text in self._warnings or len(self._warnings) < _MAX_WARNINGS:
            self._warnings[text] = self._warnings.get(text, 0) + 1


def name_of_id(job_id: str, suffix: str) -> str:
    """The file name that a job's id makes, empty where it makes none: as it stands where it can be a name
    everywhere, else its letters and digits."""
    if job_id.lower().endswith(f".{suffix}"):
        job_id = job_id[: -len(suffix) - 1]
    is_plain = re.fullmatch(r"\w[\w.,+=@ -]*", job_id) and len(os.fsencode(job_id)) <= _MAX_ID_BYTES
    name = f"{job_id if is_plain else slug(job_id)}.{suffix}"
    return name if re.search(r"[^\W_]", job_id) and not name_problem(name) else ""


def _relative(output: str) -> str:
    """An output as a plain relative path."""
    shown = show(output, limit=100)
    if not output.strip() or "\0" in output or output.endswith(("/", os.sep)):
        raise UsageError(f"output {shown!r} is no file name", hint="leave it out: one is made up")
    if os.path.isabs(output) or os.path.splitdrive(output)[0]:
        raise UsageError(f"output {shown!r} leaves the output folder", hint="name a file below --out-dir")
    return os.path.normpath(output)


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
