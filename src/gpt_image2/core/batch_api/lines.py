"""One line of a batch's input file: a request as JSON, its images within it, encoded as they are read.

How long a line will be is known before its first byte: base64 takes four characters for three bytes.
"""

from __future__ import annotations

import base64
import json
from typing import Dict, Iterator, List, Mapping, Optional, Sequence, Tuple, Union

from ..api.request import InputImage
from ..base.record import Record

CUSTOM_ID_CHARS = 64
_KEY_CHARS = 40
_ENCODED_BYTES = 3 << 18  # a multiple of 3: the pieces' base64 joins without padding


class Source(Record):
    """An input of a request: an address, the id of an uploaded file, or a file to go within the line."""

    url: str = ""
    file_id: str = ""
    image: Optional[InputImage] = None


class BatchLine(Record):
    """A line in parts: bytes as they are, and images to be encoded in their place."""

    parts: Tuple[Union[bytes, InputImage], ...]

    @property
    def size_bytes(self) -> int:
        """How long it will be."""
        return sum(
            len(part) if isinstance(part, bytes) else base64_chars(part.size_bytes) for part in self.parts
        )

    def pieces(self) -> Iterator[bytes]:
        """The line, piece by piece; reads its images.

        Raises:
            OSError: an image cannot be read.
        """
        for part in self.parts:
            if isinstance(part, bytes):
                yield part
                continue
            with open(part.path, "rb") as file:
                for block in iter(lambda: file.read(_ENCODED_BYTES), b""):
                    yield base64.b64encode(block)


def custom_id_of(key: str, copy: int) -> str:
    """The name of a job in a batch: it leads back to the job on the journal."""
    return f"{key[:_KEY_CHARS]}-{copy}"[:CUSTOM_ID_CHARS]


def batch_line(
    custom_id: str,
    url: str,
    fields: Mapping[str, object],
    sources: Sequence[Source] = (),
    mask: Optional[Source] = None,
) -> BatchLine:
    """The line of a request. `url` is the endpoint as the Batch API writes it, with `/v1`."""
    head = json.dumps({"custom_id": custom_id, "method": "POST", "url": url}, ensure_ascii=False)
    body = json.dumps(fields, ensure_ascii=False)
    parts: List[Union[bytes, InputImage]] = [f'{head[:-1]}, "body": {body[:-1]}'.encode()]
    for number, source in enumerate(sources):
        parts.append(b", " if number else b', "images": [')
        parts += _reference(source)
    if sources:
        parts.append(b"]")
    if mask is not None:
        parts += [b', "mask": ', *_reference(mask)]
    return BatchLine((*parts, b"}}\n"))


def base64_chars(size_bytes: int) -> int:
    """How many characters base64 takes."""
    return -(-size_bytes // 3) * 4


def _reference(source: Source) -> List[Union[bytes, InputImage]]:
    if source.image is not None:
        head = f'{{"image_url": "data:{source.image.mime_type};base64,'
        return [head.encode(), source.image, b'"}']
    named: Dict[str, str] = {"file_id": source.file_id} if source.file_id else {"image_url": source.url}
    return [json.dumps(named, ensure_ascii=False).encode()]
