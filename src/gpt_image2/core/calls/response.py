"""Body chunks in, an `Answer` out; the images in it are on disk before the body has ended.

Every shape that servers answer in: JSON and server-sent events (told apart by their first bytes, whatever
the headers say), `b64_json`, `url` as an address or a data URI, an error under any status, HTML, nothing.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, cast

from ..base.outcome import Usage
from ..base.record import Record, replace
from ..outputs.collect import ImageCollector
from ..outputs.image_text import ImageText
from ..outputs.store import ImageWriter, Spool
from ..wire.json_stream import JsonSplitter, StringSink
from ..wire.sse import SseSplitter

_EVENT_BYTES = 1 << 20
_LEADING_BLANKS = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_SSE_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_TYPE = rb'"type"\s*:\s*"([^"\\]*)"'
_PARTIAL_INDEX = rb'"partial_image_index"\s*:\s*(\d{1,9})'
_TITLE = r"(?is)<title[^>]{0,200}>(.{0,1000}?)</title>"
_TITLE_CHARS = 1 << 16  # so far it is looked for
_MAX_TOKENS = 10**12  # more is no count of tokens


class ServerError(Record):
    """What the server says went wrong, by the fields of the official envelope."""

    message: str
    type: str = ""
    code: str = ""
    param: str = ""
    moderation_stage: str = ""
    moderation_categories: Tuple[str, ...] = ()


class Answer(Record):
    """What a body held besides its images.

    `shape` is `json`, `sse`, `html`, `empty` or `other`. `complete` says whether it ended as its format
    ends. `urls` are the addresses of images that were not sent themselves.
    """

    shape: str = "empty"
    complete: bool = False
    error: Optional[ServerError] = None
    urls: Tuple[str, ...] = ()
    usage: Optional[Usage] = None
    title: str = ""
    text: str = ""


class AnswerReader:
    """Reads one body: `feed` its chunks, then `close`."""

    def __init__(self, collector: ImageCollector, spool: Spool) -> None:
        self._collector = collector
        self._spool = spool
        self._head = b""
        self._feed: Optional[Callable[[bytes], None]] = None
        self._shape = "empty"
        self._sse: Optional[SseSplitter] = None
        self._json = JsonSplitter(self._wants, self._keep)
        self._document = bytearray()  # the JSON under way, without its images
        self._undecided: List[ImageWriter] = []  # whole, but not yet known to be final or previews
        self._found = False  # whether the document under way holds an image or the address of one
        self._addresses: List[str] = []  # those in the document under way
        self._urls: List[str] = []
        self._lone_urls: List[str] = []  # those beside which the image itself was not sent
        self._answer = Answer()

    def feed(self, chunk: bytes) -> None:
        if self._feed is not None:
            self._feed(chunk)
            return
        head = (self._head + chunk).lstrip(_LEADING_BLANKS + _BOM)
        if self._choose(head):
            self._head = b""
            assert self._feed is not None
            self._feed(head)
        else:
            self._head = head

    def close(self) -> Answer:
        """What the body was, once it has ended or been cut."""
        if self._feed is None and self._head:
            self._shape, self._feed = "other", self._spool.write
            self._feed(self._head)
        if self._shape == "json":
            self._document_ended()
        elif self._shape == "sse":
            self._event_ended()
        for writer in self._undecided:
            self._collector.finish(writer)
        urls = tuple(self._lone_urls if self._collector.images else self._urls)
        text = self._spool.text() if self._shape != "empty" else ""
        title = re.search(_TITLE, text[:_TITLE_CHARS]) if self._shape == "html" else None
        return replace(
            self._answer,
            shape=self._shape,
            complete=self._answer.complete or self._shape in ("html", "other"),
            urls=urls,
            title=title.group(1) if title else "",
            text=text,
        )

    def _choose(self, head: bytes) -> bool:
        """Picks the way to read the body by its first bytes; False while there are too few."""
        if not head:
            return False
        if head[:1] in (b"{", b"["):
            self._shape, self._feed = "json", self._json.feed
        elif head.startswith(_SSE_STARTS):
            self._sse = SseSplitter(self._json_data, self._event_ended)
            self._shape, self._feed = "sse", self._sse.feed
        elif any(start.startswith(head) for start in _SSE_STARTS):
            return False
        else:
            self._shape = "html" if head[:1] == b"<" else "other"
            self._feed = self._spool.write
        return True

    def _json_data(self, data: bytes) -> None:
        self._json.feed(data)

    def _keep(self, data: bytes) -> None:
        self._spool.write(data)
        if len(self._document) <= _EVENT_BYTES:
            self._document += data

    def _wants(self, key: str) -> Optional[StringSink]:
        if key not in ("b64_json", "url"):
            return None
        return ImageText(self._collector, key == "b64_json", self._image_ended, self._address_ended)

    def _address_ended(self, text: bytes, is_address: bool) -> None:
        self._keep(text.replace(b"\\", b"\\\\").replace(b'"', b'\\"'))
        if is_address:
            self._found = True
            self._addresses.append(text.decode("utf-8", "replace"))

    def _image_ended(self, writer: ImageWriter) -> None:
        """Commits an image at once where it is known to be final; in an event that may show only later."""
        self._found = True
        if self._shape == "json" or self._is_completed():
            self._collector.finish(writer)
        else:
            self._undecided.append(writer)

    def _is_completed(self) -> bool:
        return any(kind.endswith("completed") for kind in self._event_kinds())

    def _is_preview(self) -> bool:
        if self._shape != "sse" or self._is_completed():
            return False
        by_kind = any(kind.endswith("partial_image") for kind in self._event_kinds())
        return by_kind or re.search(_PARTIAL_INDEX, self._document) is not None

    def _event_kinds(self) -> Tuple[str, ...]:
        """What the event is by its name and by its `type`: servers give one, the other or both."""
        name = self._sse.event if self._sse else ""
        match = re.search(_TYPE, self._document)
        return name, match.group(1).decode("utf-8", "replace") if match else ""

    def _event_ended(self) -> None:
        if not self._document and not self._undecided:
            return
        if self._is_preview():
            index = re.search(_PARTIAL_INDEX, self._document)
            for writer in self._undecided:
                self._collector.preview(writer, int(index.group(1)) if index else 0)
        else:
            for writer in self._undecided:
                self._collector.finish(writer)
        self._undecided = []
        self._spool.write(b"\n")
        self._document_ended()
        self._document.clear()
        self._json = JsonSplitter(self._wants, self._keep)

    def _document_ended(self) -> None:
        """Reads what is left of a document, or of an event's, when its images are out of it."""
        found, self._found = self._found, False
        addresses, self._addresses = self._addresses, []
        is_preview = self._is_preview()
        try:
            text = bytes(self._document).decode("utf-8", "replace")
            document: Any = json.loads(text, strict=False)
            lone = [url for url in _lone_addresses(document) if url in addresses]
            error = read_server_error(document)
        except (ValueError, RecursionError):
            # It was cut, or is too long to be held: what was seen of it counts.
            self._urls += [] if is_preview else addresses
            return
        if error is None and not is_preview:
            self._urls += addresses
            self._lone_urls += lone
        self._answer = replace(
            self._answer,
            complete=self._answer.complete
            or self._shape == "json"
            or error is not None
            or self._is_completed()
            or (found and not is_preview),
            error=self._answer.error or error,
            usage=_add_usage(self._answer.usage, read_usage(document)),
        )


def read_server_error(document: object) -> Optional[ServerError]:
    """The error in a parsed answer, in the official envelope or a relay's form; None without one."""
    if not isinstance(document, dict):
        return None
    fields = cast(Dict[str, Any], document)
    error: Any = fields.get("error")
    if not error and not ("data" in fields or "b64_json" in fields):
        error = fields.get("detail") or fields.get("errors") or fields.get("message")
    if not error:
        return None
    if not isinstance(error, dict):
        return ServerError(message=error if isinstance(error, str) else json.dumps(error))
    envelope = cast(Dict[str, Any], error)
    details: Any = envelope.get("moderation_details")
    details = cast(Dict[str, Any], details) if isinstance(details, dict) else {}
    categories: Any = details.get("categories")
    return ServerError(
        message=str(envelope.get("message") or json.dumps(error)),
        type=str(envelope.get("type") or ""),
        code=str(envelope.get("code") or ""),
        param=str(envelope.get("param") or ""),
        moderation_stage=str(details.get("moderation_stage") or ""),
        moderation_categories=tuple(str(item) for item in _names(categories)),
    )


def read_usage(document: object) -> Optional[Usage]:
    """The `usage` of a parsed answer, or None where it is missing or not of the official form."""
    usage: Any = cast(Dict[str, Any], document).get("usage") if isinstance(document, dict) else None
    if not isinstance(usage, dict):
        return None
    fields = cast(Dict[str, Any], usage)
    details: Any = fields.get("input_tokens_details")
    split = cast(Dict[str, Any], details) if isinstance(details, dict) else {}
    cached: Any = split.get("cached_tokens_details")
    cached = cast(Dict[str, Any], cached) if isinstance(cached, dict) else {}
    tokens_in, tokens_out = _count(fields.get("input_tokens")), _count(fields.get("output_tokens"))
    if tokens_in is None or tokens_out is None:
        return None
    return Usage(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        total_tokens=_count(fields.get("total_tokens")) or tokens_in + tokens_out,
        text_tokens=_count(split.get("text_tokens")),
        image_tokens=_count(split.get("image_tokens")),
        cached_text_tokens=_count(cached.get("text_tokens")) or 0,
        cached_image_tokens=_count(cached.get("image_tokens")) or 0,
    )


def _lone_addresses(value: object) -> Iterator[str]:
    """The addresses in a parsed answer that have no image beside them."""
    children: List[object] = []
    if isinstance(value, dict):
        fields = cast(Dict[str, Any], value)
        address: Any = fields.get("url")
        if isinstance(address, str) and not isinstance(fields.get("b64_json"), str):
            yield address
        children = list(fields.values())
    elif isinstance(value, list):
        children = cast(List[object], value)
    for child in children:
        yield from _lone_addresses(child)


def _add_usage(one: Optional[Usage], other: Optional[Usage]) -> Optional[Usage]:
    if one is None or other is None:
        return one or other
    return one + other


def _count(value: object) -> Optional[int]:
    is_count = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _MAX_TOKENS
    return cast(int, value) if is_count else None


def _names(value: object) -> List[object]:
    """A list of names from a list, or from an object whose true members are meant."""
    if isinstance(value, list):
        return cast(List[object], value)
    if isinstance(value, dict):
        return [name for name, on in cast(Dict[object, object], value).items() if on]
    return []
