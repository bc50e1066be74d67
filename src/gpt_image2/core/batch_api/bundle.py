"""Writes the input file of a batch: a request a line, as JSON, with the images that go within their line.

An image that many lines share, or that is too large for a line, is uploaded once and named by its id. How
long a line will be is known before its first byte: base64 takes four characters for three bytes.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from ..api.request import InputImage, is_address
from ..base.errors import OutputError
from ..base.record import Record
from ..base.redact import show
from ..batch.job import Job
from ..calls.inputs import local_input
from ..ledger.entries import InputFile, input_file
from ..outputs.naming import extension
from .api import BatchApi
from .store import BatchJob, job_from_json, job_json

MAX_LINES = 50_000
MAX_MB = 200
BYTES_PER_MB = 1_000_000

_MARK_BYTES = 12
_ENCODED_BYTES = 3 << 18  # a multiple of 3: the pieces' base64 joins without padding
#: The images of a line go within it up to this sum; a batch of larger lines would soon be full.
_MOST_WITHIN_BYTES = 8 << 20
_SEEN = ""


class Group(Record):
    """What one batch may have only one of. The endpoint is as the Batch API writes it, with `/v1`."""

    model: str
    endpoint: str


class LineInput(Record):
    """An input as its line names it: by the id of an uploaded file, by a file here that goes within the line,
    else by its address."""

    file: InputFile
    file_id: str = ""
    image: Optional[InputImage] = None


class BatchLine(Record):
    """A line in parts: bytes as they are, and images to be encoded in their place."""

    parts: Tuple[Union[bytes, InputImage], ...]

    @property
    def size_bytes(self) -> int:
        return sum(
            len(part) if isinstance(part, bytes) else -(-part.size_bytes // 3) * 4 for part in self.parts
        )

    def pieces(self) -> Iterator[bytes]:
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
                continue
            with open(part.path, "rb") as file:
                for block in iter(lambda: file.read(_ENCODED_BYTES), b""):
                    yield base64.b64encode(block)


class LineInputs:
    """Decides how inputs are named in their lines, and uploads what is to be uploaded, each content once."""

    def __init__(self, api: BatchApi) -> None:
        self._api = api
        self._ids: Dict[str, str] = {}  # by hash; `_SEEN` for one that went within a line

    def of(self, job: Job) -> Tuple[List[LineInput], Optional[LineInput]]:
        """The input images of a job and its mask; raises where one is unusable or cannot be uploaded."""
        named = [*job.sources, *([job.mask] if job.mask is not None else [])]
        images = [None if is_address(source) else local_input(source) for source in named]
        size_bytes = sum(image.size_bytes for image in images if image is not None)
        inputs = [
            LineInput(InputFile(source, "", "", "", 0))
            if image is None
            else self._local(image, size_bytes > _MOST_WITHIN_BYTES)
            for source, image in zip(named, images)
        ]
        mask = inputs.pop() if job.mask is not None else None
        return inputs, mask

    def _local(self, image: InputImage, is_heavy: bool) -> LineInput:
        file = input_file(image)
        known = self._ids.get(file.sha256)
        if known is None and not is_heavy:
            self._ids[file.sha256] = _SEEN
            return LineInput(file, image=image)
        if not known:
            filename = f"{file.sha256[:16]}.{extension(image.format)}"
            known = self._api.upload(Path(image.path), filename, "vision", image.mime_type)
            self._ids[file.sha256] = known
        return LineInput(file, file_id=known)


class Bundle:
    """An input file that is being written. Its jobs lie in a file beside it: they would fill the memory."""

    def __init__(self, folder: Path, group: Group, max_lines: int, max_bytes: int) -> None:
        self.group = group
        #: Tells the batch that will be made of it from all others.
        self.mark = os.urandom(_MARK_BYTES).hex()
        self.path = folder / f"{self.mark}.jsonl"
        self.lines = 0
        self.high_usd = 0.0
        self._max_lines = max_lines
        self._max_bytes = max_bytes
        self._size_bytes = 0
        self._jobs_path = folder / f"{self.mark}.jobs"
        self._file = open(str(self.path), "xb")  # noqa: SIM115 - open until it is handed over
        self._jobs_file = open(str(self._jobs_path), "x", encoding="ascii")  # noqa: SIM115

    def takes(self, line: BatchLine) -> bool:
        is_within = self._size_bytes + line.size_bytes <= self._max_bytes
        return self.lines == 0 or (self.lines < self._max_lines and is_within)

    def add(self, line: BatchLine, job: BatchJob) -> None:
        try:
            for piece in line.pieces():
                self._file.write(piece)
                self._size_bytes += len(piece)
            self._jobs_file.write(json.dumps([job_json(job), job.outcome]) + "\n")
        except OSError as error:
            raise OutputError(
                f"cannot write line {show(job.custom_id)} of a batch: {error.strerror or error}",
                hint="see to it that its images can be read and that there is space in the temp folder",
            ) from None
        self.lines += 1
        self.high_usd += job.planned.high_usd or 0.0

    def close(self) -> None:
        try:
            self._file.close()
            self._jobs_file.close()
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from None

    def jobs(self) -> Iterator[BatchJob]:
        """The jobs of a closed bundle, in the order of their lines."""
        with open(str(self._jobs_path), encoding="ascii") as file:
            for line in file:
                fields, outcome = json.loads(line)
                yield job_from_json(fields, self.group.model, outcome=outcome)

    def discard(self) -> None:
        self.path.unlink()
        self._jobs_path.unlink()


def batch_line(
    custom_id: str,
    endpoint: str,
    fields: Mapping[str, object],
    inputs: Sequence[LineInput] = (),
    mask: Optional[LineInput] = None,
) -> BatchLine:
    head = json.dumps({"custom_id": custom_id, "method": "POST", "url": endpoint}, ensure_ascii=False)
    body = json.dumps(fields, ensure_ascii=False)
    parts: List[Union[bytes, InputImage]] = [f'{head[:-1]}, "body": {body[:-1]}'.encode()]
    for number, each in enumerate(inputs):
        parts.append(b", " if number else b', "images": [')
        parts += _reference(each)
    if inputs:
        parts.append(b"]")
    if mask is not None:
        parts += [b', "mask": ', *_reference(mask)]
    return BatchLine((*parts, b"}}\n"))


def _reference(each: LineInput) -> List[Union[bytes, InputImage]]:
    if each.image is not None:
        head = f'{{"image_url": "data:{each.image.mime_type};base64,'
        return [head.encode(), each.image, b'"}']
    named = {"file_id": each.file_id} if each.file_id else {"image_url": each.file.source}
    return [json.dumps(named, ensure_ascii=False).encode()]
