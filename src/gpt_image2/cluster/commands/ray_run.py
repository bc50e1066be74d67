# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false
"""`batch run --engine ray`: the jobs of a file over a Ray cluster, some thousands at a time."""

from __future__ import annotations

import itertools
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from typing import Any

import ray
from ray.data import ActorPoolStrategy

from gpt_image2.core.base import errors
from gpt_image2.core.base.errors import GptImage2Error, UsageError
from gpt_image2.core.base.interrupt import StopSwitch
from gpt_image2.core.base.outcome import Billed
from gpt_image2.core.base.record import replace
from gpt_image2.core.base.redact import show
from gpt_image2.core.batch.options import BatchRunCommand
from gpt_image2.core.batch.summary import INTERRUPTED, MAX_FAILURES, Progress, Tally, job_row, say_ended
from gpt_image2.core.commands.package_extras import SANDBOX_KEY
from gpt_image2.core.ledger.budget import OVER_MAX_COST
from gpt_image2.core.settings.keys import KEY_VARIABLE
from gpt_image2.core.telling.in_words import saved_line
from gpt_image2.core.telling.output import Output

from ..jobs.planning import PlannedJobs
from ..jobs.results import ACCEPTED, DONE, ELSEWHERE, FAILED, NOT_STARTED, PARTIAL
from ..jobs.table import TableJob
from ..jobs.table_rows import INVALID
from ..ray import CLAIM, LINE, WHOLE, ImageJobs, close_desk, stop_desk, under_way

_NUMBER = "gpt_image2_number"
_AT_ONCE = 4096  # jobs in one dataset, and what Ctrl-C waits for
_BATCH = 16
_LOOK_S = 1.0
#: The line of a trace that names one of our errors.
_SAID = re.compile(r"gpt_image2\.core\.base\.errors\.(\w+): (.+)")
_CPUS_EACH, _ACTORS_EACH, _MOST_ACTORS = 0.1, 2, 64  # a call waits; so do hundreds of them


def run_on_ray(
    command: BatchRunCommand,
    planned: PlannedJobs,
    stack: ExitStack,
    parts: Iterator[Iterator[TableJob]],
    output: Output,
    progress: Progress,
    stop: StopSwitch,
) -> Tally:
    """Runs the jobs; how it went. The cluster is one of this machine where none is named."""
    if command.sandbox:
        os.environ[KEY_VARIABLE] = SANDBOX_KEY  # for the workers of this machine
    own: Any = _OwnStdout(sys.stdout)
    stack.enter_context(redirect_stdout(own))
    if not ray.is_initialized():
        os.environ.setdefault("RAY_DATA_DISABLE_PROGRESS_BARS", "1")
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        try:
            ray.init(address=command.address, include_dashboard=False, **quiet)
        except ValueError:  # a cluster that runs has its own dashboard
            ray.init(address=command.address, **quiet)
        except ConnectionError as error:
            raise UsageError(
                f"there is no Ray cluster at {command.address}: {error}",
                hint="start one, or leave --address out; nothing was sent",
            ) from None
        stack.callback(ray.shutdown)
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR)
    stack.callback(close_desk, command.out_dir)
    nodes = sum(1 for each in ray.nodes() if each["Alive"])
    actors = min(_MOST_ACTORS, _ACTORS_EACH * nodes)
    run = _Run(planned, output, progress, command)

    def drain() -> None:  # by a signal handler, which must not wait
        run.stop(INTERRUPTED)
        threading.Thread(target=stop_desk, args=(command.out_dir, INTERRUPTED), daemon=True).start()

    with run.watched(), stop:
        stop.drain_first(drain)
        jobs = itertools.chain.from_iterable(parts)
        while page := list(itertools.islice(jobs, _AT_ONCE)):
            if run.tally.stopped:
                break
            rows = [
                {_NUMBER: each.number, LINE: planned.jobs_file.text_at(each.offset), CLAIM: each.job}
                for each in page
            ]
            known = {each.number: each for each in page}
            dataset = ray.data.from_items(rows).map_batches(
                ImageJobs,
                fn_constructor_kwargs=_arguments(command, planned),
                compute=ActorPoolStrategy(min_size=1, max_size=actors),
                num_cpus=_CPUS_EACH,
                batch_size=_BATCH,
                batch_format="pyarrow",
            )
            try:
                for row in dataset.iter_rows():
                    run.take(known[row[_NUMBER]], row["status"], json.loads(row[WHOLE]))
                    if stop.is_set:
                        run.stop(INTERRUPTED)
                        break
            except ray.exceptions.RayError as error:
                raise _worker_error(error, run.tally) from None
        stop.drain_first(None)
    return run.tally


def _arguments(command: BatchRunCommand, planned: PlannedJobs) -> dict[str, Any]:
    """What the actors are made with: no key, but the server that this machine's environment names."""
    source = planned.client.settings.sources["base_url"]
    return {
        "out": command.out_dir,
        "max_cost": command.max_cost_usd,
        "images_per_minute": command.images_per_minute,
        "concurrency": command.concurrency,
        "timeout_s": command.timeout,
        "retry_ambiguous": command.retry_ambiguous,
        "config": command.config,
        "profile": command.profile,
        "base_url": command.base_url or os.environ.get(source),
        "history": command.history,
        "defaults": planned.defaults,
    }


def _worker_error(error: Exception, tally: Tally) -> GptImage2Error:
    """What a worker could not begin with, as its machine says; Ray gives that as the text of a trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = [match for line in lines if (match := _SAID.match(line))]
    kind = getattr(errors, said[-1].group(1), GptImage2Error) if said else GptImage2Error
    message = said[-1].group(2) if said else next(iter(lines[-1:]), type(error).__name__)
    has_begun = tally.done or tally.failed or tally.in_flight
    return kind(
        f"a worker of Ray has ended: {show(message)}",
        hint="each machine of the cluster needs this package and its key, in the environment that Ray was "
        "started in or in the config file; the same command goes on with what is missing",
        code="ray_worker",
        billed=Billed.MAYBE if has_begun else Billed.NO,
    )


class _OwnStdout:
    """Standard output for this program's thread alone: Ray prints of its troubles there from others."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        stream = self._real if threading.get_ident() == self._thread else sys.stderr
        return stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


class _Run:
    """What came of the jobs."""

    def __init__(
        self, planned: PlannedJobs, output: Output, progress: Progress, command: BatchRunCommand
    ) -> None:
        self._table = planned.table
        self._output = output
        self._progress = progress
        self._out = command.out_dir
        self._most = 1 if command.fail_fast else command.max_failures
        self._lock = threading.RLock()  # a signal handler may come back to where its thread is
        self.tally = Tally()

    @contextmanager
    def watched(self) -> Generator[None]:
        """Tells how far it is while it is entered, between results too."""
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(_LOOK_S):
                seen = under_way(self._out)
                if seen:
                    with self._lock:
                        self.tally = replace(
                            self.tally, in_flight=seen.count, oldest_s=seen.oldest_s, pacing=seen.pacing
                        )
                        self._progress.show(self.tally)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            is_over.set()
            watcher.join()

    def stop(self, reason: str) -> None:
        """Nothing more is started."""
        with self._lock:
            self.tally = replace(self.tally, stopped=self.tally.stopped or reason)

    def take(self, job: TableJob, status: str, outcome: dict[str, Any]) -> None:
        """Takes what became of a job."""
        with self._lock:
            self._take(job, status, outcome)

    def _take(self, job: TableJob, status: str, outcome: dict[str, Any]) -> None:
        stops, was_sent = outcome.pop("stops"), outcome.pop("was_sent")
        if stops:
            self.stop(stops)
        if status == NOT_STARTED:
            self.tally = replace(self.tally, is_over_budget=self.tally.stopped == OVER_MAX_COST)
            return
        status = FAILED if status == INVALID else status
        self._table.end(job.number, status, outcome)
        tally, images = self.tally, outcome["images"] if status in (DONE, PARTIAL) else []
        cost_usd = outcome["cost_usd"]
        self.tally = replace(
            tally,
            done=tally.done + (status == DONE),
            failed=tally.failed + (status not in (DONE, ELSEWHERE, ACCEPTED)),
            images=tally.images + len(images),
            # What an earlier run sent has been counted there.
            spent_usd=tally.spent_usd + ((cost_usd or 0.0) if was_sent else 0.0),
            unpriced=tally.unpriced + (was_sent and outcome["billed"] != "no" and cost_usd is None),
        )
        for image in images:
            self._output.result(saved_line(image["path"], image["bytes"]))
        row = {"job": job.number, "line": job.line, "id": job.id, "status": status, **outcome}
        say_ended(self._output, job_row(row))
        if self._most is not None and self.tally.failed >= self._most:
            self.stop(MAX_FAILURES)
            stop_desk(self._out, MAX_FAILURES)
        self._progress.show(self.tally)
