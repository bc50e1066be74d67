"""`gpt-image2 batch plan JOBS`: what the jobs cost and take now, what they cost by the Batch API, and how to
divide them between the two. Sends nothing."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from contextlib import ExitStack, closing, suppress
from itertools import islice
from pathlib import Path
from statistics import median
from typing import cast
from urllib.parse import urlsplit

from gpt_image2.core.base.about import PROGRAM
from gpt_image2.core.base.errors import LedgerError, UsageError
from gpt_image2.core.base.outcome import ExitCode
from gpt_image2.core.batch.options import DEFAULT_CONCURRENCY, MAX_CONCURRENCY, BatchRunCommand
from gpt_image2.core.batch.summary import duration
from gpt_image2.core.calls.client import Client
from gpt_image2.core.commands.field_flags import add_field_flags
from gpt_image2.core.commands.options import add_config_flags, add_output_flags, amount
from gpt_image2.core.commands.parser import Parser, parser_of
from gpt_image2.core.history.search import find_requests
from gpt_image2.core.ledger.database import LEDGER_NAME, read_database
from gpt_image2.core.outputs.files import prepare_folder, write_whole
from gpt_image2.core.settings.places import state_folder
from gpt_image2.core.telling.amounts import cost_in_words, estimate_json
from gpt_image2.core.telling.in_words import saved_line
from gpt_image2.core.telling.output import Output, output_for

from ..jobs.division import Division, Jobs, Pace, divide, sum_of
from ..jobs.planning import PlannedJobs, plan_jobs

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SEEN_CALLS = 200
_LEAST_SEEN = 3


class _Flags(BatchRunCommand):
    deadline: float | None
    split: str | None


def main(argv: Sequence[str]) -> int:
    """Runs the command; its exit code."""
    output = output_for(list(argv))
    flags = _parser().parse_args(list(argv), _Flags())
    if not 1 <= flags.concurrency <= MAX_CONCURRENCY:
        raise UsageError(f"--concurrency must be from 1 to {MAX_CONCURRENCY}")
    max_cost_usd, flags.max_cost_usd = flags.max_cost_usd, None
    with ExitStack() as stack:
        client = Client(config=flags.config, profile=flags.profile, history=False)
        planned = plan_jobs(flags, client, 1, output, stack)
        seen = seconds_seen(client)
        pace = Pace(flags.concurrency, flags.images_per_minute, seen)
        every = sum_of(planned.table.all_pending(), pace)
        division = divide(planned.table.all_pending(), every, pace, flags.deadline, max_cost_usd)
        files = _split(planned, division, flags.split, flags.jobs) if flags.split else []
    is_divided = flags.deadline is not None or max_cost_usd is not None
    _say(output, flags, pace, every, division if is_divided else None, bool(seen))
    _say_files(output, flags, files)
    output.result("Nothing was sent.")
    output.finish(
        {
            "ok": True,
            "command": "batch plan",
            "jobs": every.jobs,
            "images": every.images,
            "run": _json(every, pace),
            "submit": {"cost_usd": estimate_json(every.submitted_usd)},
            "divided": {
                "run": {"jobs": division.run.jobs, **_json(division.run, pace)},
                "submit": {
                    "jobs": division.submit.jobs,
                    "cost_usd": estimate_json(division.submit.submitted_usd),
                },
            },
            "seconds_seen": seen,
            "files": [path for path, _, _ in files],
        }
    )
    return int(ExitCode.OK)


def _json(jobs: Jobs, pace: Pace) -> dict[str, object]:
    return {"cost_usd": estimate_json(jobs.cost_usd), "estimated_s": round(pace.seconds_of(jobs), 1)}


def _say(
    output: Output, flags: _Flags, pace: Pace, every: Jobs, division: Division | None, has_seen: bool
) -> None:
    """Both ways in words, and how the jobs are divided between them, where they are."""
    by = "as seen here of late" if has_seen else "as is usual"
    limit = f", {flags.images_per_minute:g} images a minute" if flags.images_per_minute else ""
    output.result(f"{every.jobs:,} jobs, {every.images:,} images")
    output.result(
        f"  batch run     {cost_in_words(every.cost_usd)}, in about {duration(pace.seconds_of(every))} "
        f"({flags.concurrency} calls at once{limit}; calls take {by})"
    )
    output.result(f"  batch submit  {cost_in_words(every.submitted_usd)}, within 24 hours")
    if division is not None:
        run, submit = division.run, division.submit
        output.result(
            f"Divided: {run.jobs:,} now ({cost_in_words(run.cost_usd)}, about "
            f"{duration(pace.seconds_of(run))}), {submit.jobs:,} by the Batch API "
            f"({cost_in_words(submit.submitted_usd)})"
        )


def _say_files(output: Output, flags: _Flags, files: list[tuple[str, int, str]]) -> None:
    """The files, and the commands for them."""
    own = {"split", "deadline", "max_cost_usd", "concurrency", "images_per_minute", "jobs", "json", "quiet"}
    names = cast("dict[str, object]", vars(flags))
    given = {name for name in names if getattr(flags, name) != _parser().get_default(name)} - own
    more = "  # with the same flags for all jobs" if given else ""
    pace = f" --concurrency {flags.concurrency}" if flags.concurrency != DEFAULT_CONCURRENCY else ""
    pace += f" --images-per-minute {flags.images_per_minute:g}" if flags.images_per_minute else ""
    for path, size_bytes, command in files:
        output.result(saved_line(path, size_bytes))
        flags_of = pace if command == "run" else ""
        output.result(f"  {PROGRAM} batch {command} {shlex.quote(path)}{flags_of}{more}")


def seconds_seen(client: Client) -> dict[str, float]:
    """How long calls to this server took of late by the ledger, in the median, by quality; only of qualities
    that were seen often enough."""
    host = urlsplit(client.settings.base_url).netloc
    took: dict[str, list[float]] = {}
    with suppress(LedgerError), closing(read_database(state_folder(os.environ) / LEDGER_NAME)) as database:
        for past in find_requests(database, None, None, _SEEN_CALLS):
            if past.status == "saved" and past.elapsed_s and urlsplit(past.base_url).netloc == host:
                took.setdefault(str(past.fields.get("quality", "auto")), []).append(past.elapsed_s)
    return {name: round(median(each), 1) for name, each in sorted(took.items()) if len(each) >= _LEAST_SEEN}


def _split(
    planned: PlannedJobs, division: Division, folder: str, jobs_file: str
) -> list[tuple[str, int, str]]:
    """Writes the two files; the path, the size and the command of each that has jobs."""
    source = os.path.expanduser(jobs_file)
    place = Path(folder).expanduser().absolute()
    prepare_folder(place, hint="choose another folder for --split")
    paths = {command: place / f"{command}.jsonl" for command in ("run", "submit")}
    for path in paths.values():
        if os.path.exists(source) and path.exists() and path.samefile(source):
            raise UsageError(f"{path} is the jobs file itself", hint="choose another folder for --split")
    files: list[tuple[str, int, str]] = []
    jobs = planned.table.all_pending()
    for command, part in (("run", division.run), ("submit", division.submit)):
        path = paths[command]
        if not part.jobs:
            path.unlink(missing_ok=True)  # an earlier plan's, whose jobs are in the other file now
            continue
        texts = (planned.jobs_file.text_at(job.offset) + "\n" for job in islice(jobs, part.jobs))
        write_whole(path, texts)
        files.append((str(path), path.stat().st_size, command))
    return files


def time_in_s(text: str) -> float:
    """A time such as `90m` or `6h` in seconds."""
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([smhd])", text)
    if found is None:
        raise UsageError(f"--deadline is {text!r}; it must be a time such as 90m, 6h or 2d")
    return float(found.group(1)) * _UNITS[found.group(2)]


def _parser() -> Parser:
    parser = parser_of(
        "batch plan",
        "Tell what jobs cost and take by batch run and by batch submit, and divide them between the two.",
        "JOBS [options]",
    )
    parser.add_argument("jobs", metavar="JOBS", help="a file with a job a line (JSON, or a prompt), or -")
    add = parser.add_argument
    add(
        "--deadline",
        type=time_in_s,
        metavar="TIME",
        help="run now what can be there by then (90m, 6h), submit the rest",
    )
    add(
        "--max-cost",
        dest="max_cost_usd",
        type=amount,
        metavar="USD",
        help="run now what this sum allows, submit the rest at half the price",
    )
    add("--split", metavar="DIR", help="write run.jsonl and submit.jsonl there")
    add(
        "--concurrency",
        type=int,
        default=DEFAULT_CONCURRENCY,
        metavar="N",
        help=f"calls at once (default {DEFAULT_CONCURRENCY})",
    )
    add("--images-per-minute", type=amount, metavar="N", help="the pace of all calls together")
    add("--image", action="append", metavar="IMAGE", help="input image for jobs without one; repeatable")
    add("--mask", metavar="PNG", help="mask for jobs without one")
    add("--markup", metavar="PNG", help="markup for jobs without one")
    add("--skip-invalid", action="store_true", help="go on without the lines that are no jobs")
    add_output_flags(add)
    add_field_flags(parser.add_argument_group("defaults for all jobs").add_argument)
    add_config_flags(parser.add_argument_group("settings (see: config --show)").add_argument)
    return parser
