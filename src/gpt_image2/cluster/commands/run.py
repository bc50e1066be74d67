"""`batch run` with an address for `--out-dir`: from a command line to images in a store and a summary."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from functools import partial

from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.interrupt import StopSwitch
from gpt_image2.core.base.optional_part import install_line
from gpt_image2.core.base.outcome import Billed, ExitCode
from gpt_image2.core.batch.options import BatchRunCommand
from gpt_image2.core.batch.plan import INVALID
from gpt_image2.core.batch.summary import (
    Progress,
    Tally,
    duration,
    estimated_s,
    exit_code,
    in_words,
    job_row,
    share_json,
    sum_of_shares,
    what_remains,
)
from gpt_image2.core.calls.client import Client
from gpt_image2.core.commands.options import client_of
from gpt_image2.core.commands.package_extras import use_sandbox
from gpt_image2.core.telling.amounts import cost_in_words, estimate_json
from gpt_image2.core.telling.as_json import failure_json
from gpt_image2.core.telling.output import Output

from ..jobs.planning import PlannedJobs, find_done, plan_jobs
from ..jobs.results import ACCEPTED, DONE, DOUBT, ELSEWHERE, FAILED, NOT_STARTED, PARTIAL, SAVED
from ..jobs.table import JobTable, TableJob
from ..store.found import StoreError
from ..store.money import read_books
from ..store.objects import Objects, open_objects
from ..work.running import RunRules, ShardRun
from ..work.workplace import Terms, open_workplace

_COMMAND = "batch run"
_REST = 10  # times as long as it takes to look for what is done: so long until one looks again
_SHARD = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")


def run(command: BatchRunCommand, output: Output, stop: StopSwitch) -> int:
    """Runs the command; its exit code."""
    part, shards = read_shard(command.shard)
    _check_engine(command)
    with ExitStack() as stack:
        if command.sandbox:
            use_sandbox(command, stack)
        client = client_of(command, stop, waits_for_server=False)
        objects = open_objects(command.out_dir, is_read=command.dry_run)
        _check_store(objects, command, output)
        planned = plan_jobs(command, client, shards, output, stack)
        table = planned.table
        for warning in client.settings.warnings:
            output.warn(warning)
        find_done(table, objects)
        counted = None if shards == 1 or command.steal else part
        if command.dry_run:
            return _dry_run(command, objects, table, counted, output)
        client.check_way()
        for warning in client.finish_leftovers(waits=True):
            output.warn(warning)
        found = counts(table, counted)
        images = sum_of_shares(table.shares(counted)).images
        progress = Progress(output, found[NOT_STARTED], command.max_cost_usd)
        parts = _parts(table, objects, part, shards, command.steal)
        run_parts = _engine(command, objects, client, planned, shards, stack)
        output.say(f"{words_of(found)}; {images} images to make")
        with output.heartbeat():
            tally = run_parts(parts, output, progress, stop)
        return _tell_ending(objects, planned, counted, tally, progress, output, stop)


def _engine(
    command: BatchRunCommand,
    objects: Objects,
    client: Client,
    planned: PlannedJobs,
    shards: int,
    stack: ExitStack,
) -> Callable[[Iterator[Iterator[TableJob]], Output, Progress, StopSwitch], Tally]:
    """What runs jobs: this process, or a Ray cluster; a `UsageError` where that is not installed."""
    if command.engine == "ray":
        try:
            from .ray_run import run_on_ray
        except ImportError as error:
            raise UsageError(
                f"Ray is not installed here ({error.name} is missing)",
                hint=f"install it: {install_line('ray')}",
                code="extra_missing",
            ) from None
        return partial(run_on_ray, command, planned, stack)
    terms = Terms(
        command.timeout, command.retry_ambiguous, command.max_cost_usd, command.images_per_minute, shards
    )
    place = open_workplace(objects, client, terms, stack)
    most = 1 if command.fail_fast else command.max_failures
    rules = RunRules(command.concurrency, most, place.patience_s)

    def run_here(
        parts: Iterator[Iterator[TableJob]], output: Output, progress: Progress, stop: StopSwitch
    ) -> Tally:
        shard = ShardRun(planned, place.worker, place.gate.pacing, place.halt, rules, output, progress)
        return shard.run(parts, stop)

    return run_here


def read_shard(text: str | None) -> tuple[int, int]:
    """The part that `--shard` names, from 0, and how many there are; a `UsageError` where it names none."""
    if text is None:
        return 0, 1
    found = _SHARD.fullmatch(text)
    part, shards = (int(found.group(1)), int(found.group(2))) if found else (0, 0)
    if not 1 <= part <= shards:
        raise UsageError(
            f"--shard is {text!r}; it must be I/N, from 1/N to N/N", hint="for example --shard 3/16"
        )
    return part - 1, shards


def _check_engine(command: BatchRunCommand) -> None:
    """What other machines cannot have is refused."""
    if command.engine is None and command.address is not None:
        raise UsageError("--address is that of a Ray cluster", hint="add --engine ray")
    if command.engine and command.api_key is not None:
        raise UsageError(
            "--api-key stays on this machine",
            hint="give the workers their key by their environment or config file; nothing was sent",
        )
    if command.sandbox and command.address is not None:
        raise UsageError(
            "--sandbox runs on this machine, where other workers do not reach it",
            hint="leave --address or --sandbox out; nothing was sent",
        )


def _check_store(objects: Objects, command: BatchRunCommand, output: Output) -> None:
    if objects.is_exclusive:
        return
    if command.shard or command.steal or command.engine:
        raise UsageError(
            f"{objects.address} makes no object once, so workers cannot share it",
            hint="use s3://, gs://, az:// or file://; or run one process, without --shard and --engine",
            code="no_claims",
        )
    output.warn(f"{objects.address} makes no object once: run one process at a time there, or pay twice")


def _parts(
    table: JobTable, objects: Objects, part: int, shards: int, steals: bool
) -> Iterator[Iterator[TableJob]]:
    """This shard's jobs; then those of the others, each from its end, where its own worker comes last."""
    yield table.pending(part)
    looked_s, took_s = 0.0, 0.0
    for offset in range(1, shards if steals else 1):
        begun_s = time.monotonic()
        if begun_s - looked_s >= _REST * took_s:
            with suppress(StoreError):  # then each job is looked at by itself
                find_done(table, objects)
            looked_s, took_s = time.monotonic(), time.monotonic() - begun_s
        yield table.pending((part + offset) % shards, from_end=True)


def counts(table: JobTable, part: int | None) -> dict[str, int]:
    """How many jobs there are, in all and by how they stand."""
    states = table.count(part)
    found = {name: states.get(name, 0) for name in (DONE, FAILED, DOUBT, ACCEPTED, "submitted", INVALID)}
    found[FAILED] += states.get(PARTIAL, 0)
    beyond = {name: states[name] for name in (SAVED, ELSEWHERE) if states.get(name)}
    total = sum(states.values())
    found[NOT_STARTED] = total - sum(found.values()) - sum(beyond.values())
    return {"jobs": total, **found, **beyond}


def words_of(found: dict[str, int]) -> str:
    """The same for people."""
    more = {SAVED: "paid for and not yet in the store", ELSEWHERE: "with other workers"}
    return ", ".join(
        [in_words(found), *(f"{found[name]} {said}" for name, said in more.items() if name in found)]
    )


def _tell_ending(
    objects: Objects,
    planned: PlannedJobs,
    part: int | None,
    tally: Tally,
    progress: Progress,
    output: Output,
    stop: StopSwitch,
) -> int:
    found = counts(planned.table, part)
    words, error = words_of(found), what_remains(found, tally)
    unpriced = f" and {tally.unpriced} calls of unknown cost" if tally.unpriced else ""
    output.say(f"{words}; ${tally.spent_usd:.4f}{unpriced}; {objects.address}")
    if error is not None:
        output.complain(f"{words}; {error.hint}")
    rows = (row_of(row) for row in planned.table.rows(part))
    outcome: dict[str, object] = {
        "ok": error is None,
        "command": _COMMAND,
        **found,
        "images": tally.images,
        "cost_usd": round(tally.spent_usd, 6),
        "unpriced": tally.unpriced,
        "images_per_minute": round(progress.images_per_minute(tally), 2),
        "elapsed_s": round(progress.elapsed_s, 3),
        "out_dir": objects.address,
        "contact_sheet": None,
        "error": failure_json(error),
    }
    output.finish(outcome, rows)
    return exit_code(found, tally, stop.signum)


def row_of(row: dict[str, object]) -> dict[str, object]:
    """A row as core's command prints them."""
    if row["status"] == PARTIAL:
        row = {**row, "status": FAILED}
    return job_row(row)


def _dry_run(
    command: BatchRunCommand, objects: Objects, table: JobTable, part: int | None, output: Output
) -> int:
    found, shares = counts(table, part), table.shares(part)
    total = sum_of_shares(shares)
    seconds = estimated_s(shares, command.concurrency, command.images_per_minute)
    spent_usd = read_books(objects).taken_usd
    for line in (
        f"{words_of(found)}; {total.images:,} images to make",
        *(f"  {each.quality:<8} {each.images:>9,} images  {cost_in_words(each.cost_usd)}" for each in shares),
        f"Estimated cost: {cost_in_words(total.cost_usd)}",
        f"Estimated time: {duration(seconds)} at {command.concurrency} calls at once, in one process",
        *([f"Earlier runs at this address: ${spent_usd:.4f}"] if spent_usd else []),
        "Nothing was sent.",
    ):
        output.result(line)
    output.finish(
        {
            "ok": True,
            "command": _COMMAND,
            "dry_run": True,
            **found,
            "images": total.images,
            "cost_usd": estimate_json(total.cost_usd),
            "by_quality": list(map(share_json, shares)),
            "estimated_s": round(seconds, 1),
            "spent_usd": round(spent_usd, 6),
            "out_dir": objects.address,
            "billed": Billed.NO.value,
        }
    )
    return int(ExitCode.OK)
