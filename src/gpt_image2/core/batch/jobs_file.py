"""The jobs file: its lines as a stream, and single ones again by their place; what job a line holds, and what
makes two jobs the same. Holds one line at a time.

A line is a JSON object with the API's own fields and `image` or `images`, `mask`, `output` and `id`; or it is
a bare prompt. What a line leaves out comes from the defaults of the command line. A line that begins with `#`
or `//` is a comment. A file that is one JSON array holds a job in each of its elements; it is read whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any, BinaryIO, Dict, Iterator, List, Optional, Sequence, Tuple, cast

from ..api.models import DEFAULT_MODEL
from ..api.request import REQUEST_FIELDS, ImageRequest
from ..base.errors import UsageError
from ..base.record import Record, replace
from ..base.redact import show

_MAX_JOB_BYTES = 1 << 20
_MAX_ARRAY_BYTES = 32 << 20
_ARRAY_HEAD_BYTES = 4096
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_COMMENTS = (b"#", b"//")
#: How a JSON array begins, and no prompt.
_ARRAY_START = re.compile(r"\[\s*(?:[\[{\"\]]|$)")


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
                shutil.copyfileobj(sys.stdin.buffer, self._file)
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
        if self._file.read(2) in _UTF16_MARKS:
            self._take(_from_utf16(self._file))
        first = next(self.lines(), None)
        if first is None:
            return
        if first.text is not None and _is_header(first.text):
            raise UsageError(
                f"line {first.number} is the header of a table (CSV), and no job",
                hint='write each row as a JSON object such as {"prompt": "a cat", "size": "1024x1024"}',
                code="invalid_jobs",
            )
        self._file.seek(first.offset)
        data = _content(self._file.read(_ARRAY_HEAD_BYTES), first.offset)
        if not _ARRAY_START.match(data.decode("utf-8", "replace")):
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


_OWN = ("image", "images", "image[]", "mask", "output", "id")
_LINE_HINT = 'a line is a JSON object such as {"prompt": "a cat"}, or a bare prompt'
#: Names that other tools give to what a job reads or writes. Passed through, such a field would do nothing,
#: and the image would be paid for without its inputs. They are compared without case, `-` and `_`.
_LOOKALIKES = {
    **dict.fromkeys(
        (
            *("imageurl", "imageurls", "imagepath", "imagepaths", "imagefile", "imagefiles"),
            *("inputimage", "inputimages", "inputfile", "input", "inputs", "initimage", "sourceimage"),
            *("refimage", "refimages", "referenceimage", "referenceimages", "reference", "references"),
        ),
        "image",
    ),
    **dict.fromkeys(("maskurl", "maskimage", "maskpath", "maskfile"), "mask"),
    **dict.fromkeys(
        (
            "out",
            "outfile",
            "outpath",
            "outputfile",
            "outputpath",
            "outputname",
            "filename",
            "saveto",
            "saveas",
        ),
        "output",
    ),
}


class Job(Record):
    """One job. `request` has no input images yet: `sources` and `mask` name them. `output` is below the
    output folder, None for a name made from the prompt."""

    request: ImageRequest
    sources: Tuple[str, ...] = ()
    mask: Optional[str] = None
    output: Optional[str] = None
    id: Optional[str] = None


def read_job(text: str, defaults: Job) -> Tuple[Job, Tuple[str, ...]]:
    """The job of a line, not yet checked, and the names of its fields that are not known here; a `UsageError`
    where it is no job."""
    text = text.strip()
    unknown: Tuple[str, ...] = ()
    if text.startswith("{") or _ARRAY_START.match(text):
        content = _parsed(text)
        if not isinstance(content, dict):
            raise UsageError("it is a JSON array, and no job", hint=_LINE_HINT)
        job, unknown = _from_object(cast(Dict[str, Any], content), defaults)
    else:
        job = replace(defaults, request=replace(defaults.request, prompt=_bare_prompt(text)))
    if job.mask is not None and not job.sources:
        raise UsageError("it has a mask and no image", hint="name the image to edit in image")
    return job, unknown


def _parsed(text: str) -> Any:
    """The object or array of a line, which JSON and UTF-8 can carry on."""
    try:
        content: Any = json.loads(text)
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("it has half a character (a lone surrogate) in it", hint="mend its text") from None
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", "") or "a number that JSON does not have, or nested too deeply"
        raise UsageError(f"not valid JSON: {reason}", hint=_LINE_HINT) from None
    return content


def _from_object(content: Dict[str, Any], defaults: Job) -> Tuple[Job, Tuple[str, ...]]:
    fields = {name: value for name, value in content.items() if value is not None}
    if "format" in fields:
        fields.setdefault("output_format", fields.pop("format"))
    kinds = {"prompt": str, **REQUEST_FIELDS}
    known: Dict[str, Any] = {
        name: _typed(fields.pop(name), name, kind) for name, kind in kinds.items() if name in fields
    }
    own = {name: fields.pop(name) for name in _OWN if name in fields}
    for name in fields:
        meant = _LOOKALIKES.get(_plain(name))
        if meant:
            raise UsageError(
                f"field {show(name, limit=40)!r} is not known; did you mean {meant}?",
                hint="a field that the server itself knows goes with --param",
            )
    extra = {**dict(defaults.request.extra), **fields}
    if not known.get("prompt") and not defaults.request.prompt:
        raise UsageError("it has no prompt", hint=_LINE_HINT)
    job = Job(
        request=replace(defaults.request, extra=tuple(extra.items()), **known),
        sources=_sources(own) or defaults.sources,
        mask=_typed(own["mask"], "mask", str) if "mask" in own else defaults.mask,
        output=_typed(own["output"], "output", str) if "output" in own else None,
        id=_job_id(own["id"]) if "id" in own else None,
    )
    return job, tuple(fields)


def job_key(request: ImageRequest, inputs: Sequence[str], mask: Optional[str]) -> str:
    """The SHA-256, in hex, of all that decides what a job's images show; `inputs` and `mask` are hashes too.
    How the request travels (`stream`), and what only the provider's checks see (`moderation`, `user`), is no
    part of it."""
    content: List[object] = [
        request.model or DEFAULT_MODEL,
        request.prompt,
        request.count,
        request.effective_size,
        request.effective_quality,
        request.effective_format,
        request.output_compression,
        request.background or "auto",
        sorted(request.extra, key=lambda field: field[0]),
        list(inputs),
        mask,
    ]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode("ascii")).hexdigest()


def _bare_prompt(text: str) -> str:
    """The text as it stands, or the JSON string that it is; a `UsageError` where it is other JSON."""
    try:
        value: Any = json.loads(text, parse_constant=_no_constant)
    except RecursionError:
        value = []
    except ValueError:
        return text
    if isinstance(value, str):
        return value
    kind = "an array" if isinstance(value, list) else "a number, true, false or null"
    raise UsageError(
        f"it is {kind} in JSON, and no job",
        hint=f"{_LINE_HINT}; write a prompt that looks so as a JSON string: {json.dumps(text[:20])}",
    )


def _no_constant(name: str) -> object:
    raise ValueError(name)  # NaN is a word; JSON has no such number


def _is_header(text: str) -> bool:
    """Whether a line names fields of jobs and nothing else, as the first line of a table does."""
    if text.startswith('"') and text.count('"') == 2 and text.endswith('"'):
        return False  # a JSON string: a prompt
    words = [word.strip().strip('"') for word in re.split("[,;\t]", text)]
    known = {_plain(name) for name in ("prompt", "format", *REQUEST_FIELDS, *_OWN)} | set(_LOOKALIKES)
    return "prompt" in map(_plain, words) and all(_plain(word) in known for word in words)


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _sources(own: Dict[str, Any]) -> Tuple[str, ...]:
    sources: List[str] = []
    for name in ("image", "images", "image[]"):
        value: Any = own.get(name, [])
        for source in cast(List[Any], value if isinstance(value, list) else [value]):
            if not isinstance(source, str) or not source or source == "-":
                raise UsageError(
                    f"{name} must name files or http(s) addresses", hint="for example image: a.png"
                )
            sources.append(source)
    return tuple(sources)


def _job_id(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _typed(value, "id", str)


def _typed(value: Any, name: str, kind: type) -> Any:
    if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    wanted = {str: "a text", int: "a whole number", bool: "true or false"}[kind]
    raise UsageError(f"{name} must be {wanted}, found {show(json.dumps(value), limit=40)}", hint=_LINE_HINT)
