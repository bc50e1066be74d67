"""The jobs file: its lines as a stream, and single ones again by their place; what job a line holds, and what
makes two jobs the same. Holds one line at a time.

A line is a JSON object with the API's own fields and `image` or `images`, `mask`, `output` and `id`; or it is
a bare prompt. What a line leaves out comes from the defaults of the command line.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple, cast

from ..api.models import DEFAULT_MODEL
from ..api.request import REQUEST_FIELDS, ImageRequest
from ..base.errors import UsageError
from ..base.record import Record, replace
from ..base.redact import show

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
        planned, whatever happens to the file meanwhile."""
        import shutil

        self._file = open(str(scratch / "jobs"), "x+b")  # noqa: SIM115
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
            elif data.strip():
                yield _decoded(data, number, start)

    def text_at(self, offset: int) -> str:
        self._file.seek(offset)
        return _decoded(self._file.readline(_MAX_JOB_BYTES), 0, offset).text or ""

    def _skip_line(self) -> int:
        skipped = 0
        while True:
            data = self._file.readline(_MAX_JOB_BYTES)
            skipped += len(data)
            if not data or data.endswith(b"\n"):
                return skipped


def _decoded(data: bytes, number: int, offset: int) -> Line:
    if offset == 0 and data.startswith(_UTF8_MARK):
        data = data[len(_UTF8_MARK) :]
    try:
        return Line(number, offset, data.decode("utf-8").strip())
    except UnicodeDecodeError:
        return Line(number, offset, None, "it is not UTF-8 text")


_OWN = ("image", "images", "image[]", "mask", "output", "id")
_LINE_HINT = 'a line is a JSON object such as {"prompt": "a cat"}, or a bare prompt'


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
    if text.startswith("{"):
        job, unknown = _from_object(_parsed(text), defaults)
    else:
        job = replace(defaults, request=replace(defaults.request, prompt=_bare_prompt(text)))
    if job.mask is not None and not job.sources:
        raise UsageError("it has a mask and no image", hint="name the image to edit in image")
    return job, unknown


def _parsed(text: str) -> Dict[str, Any]:
    """The object of a line, which JSON and UTF-8 can carry on."""
    try:
        content: Any = json.loads(text)
        json.dumps(content, ensure_ascii=False, allow_nan=False).encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("it has half a character (a lone surrogate) in it", hint="mend its text") from None
    except (ValueError, RecursionError) as error:
        reason = getattr(error, "msg", "") or "a number that JSON does not have, or nested too deeply"
        raise UsageError(f"not valid JSON: {reason}", hint=_LINE_HINT) from None
    return cast(Dict[str, Any], content)


def _from_object(content: Dict[str, Any], defaults: Job) -> Tuple[Job, Tuple[str, ...]]:
    fields = {name: value for name, value in content.items() if value is not None}
    if "format" in fields:
        fields.setdefault("output_format", fields.pop("format"))
    kinds = {"prompt": str, **REQUEST_FIELDS}
    known: Dict[str, Any] = {
        name: _typed(fields.pop(name), name, kind) for name, kind in kinds.items() if name in fields
    }
    own = {name: fields.pop(name) for name in _OWN if name in fields}
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
    """The text as it stands, or the JSON string that it is."""
    if text.startswith('"'):
        try:
            value: Any = json.loads(text)
        except ValueError:
            return text
        if isinstance(value, str):
            return value
    return text


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
