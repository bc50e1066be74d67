"""The Batch API's commands below `batch`: their flags, what they work with, and how a batch is shown."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing, contextmanager
from operator import attrgetter
from typing import Callable, Dict, Generator, List, Optional, Sequence, Tuple

from ..base.errors import GptImage2Error, LedgerError, UsageError
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed
from ..base.record import Record
from ..base.redact import mask_secrets, show
from ..batch.options import JobsOptions, add_jobs_flags
from ..commands.field_flags import add_field_flags
from ..commands.options import ServerFlags, add_output_flags, add_setting_flags, amount
from ..commands.package_extras import use_sandbox
from ..commands.parser import Parser, parser_of
from ..history.dates import local_time
from ..ledger.database import LEDGER_NAME, open_database
from ..settings.base_url import OWN_SANDBOXES
from ..settings.config import Settings
from ..settings.places import state_folder
from ..telling.output import Output
from ..telling.tables import line_of
from ..wire.curl import find_curl
from .api import BatchApi, ServerBatch
from .bundle import MAX_LINES, MAX_MB
from .store import UNKNOWN, Batch, BatchStore

MIN_POLL_S = 0.05
FIRST_POLL_S, SLOWEST_POLL_S = 5.0, 60.0

#: What the ledger has for the base URL of the sandbox that `--sandbox` starts.
SANDBOX = "sandbox"
#: What `--json` shows of a batch as the server tells it.
_SHOWN = ("status", "endpoint", "model", "created_at", "total", "completed", "failed")
_ALL_OR_SOME, _SOME = "[ID...]", "ID..."
#: The commands for batches: how they name those that are meant, and what they do.
_BATCHES_COMMANDS = {
    "status": (_ALL_OR_SOME, "Ask the server how batches are (default: all that have not ended)."),
    "wait": (_ALL_OR_SOME, "Wait until batches have ended (default: all that have not)."),
    "fetch": (_ALL_OR_SOME, "Save the results of batches (default: all that were not fetched yet)."),
    "cancel": (_SOME, "Cancel batches; what is done by then can be fetched."),
    "list": ("", "List the batches that are remembered here."),
}


class BatchesArguments(ServerFlags):
    """The command line of a command for batches. Without `ids` it is for all that are remembered."""

    ids: Sequence[str] = ()
    poll: Optional[float] = None
    timeout: Optional[float] = None
    remote: bool = False


class Session(Record):
    """What a command for batches has at hand."""

    settings: Settings
    store: BatchStore
    api: BatchApi
    output: Output
    stop: StopSwitch

    @property
    def base_url(self) -> str:
        """The server's, as the ledger names it: the own sandbox, whose port changes, goes by a name."""
        url = self.settings.base_url
        return SANDBOX if url in OWN_SANDBOXES else self.store.url(url)

    def chosen(self, ids: Sequence[str], is_meant: Callable[[Batch], bool]) -> List[Batch]:
        """The batches with these ids, known here or not; without ids all of this server that are meant."""
        if ids:
            return [self._by_id(one) for one in dict.fromkeys(ids)]
        meant = [batch for batch in self.store.batches() if is_meant(batch)]
        others = sorted({batch.base_url for batch in meant if batch.base_url != self.base_url})
        if others:
            self.output.warn(f"batches elsewhere are left out, add {_flags_to(others)}")
        return [batch for batch in meant if batch.base_url == self.base_url]

    def refreshed(self, batch: Batch) -> Batch:
        """A batch as the server has it now. One that may not have been made is looked for in the server's
        list, and stays as it is where the whole list is without it."""
        if batch.server.id is None:
            found = self.api.find(batch.server.mark, batch.server.input_file_id)
        else:
            found = self.api.batch(batch.server.id)
        if found is None:
            self.output.warn(
                f"the server does not show {batch.label}: nobody knows whether it has it; "
                f"batch cancel {batch.label} gives it up"
            )
            return batch
        if batch.number and found.problem:
            self.output.warn(f"{found.id}: {found.problem}")
        return self.update(batch, found)

    def update(self, batch: Batch, found: ServerBatch) -> Batch:
        """A batch with what the server says of it, which is remembered if the batch is."""
        batch = batch.as_shown_by(found)
        if batch.number:
            self.store.update(batch)
        return batch

    def settled(self, defect: Exception, billed: Billed) -> GptImage2Error:
        """What a defect is told as where jobs may be paid for: billed at least so, whatever broke."""
        if not isinstance(defect, GptImage2Error):
            said = mask_secrets(f"internal error: {type(defect).__name__}: {defect}", self.settings.secrets)
            defect = GptImage2Error(
                said, hint="the same command goes on; what was handed over or saved stays so"
            )
        defect.billed = max(defect.billed, billed, key=attrgetter("rank"))
        return defect

    def _by_id(self, batch_id: str) -> Batch:
        batch = self.store.batch(batch_id)
        if batch is None:
            return Batch(self.base_url, ServerBatch(batch_id, UNKNOWN))
        if batch.base_url != self.base_url:
            raise UsageError(
                f"batch {show(batch_id)} belongs to {show(batch.base_url)}, not to {show(self.base_url)}",
                hint=f"add {_flags_to([batch.base_url])}; nothing was sent",
                code="other_base_url",
            )
        return batch


def _flags_to(base_urls: Sequence[str]) -> str:
    """The flags that lead to servers, in words."""
    return " or ".join("--sandbox" if url == SANDBOX else f"--base-url {show(url)}" for url in base_urls)


@contextmanager
def open_session(settings: Settings, output: Output, stop: StopSwitch) -> Generator[Session, None, None]:
    """What a command has at hand; raises where the ledger cannot be used, without which nothing is
    fetched."""
    find_curl()
    path = state_folder(os.environ) / LEDGER_NAME
    try:
        database = open_database(path)
    except LedgerError as error:
        raise LedgerError(
            f"{error.message}; batches cannot be remembered without it",
            hint=f"mend or move {path}, or name another place with XDG_STATE_HOME; nothing was sent",
            code=error.code,
        ) from None
    with closing(database):
        store = BatchStore(database, settings.secrets)
        yield Session(settings, store, BatchApi(settings, os.environ, output, stop), output, stop)


@contextmanager
def batches_session(
    name: str, rest: Sequence[str], output: Output, stop: StopSwitch
) -> Generator[Tuple[Session, BatchesArguments], None, None]:
    arguments = batches_parser(name).parse_args(list(rest), BatchesArguments())
    if arguments.poll is not None and arguments.poll < MIN_POLL_S:
        raise UsageError(f"--poll must be at least {MIN_POLL_S}", hint="leave it out for 5 to 60 seconds")
    with ExitStack() as stack:
        if arguments.sandbox:
            use_sandbox(arguments, stack, keeps=True)
        settings = arguments.settings()
        for warning in settings.warnings:
            output.warn(warning)
        yield stack.enter_context(open_session(settings, output, stop)), arguments


def batch_json(batch: Batch) -> Dict[str, object]:
    server = batch.server
    return {
        "id": server.id,
        "name": batch.label,
        "base_url": batch.base_url,
        **{name: getattr(server, name) for name in _SHOWN},
        "high_usd": None if batch.high_usd is None else round(batch.high_usd, 6),
        "out_dir": batch.out_dir or None,
        "fetched_at": batch.fetched_at,
    }


def batch_in_words(batch: Batch, before: str = "") -> str:
    server = batch.server
    state = show(server.status + (", fetched" if batch.fetched_at else ""))
    counts = f"{server.completed}/{server.failed}/{server.total}"
    out_dir = show(batch.out_dir, limit=None) or "-"
    return line_of([before + show(batch.label), state, counts, local_time(server.created_at), out_dir])


class SubmitCommand(JobsOptions):
    """A `batch submit` command line."""

    is_sent_here = False
    max_lines: int
    max_mb: float


def read_submit(argv: Sequence[str]) -> SubmitCommand:
    args = submit_parser().parse_args(list(argv), SubmitCommand())
    for name, value, most in (("--max-lines", args.max_lines, MAX_LINES), ("--max-mb", args.max_mb, MAX_MB)):
        if not 0 < value <= most:
            raise UsageError(
                f"{name} is {value}; it must be more than 0 and at most {most:,}",
                hint="the Batch API takes no larger files; leave it out for its limit",
            )
    return args


def submit_parser() -> Parser:
    description = "Hand the jobs of a file to the Batch API: half the price, results within 24 hours."
    parser = parser_of("batch submit", description, "JOBS [options]")
    add_jobs_flags(parser)
    add = parser.add_argument_group("the batches").add_argument
    for flag, kind, most, what in (
        ("--max-lines", int, MAX_LINES, "jobs"),
        ("--max-mb", amount, MAX_MB, "megabytes"),
    ):
        words = f"{what} in a batch (default {most:,}, the API's limit)"
        add(flag, type=kind, default=most, metavar="N", help=words)
    add(
        "--retry-ambiguous",
        action="store_true",
        help="also submit what may have been billed before: you may pay twice",
    )
    add("--no-history", action="store_true", help="leave no trace in the history once all is fetched")
    add_output_flags(add)
    add_field_flags(parser.add_argument_group("defaults for all jobs").add_argument)
    add_setting_flags(parser)
    return parser


def batches_parser(name: str) -> Parser:
    ids, description = _BATCHES_COMMANDS[name]
    parser = parser_of(f"batch {name}", description, f"{ids} [options]".strip())
    add_output_flags(parser.add_argument)
    add_setting_flags(parser)
    add = parser.add_argument
    if ids:
        add("ids", nargs="+" if ids == _SOME else "*", metavar="ID", help="a batch, as `batch list` names it")
    if name == "wait":
        add(
            "--poll",
            type=amount,
            metavar="S",
            help=f"ask every S seconds (default {FIRST_POLL_S:.0f}, growing to {SLOWEST_POLL_S:.0f})",
        )
        add("--timeout", type=amount, metavar="S", help="give up waiting after S seconds; batches run on")
    if name == "list":
        add("--remote", action="store_true", help="list those of the server instead")
    return parser
