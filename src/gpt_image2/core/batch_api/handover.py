"""Hands one input file over: upload, ledger, journal, and only then the request that makes a batch of it.

After a crash at any point, or an answer that nobody understands, its jobs count as with the Batch API, or
were never offered to it: none is sent twice by itself.
"""

from __future__ import annotations

import json
from typing import Iterator, Optional

from ..base.errors import ApiError, GptImage2Error, LedgerError, OutputError
from ..base.outcome import Billed
from ..base.record import Record, replace
from ..batch.journal import FAILED, SUBMITTED, Entry, Journal
from .api import BatchServer
from .bundle import Bundle
from .remote import COMPLETION_WINDOW, MARK_FIELD, RemoteBatch
from .store import Book, RememberedBatch, RememberedJob

_JSONL = "application/jsonl"
OUTCOME_UNKNOWN = "batch_outcome_unknown"


class Handed(Record):
    """How a hand-over ended. `batch` is None where the server clearly has none of it; with an error and a
    batch, nobody knows."""

    batch: Optional[RememberedBatch]
    error: Optional[GptImage2Error] = None


class Handover:
    """Hands bundles over, for one folder's journal."""

    def __init__(self, book: Book, journal: Journal, server: BatchServer) -> None:
        self._book = book
        self._journal = journal
        self._server = server

    def hand_over(self, bundle: Bundle, token: str, endpoint: str) -> Handed:
        """Makes a batch of a bundle.

        Raises:
            GptImage2Error: it was not offered to the server: it could not be uploaded, or not noted.
        """
        bundle.close()
        file_id = self._server.upload(bundle.path, f"gpt-image2-{token}.jsonl", "batch", _JSONL)
        self._book.hand_over(bundle.number, file_id, bundle.lines, bundle.high_usd)
        known = self._book.batch_number(bundle.number)
        self._journal.extend(self._entries(bundle.number, known.label))
        body = {
            "input_file_id": file_id,
            "endpoint": endpoint,
            "completion_window": COMPLETION_WINDOW,
            "metadata": {MARK_FIELD: token},
        }
        remote, error = self._server.create(json.dumps(body).encode("ascii"))
        if remote is None and error is not None and error.billed is Billed.MAYBE:
            remote = find_batch(self._server, token, file_id)
        if remote is not None:
            return self._made(known, remote)
        assert error is not None
        if error.billed is Billed.MAYBE:
            return Handed(known, _nobody_knows(error, known.label))
        self._journal.extend(failed_entries(self._book, bundle.number, error))
        return Handed(None, error)

    def _made(self, known: RememberedBatch, remote: RemoteBatch) -> Handed:
        """Notes a batch that the server has, whatever becomes of the notes."""
        try:
            self._book.update(known.number, remote)
            self._journal.extend(self._entries(known.number, remote.id))
            return Handed(self._book.batch_number(known.number))
        except (LedgerError, OutputError) as error:
            return Handed(replace(known, id=remote.id, status=remote.status), error)

    def _entries(self, number: int, label: str) -> Iterator[Entry]:
        for job in self._book.jobs(number):
            high_usd = job.high_usd or 0.0
            yield replace(entry_of(job), billed=Billed.MAYBE, high_usd=high_usd, batch_id=label)


def entry_of(job: RememberedJob) -> Entry:
    """What every line of the journal says of a job that went to the Batch API."""
    return Entry(event=SUBMITTED, key=job.key, copy=job.copy, name=job.name, images=job.there)


def failed_entries(book: Book, number: int, error: GptImage2Error) -> Iterator[Entry]:
    """The lines of the journal for a batch of which the server did none."""
    for job in book.jobs(number):
        yield replace(
            entry_of(job), event=FAILED, billed=error.billed, code=error.code, message=error.message
        )


def find_batch(server: BatchServer, token: str, input_file_id: Optional[str]) -> Optional[RemoteBatch]:
    """The batch that was made of an input file, by the server's list; None where that does not show it."""
    try:
        for remote in server.batches():
            if remote.token == token or (input_file_id and remote.input_file_id == input_file_id):
                return remote
    except GptImage2Error:
        return None
    return None


def _nobody_knows(error: GptImage2Error, label: str) -> GptImage2Error:
    return ApiError(
        f"nobody knows whether the server has taken a batch: {error.message}",
        hint=f"its jobs are not sent again; ask later with batch status {label}, or give it up with "
        f"batch cancel {label}",
        code=OUTCOME_UNKNOWN,
        billed=Billed.MAYBE,
        http_status=error.http_status,
        request_id=error.request_id,
    )
