"""The jobs of a file, checked and named before anything is paid for; what is done is found in the store."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gpt_image2.core.api.checks import checked
from gpt_image2.core.api.images import sha256_of
from gpt_image2.core.api.models import MAX_INPUT_IMAGES, typical_seconds
from gpt_image2.core.api.request import ImageRequest, is_address
from gpt_image2.core.base.errors import GptImage2Error, UsageError
from gpt_image2.core.base.outcome import Billed
from gpt_image2.core.base.redact import show
from gpt_image2.core.batch.job import Job, job_key, read_job
from gpt_image2.core.batch.jobs_file import JobsFile, Line
from gpt_image2.core.batch.options import BatchRunCommand
from gpt_image2.core.batch.plan import DONE, INVALID
from gpt_image2.core.calls.client import Client
from gpt_image2.core.commands.picture_flags import names_of
from gpt_image2.core.commands.steps_ahead import local_inputs
from gpt_image2.core.ledger.budget import unknown_cost
from gpt_image2.core.outputs.files import temporary_folder
from gpt_image2.core.outputs.naming import MAX_NAME_BYTES, name_problem
from gpt_image2.core.telling.as_json import failure_json
from gpt_image2.core.telling.output import Output

from ..store.claims import PARTIALS, RESULTS, result_name
from ..store.found import StoreError
from ..store.inputs import is_stored, save_object
from ..store.objects import Objects, check_address, split_address
from .job import ClusterJob, made_up_name
from .results import read_result
from .table import JobTable, TableJob

_SHOWN_PROBLEMS = 20
#: An address that core lets pass unseen: what lies in a store shows only when it is fetched.
_LATER = "https://in-a-store.invalid/"
#: What a name is made longer by: the number of an image, a part of its hash, and a mark while it is written.
#: Names of objects have up to 1,024 bytes, with the address.
_ADDED_BYTES, _MOST_BYTES = 24, 512
_COPY_OF_A_STORE = re.compile("#[0-9]+(/|$)")


@dataclass(frozen=True)
class PlannedJobs:
    """The jobs of a file, and where their lines can be read again."""

    table: JobTable
    jobs_file: JobsFile
    defaults: Job
    client: Client

    def job_of(self, planned: TableJob) -> ClusterJob:
        """A job with all that it takes to do it."""
        job, _ = read_job(self.jobs_file.text_at(planned.offset), self.defaults)
        request, _ = checked(self.client.with_model(job.request))
        return ClusterJob(
            job=planned.job,
            id=planned.id,
            request=request,
            name=planned.name or made_up_name(request, planned.job, planned.id),
            high_usd=planned.high_usd,
            sources=job.sources,
            mask=job.mask,
            markup=job.markup,
        )


def plan_jobs(
    command: BatchRunCommand, client: Client, shards: int, output: Output, stack: ExitStack
) -> PlannedJobs:
    """Plans the jobs of a file; everything is closed with the stack.

    Raises:
        UsageError: lines are no jobs, or a price is not known while there is a cap.
    """
    scratch = stack.enter_context(temporary_folder())
    path = command.jobs
    if is_stored(path):
        path = str(scratch / "fetched")
        save_object(command.jobs, "the jobs file", Path(path))
    jobs_file = JobsFile(path, scratch)
    stack.callback(jobs_file.close)
    table = JobTable(scratch, shards)
    stack.callback(table.close)
    defaults = command.defaults
    for number, line in enumerate(jobs_file.lines(), 1):
        try:
            clash = table.add(_planned(number, line, defaults, client))
            if clash:
                raise UsageError(clash, hint="give each job its own")
        except GptImage2Error as error:
            table.refuse(number, line.number, line.offset, {"error": failure_json(error)})
    table.name_claims()
    _refuse_invalid(table, command.skip_invalid, output)
    if command.max_cost_usd is not None and any(each.cost_usd is None for each in table.shares(None)):
        raise unknown_cost("some jobs")
    return PlannedJobs(table, jobs_file, defaults, client)


def find_done(table: JobTable, objects: Objects) -> None:
    """Takes out what has a result in the store. What has ended in this run has said more of itself."""
    partial = {PurePosixPath(found.name).name for found in objects.list(f"{PARTIALS}/")}
    for found in objects.list(f"{RESULTS}/"):
        job = PurePosixPath(found.name).stem
        number = table.number_of(job)
        if number is None or found.name != result_name(job) or not found.size_bytes:
            continue  # a machine that lost its power leaves empty files: the job says so when it is looked at
        if job in partial:
            with suppress(StoreError):  # so does one that is not readable
                row, _ = read_result(objects.get(found.name) or b"", objects.address)
                table.find(number, row.status, row.json())
        else:
            table.find(number, DONE, {"billed": Billed.YES.value, "resumed": True})


def _planned(number: int, line: Line, defaults: Job, client: Client) -> TableJob:
    """The job of a line."""
    if line.text is None:
        raise UsageError(line.problem, hint="write one job a line")
    job, _ = read_job(line.text, defaults)
    if len(job.sources) > MAX_INPUT_IMAGES:
        raise UsageError(f"{len(job.sources)} images; at most {MAX_INPUT_IMAGES} may be sent")
    request = seen(client.with_model(job.request), job)
    estimate = request.estimate(client.settings.prices)
    return TableJob(
        number=number,
        line=line.number,
        offset=line.offset,
        id=job.id,
        key=key_of(request, job),
        name=relative_name(job.output) if job.output is not None else "",
        quality=request.effective_quality,
        images=request.count,
        low_usd=estimate.low_usd if estimate else None,
        high_usd=estimate.high_usd if estimate else None,
        typical_s=typical_seconds(request.model, request.effective_quality),
    )


def seen(request: ImageRequest, job: Job) -> ImageRequest:
    """The request of a job, checked, with its inputs as far as they can be seen before they are fetched."""
    if job.wishes is not None:
        raise UsageError(
            f"images beyond this machine are not worked on, as {names_of(job.wishes)} would",
            hint="run these jobs with an --out-dir here, or leave it out and work on them afterwards",
        )
    beside = [each for each in (job.mask, job.markup) if each]
    for each in filter(is_stored, (*job.sources, *beside)):
        check_address(split_address(each)[0])
    sources, mask, markup = [
        [_LATER if is_stored(each) else each for each in names]
        for names in (job.sources, [job.mask] if job.mask else [], [job.markup] if job.markup else [])
    ]
    inputs = local_inputs(
        request, sources, mask[0] if mask else None, markup[0] if markup else None, converts=True
    )
    return checked(inputs)[0]


def key_of(request: ImageRequest, job: Job) -> str:
    """The key of a job, as the journal of a folder has it; an input that lies in a store counts by its
    address."""
    mask, markup = (_fingerprint(each) if each else None for each in (job.mask, job.markup))
    return job_key(request, [_fingerprint(each) for each in job.sources], mask, markup)


def _fingerprint(source: str) -> str:
    if is_address(source) or is_stored(source):
        return source
    return sha256_of(os.path.abspath(os.path.expanduser(source)))


def relative_name(output: str) -> str:
    """An output as a plain name below the images: one that every store takes, for where the image goes shows
    only when it is paid for."""
    name = PurePosixPath(output)
    problem = name_problem(str(name))
    if (
        not output.strip()
        or not name.parts
        or name.is_absolute()
        or ".." in name.parts
        or output.endswith("/")
    ):
        problem = "is no name below --out-dir"
    elif max(len(each.encode()) for each in name.parts) > MAX_NAME_BYTES - _ADDED_BYTES:
        problem = f"has a part of more than {MAX_NAME_BYTES - _ADDED_BYTES} bytes"
    elif len(str(name).encode()) > _MOST_BYTES:
        problem = f"is longer than {_MOST_BYTES} bytes"
    elif _COPY_OF_A_STORE.search(str(name)):
        problem = "ends as names do that a folder keeps for itself (# and a number)"
    if problem:
        shown = show(output, limit=100)
        raise UsageError(f"output {shown!r} {problem}", hint="leave it out: one is made up")
    return str(name)


def _refuse_invalid(table: JobTable, skip: bool, output: Output) -> None:
    """Names the lines that are no jobs; raises unless they are to be skipped."""
    count = table.count(None).get(INVALID, 0)
    if not count:
        return
    problems: list[str] = []
    for row in table.rows(state=INVALID):
        if len(problems) == _SHOWN_PROBLEMS:
            problems.append(f"… and {count - len(problems):,} more")
            break
        hint = f"; {row['error']['hint']}" if row["error"]["hint"] else ""
        problems.append(f"line {row['line']}: {row['error']['message']}{hint}")
    if not skip:
        raise UsageError(
            f"{'1 line is no job' if count == 1 else f'{count:,} lines are no jobs'}: {'; '.join(problems)}",
            hint="correct them, or add --skip-invalid; nothing was sent",
            code="invalid_jobs",
        )
    for problem in problems:
        output.warn(f"skipped: {show(problem, limit=None)}")
