"""The jobs file: its lines as a stream, and single ones again by their place. Holds one line at a time.

A line is a JSON object with the API's own fields and `image` or `images`, `mask`, `output` and `id`; or it is
a bare prompt. What a line leaves out comes from the defaults of the command line. A line that begins with `#`
or `//` is a comment. A file that is one JSON array holds a job in each of its elements; it is read whole.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import BinaryIO, Iterator, Optional

from ..base.errors import UsageError
from ..base.record import Record
from ..base.untrusted import UTF16_MARKS
from ..calls.inputs import open_stdin
from .job import ARRAY_START, is_header

_MAX_JOB_BYTES = 1 << 20
_MAX_ARRAY_BYTES = 32 << 20
_ARRAY_HEAD_BYTES = 4096
_UTF8_MARK = b"\xef\xbb\xbf"
_COMMENTS = (b"#", b"//")


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
        planned, whatever happens to the file meanwhile."""
        import shutil

        self._scratch = scratch
        self._file: BinaryIO = open(str(scratch / "jobs"), "x+b")  # noqa: SIM115
        try:
            if path == "-":
                shutil.copyfileobj(open_stdin("jobs"), self._file)
            else:
                with open(os.path.expanduser(path), "rb") as file:
                    shutil.copyfileobj(file, self._file)
        except OSError as error:
            self._file.close()
            raise UsageError(
                f"cannot read the jobs file {path}: {error.strerror or error}",
                hint="name a file with a job a line, or - for standard input",
            ) from None
        try:
            self._make_lines()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        self._file.close()

    def lines(self) -> Iterator[Line]:
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
            elif _content(data, start) and not _content(data, start).startswith(_COMMENTS):
                yield _decoded(data, number, start)

    def text_at(self, offset: int) -> str:
        self._file.seek(offset)
        return _decoded(self._file.readline(_MAX_JOB_BYTES), 0, offset).text or ""

    def _make_lines(self) -> None:
        """Makes lines of UTF-8 of what is written otherwise.

        Raises:
            UsageError: it cannot be read, or is a table: its rows would pass for prompts.
        """
        self._file.seek(0)
        if self._file.read(2) in UTF16_MARKS:
            self._take(_from_utf16(self._file))
        first = next(self.lines(), None)
        if first is None:
            return
        if first.text is not None and is_header(first.text):
            raise UsageError(
                f"line {first.number} is the header of a table (CSV), and no job",
                hint='write each row as a JSON object such as {"prompt": "a cat", "size": "1024x1024"}',
                code="invalid_jobs",
            )
        self._file.seek(first.offset)
        data = _content(self._file.read(_ARRAY_HEAD_BYTES), first.offset)
        if not ARRAY_START.match(data.decode("utf-8", "replace")):
            return
        self._file.seek(first.offset)
        data = _content(self._file.read(_MAX_ARRAY_BYTES + 1), first.offset)
        # An array on a line of its own among others is one bad line, which is told with all others.
        if first.text is None or not first.text.endswith("]") or len(data) == len(first.text.encode("utf-8")):
            self._take(_array_lines(data, first.number))

    def _take(self, pieces: Iterator[bytes]) -> None:
        """Reads from now on what is written anew."""
        file = open(str(self._scratch / f"{Path(self._file.name).name}-lines"), "x+b")  # noqa: SIM115
        try:
            for piece in pieces:
                file.write(piece)
        except BaseException:
            file.close()
            raise
        self._file.close()
        self._file = file

    def _skip_line(self) -> int:
        skipped = 0
        while True:
            data = self._file.readline(_MAX_JOB_BYTES)
            skipped += len(data)
            if not data or data.endswith(b"\n"):
                return skipped


def _content(data: bytes, offset: int) -> bytes:
    """A line without the mark of its encoding and the blanks around it."""
    if offset == 0 and data.startswith(_UTF8_MARK):
        data = data[len(_UTF8_MARK) :]
    return data.strip()


def _from_utf16(file: BinaryIO) -> Iterator[bytes]:
    import codecs

    decoder = codecs.getincrementaldecoder("utf-16")()
    file.seek(0)
    try:
        while True:
            data = file.read(_MAX_JOB_BYTES)
            yield decoder.decode(data, not data).encode("utf-8")
            if not data:
                return
    except UnicodeError:
        raise UsageError(
            "the jobs file begins as UTF-16 and is not valid UTF-16", hint="save it as UTF-8"
        ) from None


def _array_lines(data: bytes, number: int) -> Iterator[bytes]:
    """The elements of a JSON array that begins on line `number`, one a line: each on its own line of the file
    where it has one, so that a refusal names that."""
    hint = "mend the array, or write one JSON object a line; write a prompt that begins so as a JSON string"
    if len(data) > _MAX_ARRAY_BYTES:
        raise UsageError(
            f"the jobs file is a JSON array of more than {_MAX_ARRAY_BYTES:,} bytes",
            hint="write one JSON object a line; such a file may have any length",
            code="invalid_jobs",
        )
    decoder, place = json.JSONDecoder(), 1
    written, line, counted, is_open = 1, number, 0, False
    try:
        text = data.decode("utf-8").strip()
        while True:
            place = _after_blanks(text, place)
            if text[place : place + 1] == "]" and not is_open:
                break
            _, end = decoder.raw_decode(text, place)
            line += text.count("\n", counted, place)
            element = text[place:end].replace("\r", " ").replace("\n", " ").encode("utf-8")
            if len(element) >= _MAX_JOB_BYTES:
                raise json.JSONDecodeError("a job that is too long", text, place)
            yield b"\n" * max(0, line - written) + element + b"\n"
            written = max(line, written) + 1
            counted = place
            place = _after_blanks(text, end)
            is_open = text[place : place + 1] == ","
            if is_open:
                place += 1
            elif text[place : place + 1] != "]":
                raise json.JSONDecodeError("Expecting ',' or ']'", text, place)
        place = _after_blanks(text, place + 1)
        if place < len(text):
            raise json.JSONDecodeError("Extra data", text, place)
    except (ValueError, RecursionError) as error:
        at = number + (error.lineno - 1 if isinstance(error, json.JSONDecodeError) else 0)
        reason = getattr(error, "msg", "") or "not UTF-8 text, or nested too deeply"
        raise UsageError(
            f"the jobs file is no valid JSON array: line {at}: {reason}", hint=hint, code="invalid_jobs"
        ) from None


def _after_blanks(text: str, place: int) -> int:
    while text[place : place + 1] in (" ", "\t", "\r", "\n"):
        place += 1
    return place


def _decoded(data: bytes, number: int, offset: int) -> Line:
    try:
        return Line(number, offset, _content(data, offset).decode("utf-8").strip())
    except UnicodeDecodeError:
        return Line(number, offset, None, "it is not UTF-8 text")
