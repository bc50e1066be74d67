"""Body chunks in, an `Answer` out, which knows whether it is complete; its images are on disk before that.

Every shape that servers answer in: JSON and server-sent events (told apart by their first bytes, whatever
the headers say), `b64_json`, `url` as an address or a data URI, an error under any status, HTML, nothing.
"""

from __future__ import annotations

import json
import re
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union, cast

from ..base.outcome import SvgUsage, Usage
from ..base.record import Record, replace
from ..base.untrusted import first_json, whole_number
from ..outputs.collect import ImageCollector
from ..outputs.image_text import ImageText
from ..outputs.store import ImageWriter, Spool
from ..wire.json_stream import JsonSplitter, StringSink
from ..wire.sse import SseSplitter
from .usage import members_of, read_svg_usage, read_usage

_EVENT_BYTES = 1 << 20
_LEADING_BLANKS = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_SSE_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_TYPE = rb'"type"\s*:\s*"([^"\\]*)"'
_PARTIAL_INDEX = rb'"partial_image_index"\s*:\s*(\d{1,9})'
_TITLE = r"(?is)<title[^>]{0,200}>(.{0,1000}?)</title>"
_TITLE_CHARS = 1 << 16  # so far it is looked for
_MESSAGE_CHARS = 10_000
_MOST_NAMES = 20
_MOST_STATUS = 599
_CODES_OF_SUCCESS = (0, 200, "0", "200", "success", "ok")
#: The status of a task that was accepted.
_UNDER_WAY = (
    "queued",
    "pending",
    "submitted",
    "accepted",
    "starting",
    "processing",
    "running",
    "in_progress",
)
#: Where relays that have no `error` put it.
_ERROR_FIELDS = ("detail", "errors", "message", "msg", "error_msg")
#: Where an answer that is no error says why it holds no image: keys and places in lists.
_REASONS: Tuple[Tuple[Union[str, int], ...], ...] = (
    ("response", "incomplete_details", "reason"),
    ("incomplete_details", "reason"),
    ("choices", 0, "message", "refusal"),
    ("choices", 0, "finish_reason"),
    ("promptFeedback", "blockReason"),
    ("candidates", 0, "finishReason"),
)
#: The last steps of those that are codes, and not sentences.
_CODE_STEPS = ("reason", "finish_reason", "blockReason", "finishReason")
_STOPPED = r"(?i)filter|safety|block|prohibit|policy|refus"


class ServerError(Record):
    """What the server says went wrong, by the fields of the official envelope. `status` is that of an HTTP
    error where its code is one, else 0."""

    message: str
    type: str = ""
    code: str = ""
    param: str = ""
    moderation_stage: str = ""
    moderation_categories: Tuple[str, ...] = ()
    status: int = 0


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
    svg_usage: Optional[SvgUsage] = None
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
            svg_usage=read_svg_usage(document) or self._answer.svg_usage,
        )


def read_server_error(document: object) -> Optional[ServerError]:
    """Why there is no image, by a parsed answer: the official envelope or a relay's form; None without it."""
    if not isinstance(document, dict):
        return None
    fields = cast(Dict[str, Any], document)
    in_response = members_of(fields.get("response"))  # as the Responses API has it
    error: Any = fields.get("error") or in_response.get("error")
    error = None if error is True else error
    if not error and not _has_result(fields):
        named = (fields.get(name) for name in _ERROR_FIELDS)
        error = next((value for value in named if value), None)
    if not error:
        return _reason_elsewhere(fields)
    if isinstance(error, list):  # one error a field: the first says enough
        error = cast(List[Any], error)[0]
    envelope = members_of(error)
    details = members_of(envelope.get("moderation_details"))
    code = _word(envelope.get("code")) or _word(fields.get("code"))
    status = whole_number(code, _MOST_STATUS) or 0
    return ServerError(
        message=_text_of(envelope.get("message") or envelope.get("msg") or error),
        type=_word(envelope.get("type")),
        code="" if status >= 400 or code in _CODES_OF_SUCCESS else code,
        param=_word(envelope.get("param")),
        moderation_stage=_word(details.get("moderation_stage")),
        moderation_categories=tuple(_word(item) for item in _names(details.get("categories"))[:_MOST_NAMES]),
        status=status if status >= 400 else 0,
    )


def _has_result(fields: Dict[str, Any]) -> bool:
    """Whether an answer holds, or says that it holds, what was asked for: its message is no error then."""
    says_ok = fields.get("success") is True or fields.get("code") in _CODES_OF_SUCCESS
    goes_on = fields.get("status") in _UNDER_WAY
    return says_ok or goes_on or bool(fields.get("data")) or "b64_json" in fields


def _reason_elsewhere(fields: Dict[str, Any]) -> Optional[ServerError]:
    """A reason in one of the places where answers without an error and without an image give it."""
    for path in _REASONS:
        value: Any = fields
        for step in path:
            if isinstance(step, str) and isinstance(value, dict):
                value = cast(Dict[str, Any], value).get(step)
            elif isinstance(step, int) and isinstance(value, list) and cast(List[Any], value):
                value = cast(List[Any], value)[step]
            else:
                value = None
        if isinstance(value, str) and re.search(_STOPPED if path[-1] in _CODE_STEPS else r"\S", value):
            return ServerError(_text_of(value), code=value if path[-1] in _CODE_STEPS else "")
    data: Any = fields.get("data")
    items = [members_of(item) for item in cast(List[Any], data)] if isinstance(data, list) else []
    said = [{name: value for name, value in item.items() if value is not None} for item in items]
    reason = said[0].get("revised_prompt") if said else None
    if reason and all(list(one) == ["revised_prompt"] for one in said):
        return ServerError(_text_of(reason))
    return None


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


def _word(value: object) -> str:
    """A name or a number out of an error; empty for anything else."""
    is_word = isinstance(value, (str, int)) and not isinstance(value, bool)
    return str(value)[:_MESSAGE_CHARS] if is_word else ""


def _text_of(value: object) -> str:
    """What an error says, as text."""
    if isinstance(value, str):
        return value[:_MESSAGE_CHARS]
    try:
        return json.dumps(value)[:_MESSAGE_CHARS]
    except (ValueError, RecursionError):
        return ""


def _names(value: object) -> List[object]:
    """A list of names from a list, or from an object whose true members are meant."""
    if isinstance(value, list):
        return cast(List[object], value)
    if isinstance(value, dict):
        return [name for name, on in cast(Dict[object, object], value).items() if on]
    return []
