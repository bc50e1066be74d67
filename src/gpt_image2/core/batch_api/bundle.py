"""The input files of batches on their way to disk: lines of one model and one endpoint, up to the limits."""

from __future__ import annotations

from pathlib import Path
from typing import IO, List

from ..base.errors import OutputError
from ..base.record import Record
from ..base.redact import show
from .lines import BatchLine
from .store import Book, RememberedJob

MAX_LINES = 50_000
MAX_MB = 200
BYTES_PER_MB = 1_000_000
_JOBS_AT_ONCE = 200


class Limits(Record):
    """What one input file may hold."""

    lines: int = MAX_LINES
    size_bytes: int = MAX_MB * BYTES_PER_MB


class Bundle:
    """An input file that is being written, and the jobs of its lines in the ledger, as batch `number`."""

    def __init__(self, path: Path, book: Book, number: int, limits: Limits) -> None:
        self.path = path
        self.number = number
        self.lines = 0
        self.high_usd = 0.0
        self._book = book
        self._limits = limits
        self._size_bytes = 0
        self._jobs: List[RememberedJob] = []
        self._file: IO[bytes] = open(str(path), "xb")  # noqa: SIM115 - open until it is handed over

    def takes(self, line: BatchLine) -> bool:
        """Whether a line still fits."""
        is_within = self._size_bytes + line.size_bytes <= self._limits.size_bytes
        return self.lines == 0 or (self.lines < self._limits.lines and is_within)

    def add(self, line: BatchLine, job: RememberedJob) -> None:
        """Writes a line and remembers its job.

        Raises:
            OutputError: the disk does not take it, or an image of it cannot be read.
            LedgerError: the ledger does not take the job.
        """
        try:
            for piece in line.pieces():
                self._file.write(piece)
                self._size_bytes += len(piece)
        except OSError as error:
            raise OutputError(
                f"cannot write line {show(job.custom_id)} of a batch: {error.strerror or error}",
                hint="see to it that its images can be read and that there is space in the temp folder",
            ) from None
        self.lines += 1
        self.high_usd += job.high_usd or 0.0
        self._jobs.append(job)
        if len(self._jobs) >= _JOBS_AT_ONCE:
            self._flush()

    def close(self) -> None:
        """Everything is on disk and in the ledger.

        Raises:
            OutputError, LedgerError: as `add`.
        """
        self._flush()
        try:
            self._file.close()
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from None

    def discard(self) -> None:
        """Deletes the file."""
        self._file.close()
        self.path.unlink()

    def _flush(self) -> None:
        jobs, self._jobs = self._jobs, []
        if jobs:
            self._book.add_jobs(self.number, jobs)
