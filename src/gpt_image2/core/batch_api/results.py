"""Reads the output and error files of a batch while they arrive: line by line, its images on disk by then.

The name of a line's job may stand behind its images, so these are parts without a name until the line ends.
"""

from __future__ import annotations

import json
import re
from itertools import count
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, cast

from ..base.outcome import Usage
from ..base.record import Record
from ..calls.response import ServerError, read_server_error, read_usage
from ..outputs.collect import ImageCollector, ImageText
from ..outputs.naming import OutputPlan
from ..outputs.store import ImageWriter
from ..wire.json_stream import JsonSplitter, StringSink

_LINE_BYTES = 1 << 20  # of a line, its images left out
_CUSTOM_ID = rb'"custom_id"\s*:\s*"([^"\\]{1,200})"'


class ResultLine(Record):
    """A line that has come whole. `status` is the HTTP status of the request, 0 where it was never run;
    `writers` are its images; `kept_aside` is where bytes are that are none; `lost` why some are nowhere."""

    custom_id: str
    status: int
    request_id: Optional[str]
    usage: Optional[Usage]
    error: Optional[ServerError]
    writers: Tuple[ImageWriter, ...] = ()
    addresses: Tuple[str, ...] = ()
    kept_aside: Tuple[str, ...] = ()
    lost: Tuple[str, ...] = ()


class LineImages:
    """What has come of the images of a line by now."""

    def __init__(self) -> None:
        self.writers: List[ImageWriter] = []
        self.addresses: List[str] = []


class ResultReader:
    """`feed` the pieces of a file, then `close`. `on_line` is given each line, and its images."""

    def __init__(self, plan: OutputPlan, on_line: Callable[[ResultLine], None]) -> None:
        self._plan = plan
        self._on_line = on_line
        self._begin()

    def feed(self, chunk: bytes) -> None:
        """Takes the next piece."""
        *ended, rest = chunk.split(b"\n")
        for piece in ended:
            self._json.feed(piece)
            self._end()
        self._json.feed(rest)

    def close(self) -> None:
        """The file has ended, or was cut: a line that is not whole leaves nothing behind."""
        if self._document.strip() and self._parsed() is not None:
            self._end()
            return
        self._collector.close()
        for writer in self._images.writers:
            writer.discard()

    def _begin(self) -> None:
        self._json = JsonSplitter(self._wants, self._keep)
        self._document = bytearray()
        self._images = LineImages()
        self._collector = ImageCollector(self._plan, count(1), _hear_nothing, _hear_nothing)

    def _wants(self, key: str) -> Optional[StringSink]:
        if key not in ("b64_json", "url"):
            return None
        return ImageText(self._collector, key == "b64_json", self._image_ended, self._text_ended)

    def _image_ended(self, writer: ImageWriter) -> None:
        self._collector.let_go(writer)
        self._images.writers.append(writer)

    def _text_ended(self, text: bytes, is_address: bool) -> None:
        if is_address:
            self._images.addresses.append(text.decode("utf-8", "replace"))

    def _keep(self, data: bytes) -> None:
        if len(self._document) <= _LINE_BYTES:
            self._document += data

    def _parsed(self) -> Optional[Mapping[str, Any]]:
        try:
            value: Any = json.loads(bytes(self._document).decode("utf-8", "replace"), strict=False)
        except (ValueError, RecursionError):
            return None
        return cast(Dict[str, Any], value) if isinstance(value, dict) else None

    def _end(self) -> None:
        if self._document.strip():
            self._on_line(_result_line(self._parsed() or self._torn(), self._collector, self._images))
        self._collector.close()
        self._begin()

    def _torn(self) -> Mapping[str, Any]:
        """What can be told of a line that is no JSON."""
        match = re.search(_CUSTOM_ID, self._document)
        name = match.group(1).decode("utf-8", "replace") if match else ""
        error = {"code": "unreadable_result", "message": "its line in the results is no JSON"}
        return {"custom_id": name, "error": error}


def _result_line(document: Mapping[str, Any], collector: ImageCollector, images: LineImages) -> ResultLine:
    response = _object(document.get("response"))
    body = response.get("body")
    status: Any = response.get("status_code")
    request_id: Any = response.get("request_id")
    error = read_server_error(body)
    if error is None and document.get("error"):
        error = read_server_error({"error": document["error"]})
    return ResultLine(
        custom_id=str(document.get("custom_id") or ""),
        status=status if isinstance(status, int) else 0,
        request_id=request_id if isinstance(request_id, str) else None,
        usage=read_usage(body),
        error=error,
        writers=tuple(images.writers),
        addresses=tuple(images.addresses),
        kept_aside=collector.kept_aside,
        lost=collector.lost,
    )


def _hear_nothing(_what: object, _detail: object) -> None:
    """Images get their names elsewhere."""


def _object(value: object) -> Mapping[str, Any]:
    return cast(Dict[str, Any], value) if isinstance(value, dict) else {}
