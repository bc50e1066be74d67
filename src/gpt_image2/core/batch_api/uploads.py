"""The input images of one `batch submit`: which go within their line, and which are uploaded, once each."""

from __future__ import annotations

from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from ..api.request import InputImage, is_address
from ..base.record import Record
from ..batch.jobs import Job
from ..calls.inputs import local_input
from ..ledger.entries import InputFile, input_file
from ..outputs.naming import extension
from .api import BatchServer
from .lines import Source

#: The images of a line go within it up to this sum; a batch of larger lines would soon be full.
_MOST_WITHIN_BYTES = 8 << 20
_PURPOSE = "vision"
_SEEN = ""


class LineInputs(Record):
    """The inputs of one job, as its line names them, and as the ledger keeps them."""

    sources: Tuple[Source, ...] = ()
    mask: Optional[Source] = None
    files: Tuple[InputFile, ...] = ()
    mask_file: Optional[InputFile] = None


class Uploads:
    """Uploads what many lines share or what is too large for a line. Knows files by their content."""

    def __init__(self, server: BatchServer) -> None:
        self._server = server
        self._ids: Dict[str, str] = {}

    def inputs_of(self, job: Job) -> LineInputs:
        """The inputs of a job.

        Raises:
            UsageError: one of them is no usable image any more.
            GptImage2Error: one of them cannot be uploaded.
        """
        named = [*job.sources, *([job.mask] if job.mask is not None else [])]
        images = [None if is_address(source) else local_input(source) for source in named]
        size_bytes = sum(image.size_bytes for image in images if image is not None)
        found = [
            self._source(source, image, size_bytes > _MOST_WITHIN_BYTES)
            for source, image in zip(named, images)
        ]
        sources, files = [source for source, _ in found], [file for _, file in found]
        count = len(job.sources)
        return LineInputs(
            sources=tuple(sources[:count]),
            mask=_only(sources[count:]),
            files=tuple(files[:count]),
            mask_file=files[count] if len(files) > count else None,
        )

    def _source(self, name: str, image: Optional[InputImage], is_heavy: bool) -> Tuple[Source, InputFile]:
        if image is None:
            return Source(url=name), InputFile(name, "", "", "", 0)
        file = input_file(image)
        known = self._ids.get(file.sha256)
        if known is None and not is_heavy:
            self._ids[file.sha256] = _SEEN
            return Source(image=image), file
        if not known:
            filename = f"{file.sha256[:16]}.{extension(image.format)}"
            known = self._server.upload(Path(image.path), filename, _PURPOSE, image.mime_type)
            self._ids[file.sha256] = known
        return Source(file_id=known), file


def _only(sources: Sequence[Source]) -> Optional[Source]:
    found: List[Source] = list(sources)
    return found[0] if found else None
