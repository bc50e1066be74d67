"""The command lines of the Batch API's commands as data. Pure."""

from __future__ import annotations

from typing import Optional, Sequence, Tuple

from ..base.about import PROGRAM
from ..base.errors import UsageError
from ..base.exit_codes import EXIT_CODES
from ..base.record import Record
from ..batch.options import JobsOptions, add_jobs_flags, jobs_options
from ..commands.options import (
    Parser,
    add_field_flags,
    add_output_flags,
    add_server_flags,
    amount,
)
from .bundle import BYTES_PER_MB, MAX_LINES, MAX_MB, Limits

MIN_POLL_S = 0.05
FIRST_POLL_S, SLOWEST_POLL_S = 5.0, 60.0


class SubmitCommand(Record):
    """A `batch submit` command line, understood."""

    jobs: JobsOptions
    limits: Limits


class BatchesCommand(Record):
    """The command line of a command for batches, understood. Without `ids` it is for all that are remembered.
    `poll_s` and `timeout_s` are those of `wait`, `remote` that of `list`."""

    ids: Tuple[str, ...]
    config: Optional[str]
    base_url: Optional[str]
    api_key: Optional[str]
    poll_s: Optional[float] = None
    timeout_s: Optional[float] = None
    remote: bool = False


def submit_parser() -> Parser:
    """The parser of `batch submit`."""
    parser = Parser(
        prog=f"{PROGRAM} batch submit",
        usage=f"{PROGRAM} batch submit JOBS [options]",
        description="Hand the jobs of a file to the Batch API: half the price, results within 24 hours.",
        epilog=EXIT_CODES,
    )
    add_jobs_flags(parser)
    add = parser.add_argument_group("the batches").add_argument
    add(
        "--max-lines",
        type=int,
        default=MAX_LINES,
        metavar="N",
        help=f"jobs in a batch (default {MAX_LINES:,}, the API's limit)",
    )
    add(
        "--max-mb",
        type=amount,
        default=MAX_MB,
        metavar="N",
        help=f"megabytes in a batch (default {MAX_MB}, the API's limit)",
    )
    add(
        "--retry-ambiguous",
        action="store_true",
        help="also submit what may have been billed before: you may pay twice",
    )
    add("--no-history", action="store_true", help="leave no trace in the history once all is fetched")
    add_output_flags(add)
    add_field_flags(parser.add_argument_group("defaults for all jobs").add_argument)
    add_server_flags(parser)
    return parser


def status_parser() -> Parser:
    """The parser of `batch status`."""
    return _batches_parser("status", "Ask the server how batches are (default: all that have not ended).")


def wait_parser() -> Parser:
    """The parser of `batch wait`."""
    parser = _batches_parser("wait", "Wait until batches have ended (default: all that have not).")
    add = parser.add_argument
    add(
        "--poll",
        type=amount,
        metavar="S",
        help=f"ask every S seconds (default {FIRST_POLL_S:.0f}, growing to {SLOWEST_POLL_S:.0f})",
    )
    add("--timeout", type=amount, metavar="S", help="give up waiting after S seconds; batches run on")
    return parser


def fetch_parser() -> Parser:
    """The parser of `batch fetch`."""
    return _batches_parser("fetch", "Save the results of batches (default: all that were not fetched yet).")


def cancel_parser() -> Parser:
    """The parser of `batch cancel`."""
    return _batches_parser("cancel", "Cancel batches; what is done by then can be fetched.", ids="+")


def list_parser() -> Parser:
    """The parser of `batch list`."""
    parser = _parser("list", "[options]", "List the batches that are remembered here.")
    parser.add_argument("--remote", action="store_true", help="list those of the server instead")
    return parser


def read_submit(argv: Sequence[str]) -> SubmitCommand:
    """A `batch submit` command line as data.

    Raises:
        UsageError: unknown, missing or impossible arguments.
    """
    args = submit_parser().parse_args(list(argv))
    for name, value, most in (("--max-lines", args.max_lines, MAX_LINES), ("--max-mb", args.max_mb, MAX_MB)):
        if not 0 < value <= most:
            raise UsageError(
                f"{name} is {value}; it must be more than 0 and at most {most:,}",
                hint="the Batch API takes no larger files; leave it out for its limit",
            )
    return SubmitCommand(jobs_options(args), Limits(args.max_lines, int(args.max_mb * BYTES_PER_MB)))


def read_batches_command(parser: Parser, argv: Sequence[str]) -> BatchesCommand:
    """The command line of any other command as data.

    Raises:
        UsageError: unknown, missing or impossible arguments.
    """
    args = parser.parse_args(list(argv))
    poll_s: Optional[float] = getattr(args, "poll", None)
    if poll_s is not None and poll_s < MIN_POLL_S:
        raise UsageError(f"--poll must be at least {MIN_POLL_S}", hint="leave it out for 5 to 60 seconds")
    return BatchesCommand(
        ids=tuple(dict.fromkeys(getattr(args, "ids", ()))),
        config=args.config,
        base_url=args.base_url,
        api_key=args.api_key,
        poll_s=poll_s,
        timeout_s=getattr(args, "timeout", None),
        remote=getattr(args, "remote", False),
    )


def _batches_parser(name: str, description: str, ids: str = "*") -> Parser:
    usage = "ID... [options]" if ids == "+" else "[ID...] [options]"
    parser = _parser(name, usage, description)
    parser.add_argument("ids", nargs=ids, metavar="ID", help="a batch, as `batch list` names it")
    return parser


def _parser(name: str, usage: str, description: str) -> Parser:
    parser = Parser(
        prog=f"{PROGRAM} batch {name}",
        usage=f"{PROGRAM} batch {name} {usage}",
        description=description,
        epilog=EXIT_CODES,
    )
    add_output_flags(parser.add_argument)
    add_server_flags(parser)
    return parser


#: The parser of each command here.
BATCH_API_PARSERS = {
    "submit": submit_parser,
    "status": status_parser,
    "wait": wait_parser,
    "fetch": fetch_parser,
    "cancel": cancel_parser,
    "list": list_parser,
}
