"""Where the commands for batches begin: the server of these settings, the ledger, and the batches meant."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import Callable, List, Optional, Sequence

from ..base.errors import UsageError
from ..base.interrupt import StopSwitch
from ..base.record import Record
from ..base.redact import show
from ..settings.config import Settings, load_settings
from ..telling.output import Output
from ..wire.curl import find_curl
from .api import BatchServer, told
from .handover import find_batch
from .parsers import BatchesCommand
from .store import GIVEN_UP, UNKNOWN, Book, RememberedBatch, open_book
from .wording import stranger


class Desk(Record):
    """What every command for batches has at hand."""

    settings: Settings
    book: Book
    server: BatchServer
    output: Output
    stop: StopSwitch

    @property
    def base_url(self) -> str:
        """The base URL as batches are remembered by it."""
        return self.book.url(self.settings.base_url.value)

    def chosen(
        self, ids: Sequence[str], is_meant: Callable[[RememberedBatch], bool]
    ) -> List[RememberedBatch]:
        """The batches with these ids, known here or not; without ids all of this server that are meant.

        Raises:
            UsageError: an id belongs to another base URL.
        """
        if ids:
            return [self._by_id(one) for one in ids]
        meant = [batch for batch in self.book.batches() if is_meant(batch)]
        others = sorted({batch.base_url for batch in meant if batch.base_url != self.base_url})
        if others:
            self.output.warn(
                f"batches of other base URLs are left out (--base-url names one): {show(', '.join(others))}"
            )
        return [batch for batch in meant if batch.base_url == self.base_url]

    def refreshed(self, batch: RememberedBatch) -> RememberedBatch:
        """A batch as the server has it now; one that it may not have is looked for in its list.

        Raises:
            GptImage2Error: the server does not say.
        """
        if batch.id is None:
            found = find_batch(self.server, batch.token, batch.input_file_id)
        else:
            found = self.server.batch(batch.id)
        if found is None:
            self.output.warn(
                f"the server does not show {batch.label}: nobody knows whether it has it; "
                f"batch cancel {batch.label} gives it up"
            )
            return batch
        if not batch.number:
            return stranger(found, self.base_url)
        self.book.update(batch.number, found)
        if found.problem:
            self.output.warn(f"{found.id}: {found.problem}")
        return self.book.batch_number(batch.number)

    def _by_id(self, batch_id: str) -> RememberedBatch:
        batch = self.book.batch(batch_id)
        if batch is None:
            return unknown_here(batch_id, self.base_url)
        if batch.base_url != self.base_url:
            raise UsageError(
                f"batch {show(batch_id)} belongs to {show(batch.base_url)}, not to {show(self.base_url)}",
                hint=f"add --base-url {show(batch.base_url)}; nothing was sent",
                code="other_base_url",
            )
        return batch


def open_desk(command: BatchesCommand, output: Output, stop: StopSwitch, stack: ExitStack) -> Desk:
    """The desk for a command; it is closed with the stack.

    Raises:
        ConfigError: no curl, or the ledger cannot be used.
    """
    settings = load_settings(
        os.environ, config=command.config, base_url=command.base_url, api_key=command.api_key
    )
    for warning in settings.warnings:
        output.warn(warning)
    server = BatchServer(settings, os.environ, stop, told(output))
    find_curl()
    book = open_book(os.environ, settings.secrets)
    stack.callback(book.database.close)
    return Desk(settings, book, server, output, stop)


def is_lost(batch: RememberedBatch) -> bool:
    """Whether nobody knows that the server has a batch."""
    return batch.id is None and batch.status in (UNKNOWN, GIVEN_UP)


def unknown_here(batch_id: str, base_url: str, out_dir: Optional[str] = None) -> RememberedBatch:
    """A batch of which nothing is known but its id."""
    return RememberedBatch(
        number=0,
        id=batch_id,
        token="",
        base_url=base_url,
        created_at="",
        status=UNKNOWN,
        endpoint="",
        model="",
        input_file_id=None,
        output_file_id=None,
        error_file_id=None,
        out_dir=out_dir or "",
        total=0,
        completed=0,
        failed=0,
        high_usd=None,
        history=False,
        fetched_at=None,
    )
