"""Body chunks in, an `Answer` out, which knows whether it is complete; its images are on disk before that.

Every shape that servers answer in: JSON and server-sent events (told apart by their first bytes, whatever
the headers say), `b64_json`, `url` as an address or a data URI, an error under any status, HTML, nothing.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, cast

from ..base.outcome import Usage
from ..base.record import Record, replace
from ..base.untrusted import count_of, first_json, members
from ..outputs.collect import ImageCollector
from ..outputs.image_text import ImageText
from ..outputs.store import ImageWriter, Spool
from ..wire.json_stream import JsonSplitter, StringSink
from ..wire.sse import SseSplitter
from .server_error import ServerError, read_server_error

_EVENT_BYTES = 1 << 20
_LEADING_BLANKS = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_SSE_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_TYPE = rb'"type"\s*:\s*"([^"\\]*)"'
_PARTIAL_INDEX = rb'"partial_image_index"\s*:\s*(\d{1,9})'
_TITLE = r"(?is)<title[^>]{0,200}>(.{0,1000}?)</title>"
_TITLE_CHARS = 1 << 16  # so far it is looked for
#: More is no count of tokens: ten of the largest images, with all their inputs, are less than 200,000.
_MAX_TOKENS = 10**7


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
        document = first_json(bytes(self._document).decode("utf-8", "replace"))
        if document is None:
            # It was cut, is too long to be held, or nests too deep: what was seen of it counts.
            self._urls += [] if is_preview else addresses
            return
        known = set(addresses)
        lone = [url for url in _lone_addresses(document) if url in known]
        error = read_server_error(document)
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


def read_usage(document: object) -> Optional[Usage]:
    """The `usage` of a parsed answer, by its official names or those of chat; None where it is missing or
    cannot be true: no output, or a part that is more than its whole."""
    fields = members(members(document).get("usage"))
    for names in (("input_tokens", "output_tokens"), ("prompt_tokens", "completion_tokens")):
        tokens_in, tokens_out = (count_of(fields.get(name), _MAX_TOKENS) for name in names)
        if tokens_in is not None and tokens_out:
            return _split_usage(fields, tokens_in, tokens_out)
    return None


def _split_usage(fields: Dict[str, Any], tokens_in: int, tokens_out: int) -> Optional[Usage]:
    split = members(fields.get("input_tokens_details") or fields.get("prompt_tokens_details"))
    kinds = members(split.get("cached_tokens_details"))
    text, image = (count_of(split.get(kind), _MAX_TOKENS) for kind in ("text_tokens", "image_tokens"))
    image_in = image or 0
    text_in = max(text or 0, tokens_in - image_in)
    if kinds:
        cached_text, cached_image = (_part(kinds.get(kind)) for kind in ("text_tokens", "image_tokens"))
    else:
        # Of unknown kind: text first, which is the cheaper one, so that the cost is not told too low.
        cached_tokens = _part(split.get("cached_tokens"))
        cached_text = min(cached_tokens, text_in)
        cached_image = cached_tokens - cached_text
    if text_in + image_in > tokens_in or cached_text > text_in or cached_image > image_in:
        return None
    total = count_of(fields.get("total_tokens"), 2 * _MAX_TOKENS) or 0
    return Usage(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        total_tokens=max(total, tokens_in + tokens_out),
        text_tokens=text,
        image_tokens=image,
        cached_text_tokens=cached_text,
        cached_image_tokens=cached_image,
    )


def _part(value: object) -> int:
    """A number of tokens that may be missing; one that cannot be true is more than any whole."""
    number = 0 if value is None else count_of(value, _MAX_TOKENS)
    return _MAX_TOKENS + 1 if number is None else number


def _lone_addresses(document: object) -> Iterator[str]:
    """The addresses in a parsed answer that have no image beside them."""
    waiting: List[object] = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            fields = cast(Dict[str, Any], value)
            address: Any = fields.get("url")
            if isinstance(address, str) and not isinstance(fields.get("b64_json"), str):
                yield address
            waiting += reversed(list(fields.values()))
        elif isinstance(value, list):
            waiting += reversed(cast(List[object], value))


def _add_usage(one: Optional[Usage], other: Optional[Usage]) -> Optional[Usage]:
    if one is None or other is None:
        return one or other
    return one + other
