"""Reads a jobs file as a stream, and single lines of it again by their place. Holds one line at a time."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO, Iterator, Optional

from ..base.errors import UsageError
from ..base.record import Record

_MAX_JOB_BYTES = 1 << 20
_UTF8_MARK = b"\xef\xbb\xbf"


class Line(Record):
    """A line that is not blank: its number in the file from 1, its offset in bytes, and its text; None where
    it is no text or longer than any job can be, and `problem` says which."""

    number: int
    offset: int
    text: Optional[str]
    problem: str = ""


class JobsFile:
    """An open jobs file, whose lines can be read again until `close`."""

    def __init__(self, path: str, scratch: Path) -> None:
        """Copies a file, or standard input for `-`, into the scratch folder: what is sent is what was
        planned, whatever happens to the file meanwhile.

        Raises:
            UsageError: it cannot be read.
        """
        try:
            self._file = _copied(path, scratch)
        except OSError as error:
            raise UsageError(
                f"cannot read the jobs file {path}: {error.strerror or error}",
                hint="name a file with a job a line, or - for standard input",
            ) from None

    def close(self) -> None:
        self._file.close()

    def lines(self) -> Iterator[Line]:
        """Every line that is not blank, in order."""
        self._file.seek(0)
        offset = number = 0
        while True:
            data = self._file.readline(_MAX_JOB_BYTES)
            if not data:
                return
            number += 1
            start, offset = offset, offset + len(data)
            if len(data) == _MAX_JOB_BYTES and not data.endswith(b"\n"):
                offset += self._skip_line()
                yield Line(number, start, None, f"it is longer than {_MAX_JOB_BYTES:,} bytes")
            elif data.strip():
                yield _decoded(data, number, start)

    def text_at(self, offset: int) -> str:
        """The text of the line that begins at an offset."""
        self._file.seek(offset)
        return _decoded(self._file.readline(_MAX_JOB_BYTES), 0, offset).text or ""

    def _skip_line(self) -> int:
        skipped = 0
        while True:
            data = self._file.readline(_MAX_JOB_BYTES)
            skipped += len(data)
            if not data or data.endswith(b"\n"):
                return skipped


def _copied(path: str, scratch: Path) -> IO[bytes]:
    import shutil

    copy = open(str(scratch / "jobs"), "x+b")  # noqa: SIM115
    if path == "-":
        shutil.copyfileobj(sys.stdin.buffer, copy)
    else:
        with open(os.path.expanduser(path), "rb") as file:
            shutil.copyfileobj(file, copy)
    return copy


def _decoded(data: bytes, number: int, offset: int) -> Line:
    if offset == 0 and data.startswith(_UTF8_MARK):
        data = data[len(_UTF8_MARK) :]
    try:
        return Line(number, offset, data.decode("utf-8").strip())
    except UnicodeDecodeError:
        return Line(number, offset, None, "it is not UTF-8 text")
