"""Many jobs from a program: what `batch run` does with a file, as an iterator of how each job ended.

The jobs go into a private file, and core's scheduler runs them: its journal, money cap and pace.
"""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple, Union, cast
from weakref import finalize

from ..core.base.interrupt import StopSwitch
from ..core.base.outcome import Billed
from ..core.base.record import Record
from ..core.batch.contact_sheet import write_sheet
from ..core.batch.options import BatchRunCommand, read_batch_run
from ..core.batch.plan import PlannedJob
from ..core.batch.planning import open_jobs
from ..core.batch.scheduler import Scheduler
from ..core.batch.summary import Progress, Tally, counts, in_words, job_row, job_rows
from ..core.calls.client import Client as CoreClient
from ..core.outputs.files import temporary_folder, write_private
from ..core.telling.output import Output
from .arguments import as_arguments, read_arguments, wrong_type
from .call import in_our_words
from .errors import GptImage2Error, UsageError
from .inputs import read_input, read_inputs
from .options import BatchOptions, Job
from .outcome import SavedImage, image_of

BATCH_NAMES = tuple(BatchOptions.__annotations__)
_INPUTS = ("image", "mask", "markup")

JobLike = Union[str, "Job"]


class JobOutcome(Record):
    """How one job of a batch ended, or that it was not begun. `index` is its place among the jobs, from 0.

    `status` is `done` (all its images are there, of this run or an earlier one), `failed`, `ambiguous` (an
    earlier run may have paid for it), `accepted` (the host works on it), `submitted` (the Batch API does),
    `invalid` or `not_started`. `error` says why it failed; it is not raised. `cost_usd` is None where it is
    unknown, or nothing was paid in this run.
    """

    index: int
    id: Optional[str]
    status: str
    images: Tuple[SavedImage, ...]
    billed: Billed
    cost_usd: Optional[float]
    error: Optional[GptImage2Error]
    warnings: Tuple[str, ...]


class BatchWork:
    """The jobs of one batch, read and checked as far as that goes without the configuration.

    Raises:
        TypeError: there is an argument of no such name.
        UsageError: a job or an argument is of another type than is wanted.
    """

    def __init__(self, jobs: Iterable[JobLike], out_dir: Any, given: Mapping[str, Any]) -> None:
        values = read_arguments("batch", {"out_dir": out_dir, **given}, ("out_dir", *BATCH_NAMES))
        if isinstance(cast(object, jobs), (str, bytes, dict)) or not hasattr(jobs, "__iter__"):
            raise wrong_type("jobs", jobs, "several jobs, as a list has them", "a job is a prompt or a dict")
        self._stack = ExitStack()
        finalize(self, self._stack.close)  # of a batch that nobody iterates over
        self._folder = self._stack.enter_context(temporary_folder())
        try:
            lines = [self._line(index, job) for index, job in enumerate(jobs)]
            self._count = len(lines)
            if not lines:
                raise UsageError("there are no jobs", hint="give at least one")
            path = self._folder / "jobs.jsonl"
            write_private(path, "".join(line + "\n" for line in lines).encode("utf-8", "surrogatepass"))
            with in_our_words():
                self._command = _command(str(path), values)
        except BaseException:
            self._stack.close()
            raise

    def run(
        self,
        client: CoreClient,
        stop: StopSwitch,
        tell: Callable[[JobOutcome], object],
    ) -> None:
        """Runs the jobs; tells how each ended, as it ends, and at last of those that were not begun.

        Raises:
            GptImage2Error: nothing was begun, for the reason that it says.
        """
        with self._stack as stack, in_our_words():
            silence = _Silence()
            client = client.under(stop, waits_for_server=False)
            client.finish_leftovers(waits=True)
            jobs = open_jobs(self._command, client, silence, stack)
            assert jobs.journal is not None
            client.check_way()
            progress = _Told(silence, counts(jobs.plan)["not_started"], tell)
            Scheduler(jobs, jobs.journal, client, self._command, progress, stop).run()
            words = in_words(counts(jobs.plan))
            write_sheet(jobs.folder.path, "jobs", words, jobs.plan.rows(), jobs.requests(), silence)
            for row in job_rows(jobs.plan):
                if row["job"] not in progress.told:
                    tell(_outcome(row))

    def _line(self, index: int, job: Any) -> str:
        """A job as a line of a jobs file."""
        if isinstance(job, str):
            return json.dumps(job)
        if not isinstance(job, Mapping):
            raise wrong_type(f"jobs[{index}]", job, "a prompt or a dict", 'for example {"prompt": "a cat"}')
        fields = dict(cast("Mapping[str, object]", job))
        fields = {
            **read_arguments("job", {"extra": fields.pop("extra", None)}, ("extra",)).get("extra", {}),
            **fields,
        }
        folder = self._folder / str(index)
        if "image" in fields:
            inputs = read_inputs(*(fields.get(name) for name in _INPUTS))
            fields["image"] = [_on_disk(each, folder, n) for n, each in enumerate(inputs.images, 1)]
        for name in _INPUTS[1:]:
            if fields.get(name) is not None:
                fields[name] = _on_disk(read_input(fields[name], name), folder, name)
        if fields.get("output") is not None:
            fields["output"] = os.fspath(cast(str, fields["output"]))
        try:
            return json.dumps(fields)
        except (TypeError, ValueError) as error:
            raise UsageError(
                f"`jobs[{index}]` cannot be sent as JSON: {error}", hint="use texts and numbers"
            ) from None


class _Silence(Output):
    """For programs, which hear all that there is to hear from the outcomes."""

    def __init__(self) -> None:
        self.is_json = self.shows_tracebacks = self.is_live = False

    def result(self, text: str) -> None:
        """Nothing."""

    def say(self, text: str) -> None:
        """Nothing."""

    def warn(self, text: str) -> None:
        """Nothing: the warnings of a job are in its outcome."""

    def complain(self, text: str) -> None:
        """Nothing."""


class _Told(Progress):
    """Tells how each job ended. `told` are the numbers of those."""

    def __init__(self, output: Output, jobs: int, tell: Callable[[JobOutcome], object]) -> None:
        super().__init__(output, jobs, None)
        self._tell = tell
        self.told: Set[int] = set()

    def ended(self, job: PlannedJob, state: str, outcome: Mapping[str, Any]) -> None:
        self.told.add(job.number)
        row: Dict[str, Any] = {"job": job.number, "line": job.line, "id": job.id, "status": state, **outcome}
        self._tell(_outcome(job_row(row)))

    def show(self, tally: Tally) -> None:
        """Nothing."""


def _command(path: str, values: Mapping[str, Any]) -> BatchRunCommand:
    """What `batch run` would be told."""
    flags: List[str] = []
    for name, value in values.items():
        if name != "extra" and not isinstance(value, bool):
            flags.append(f"--{_FLAGS.get(name, name).replace('_', '-')}={value}")
        elif value is True:
            flags.append(f"--{name.replace('_', '-')}")
    command = read_batch_run([path, *flags])
    extra: Mapping[str, object] = values.get("extra") or {}
    vars(command)["param"] = [f"{name}={json.dumps(value)}" for name, value in extra.items()]
    return command


#: Arguments whose flags have other names.
_FLAGS = {"max_cost_usd": "max_cost"}


def _on_disk(value: object, folder: Path, name: object) -> str:
    if isinstance(value, str):
        return value
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / str(name)
    write_private(path, cast(bytes, value))
    return str(path)


def _outcome(row: Mapping[str, Any]) -> JobOutcome:
    from ..core.base.outcome import SavedImage as CoreImage

    images = [{**image, "size_bytes": image["bytes"]} for image in row["images"]]
    known: Sequence[str] = ("path", "size_bytes", "format", "width", "height", "sha256")
    error: Optional[Mapping[str, Any]] = row["error"]
    billed = Billed(row["billed"])
    return JobOutcome(
        index=row["line"] - 1,
        id=row["id"],
        status=row["status"],
        images=tuple(image_of(CoreImage(**{name: each[name] for name in known})) for each in images),
        billed=billed,
        cost_usd=row["cost_usd"],
        error=None
        if error is None
        else GptImage2Error(
            as_arguments(error["message"]),
            hint=as_arguments(error["hint"] or ""),
            code=error["code"],
            billed=billed,
            http_status=error["http_status"],
            request_id=error["request_id"],
        ),
        warnings=tuple(map(as_arguments, row["warnings"])),
    )
