"""The command line of `batch run`, as a typed namespace. Pure."""

from __future__ import annotations

import argparse
import re
from typing import Callable, List, Optional, Sequence, Tuple

from ..base.about import called
from ..base.errors import UsageError
from ..commands.field_flags import add_field_flags
from ..commands.options import (
    CallFlags,
    ServerFlags,
    add_output_flags,
    add_sending_flags,
    add_setting_flags,
    amount,
    request_of,
)
from ..commands.parser import Parser, parser_of
from ..commands.picture_flags import PictureWishes, add_picture_flags
from .job import Job

DEFAULT_CONCURRENCY = 4
MAX_CONCURRENCY = 256
DEFAULT_OUT_DIR = "gpt-image2-batch"

#: The commands below `batch`, with what each does in a line.
BATCH_COMMANDS: Tuple[Tuple[str, str], ...] = (
    ("run", "run every job of a file; again for what is missing"),
    ("plan", "tell what run and submit would cost and take, and divide the jobs"),
    ("report", "read back what is at an address: a manifest, sums, pages of images"),
    ("submit", "hand the jobs of a file to the Batch API, at half the price"),
    ("status", "ask the server how batches are"),
    ("wait", "wait until batches have ended"),
    ("fetch", "save the results of batches"),
    ("cancel", "cancel batches"),
    ("list", "list batches"),
)


class JobsOptions(ServerFlags):
    """What a command line says of its jobs, however they are run: its flags, and what follows from them."""

    jobs: str  # the file
    out_dir: str
    image: Optional[List[str]]
    mask: Optional[str]
    markup: Optional[str]
    dry_run: bool
    skip_invalid: bool
    max_cost_usd: Optional[float]
    retry_ambiguous: bool
    #: Reads the flags for pictures; there only where the parser knows them.
    read_wishes: Callable[[argparse.Namespace], Optional[PictureWishes]]
    is_sent_here = True  # else by the Batch API, whose images come later, and which takes no markup

    @property
    def defaults(self) -> Job:
        """What a line leaves out."""
        wishes = self.read_wishes(self) if self.is_sent_here and hasattr(self, "read_wishes") else None
        return Job(request_of(self, ""), tuple(self.image or ()), self.mask, self.markup, wishes=wishes)


class BatchRunCommand(JobsOptions, CallFlags):
    """A `batch run` command line."""

    concurrency: int
    images_per_minute: Optional[float]
    fail_fast: bool
    max_failures: Optional[int]
    shard: Optional[str]
    steal: bool
    engine: Optional[str]
    address: Optional[str]

    @property
    def is_beyond(self) -> bool:
        """Whether it goes to object storage, or to many machines."""
        return is_address_of_store(self.out_dir)


def is_address_of_store(place: str) -> bool:
    """Whether a place is an address such as `s3://bucket/run`, and no folder."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", place) is not None


def batch_parser() -> Parser:
    commands = "\n".join(f"  {name:<6}  {summary}" for name, summary in BATCH_COMMANDS)
    description = "Run many jobs from a file: now, or by the Batch API at half the price."
    epilog = f"commands:\n{commands}\n\nHelp for one: {called()} batch COMMAND --help"
    return parser_of("batch", description, "COMMAND [options]", epilog)


def batch_run_parser() -> Parser:
    description = "Run every job of a file; run it again to do only what is missing."
    parser = parser_of("batch run", description, "JOBS [options]")
    add_jobs_flags(parser)
    group = parser.add_argument_group("the run")
    add = group.add_argument
    add(
        "--concurrency",
        type=int,
        default=DEFAULT_CONCURRENCY,
        metavar="N",
        help=f"calls at once, up to {MAX_CONCURRENCY} (default {DEFAULT_CONCURRENCY})",
    )
    add(
        "--images-per-minute",
        type=amount,
        metavar="N",
        help="the pace of all calls together (default: learnt from the server)",
    )
    add("--fail-fast", action="store_true", help="start nothing more after the first failure")
    add("--max-failures", type=int, metavar="N", help="start nothing more after N failures")
    add_sending_flags(add)
    add_output_flags(add)
    add_beyond_flags(parser)
    add_field_flags(parser.add_argument_group("defaults for all jobs").add_argument)
    add_picture_flags(parser, is_edit=True, shows=False)
    add_setting_flags(parser)
    return parser


def add_beyond_flags(parser: Parser) -> None:
    group = "many machines, with --out-dir an address such as s3://bucket/run (the package with [cluster])"
    add = parser.add_argument_group(group).add_argument
    add("--shard", metavar="I/N", help="only the jobs of this part of N, from 1: one process a part")
    add("--steal", action="store_true", help="then take over what other parts have left")
    add("--engine", choices=["ray"], help="spread the jobs over a Ray cluster")
    add("--address", metavar="ADDRESS", help="of the Ray cluster (default: one of this machine)")


def add_jobs_flags(parser: Parser) -> None:
    parser.add_argument("jobs", metavar="JOBS", help="a file with a job a line (JSON, or a prompt), or -")
    group = parser.add_argument_group("the jobs")
    add = group.add_argument
    add(
        "--out-dir",
        default=DEFAULT_OUT_DIR,
        metavar="DIR",
        help=f"where images, journal and contact sheet go (default {DEFAULT_OUT_DIR})",
    )
    add("--image", action="append", metavar="IMAGE", help="input image for jobs without one; repeatable")
    add("--mask", metavar="PNG", help="mask for jobs without one")
    add("--markup", metavar="PNG", help="markup for jobs without one")
    add("--dry-run", action="store_true", help="show jobs, cost and time; send nothing")
    add("--skip-invalid", action="store_true", help="go on without the lines that are no jobs")
    add(
        "--max-cost",
        dest="max_cost_usd",
        type=amount,
        metavar="USD",
        help="start nothing that might pass this sum, earlier runs included (input images by an estimate)",
    )


def read_batch_run(argv: Sequence[str]) -> BatchRunCommand:
    args = batch_run_parser().parse_args(list(argv), BatchRunCommand())
    if not 1 <= args.concurrency <= MAX_CONCURRENCY:
        raise UsageError(
            f"--concurrency is {args.concurrency}; it must be from 1 to {MAX_CONCURRENCY}",
            hint=f"the default is {DEFAULT_CONCURRENCY}",
        )
    if args.images_per_minute == 0:
        raise UsageError("--images-per-minute must be more than 0", hint="leave it out to learn it")
    if args.max_failures is not None and args.max_failures < 1:
        raise UsageError("--max-failures must be 1 or more", hint="--fail-fast stops at the first")
    if (args.shard or args.steal or args.engine) and not args.is_beyond:
        raise UsageError(
            "--shard, --steal and --engine need a place that all can reach",
            hint="give --out-dir an address such as s3://bucket/run; nothing was sent",
        )
    return args
