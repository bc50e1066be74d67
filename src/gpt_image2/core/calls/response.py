"""Body chunks in, an `Answer` out, which knows whether it is complete; its images are on disk before that.

Every shape that servers answer in: JSON and server-sent events (told apart by their first bytes, whatever
the headers say), `b64_json`, `url` as an address or a data URI, an error under any status, HTML, nothing.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Optional, Tuple, cast

from ..api.images import needs_more, sniff_format
from ..api.usage import read_svg_usage, read_usage
from ..base.errors import UsageError
from ..base.outcome import SvgUsage, Usage
from ..base.record import Record, replace
from ..base.untrusted import first_json, members
from ..outputs.collect import ImageCollector
from ..outputs.findings import ImageFinder, is_image_file
from ..outputs.image_text import ImageText
from ..outputs.store import ImageWriter, Spool
from ..settings.poll import Poll
from ..wire.json_stream import JsonSplitter, Place, StringSink, json_escaped
from ..wire.messages import ResponseHead
from ..wire.sse import SseSplitter
from .server_error import ServerError, read_server_error
from .task import TASK_ACCEPTED, Task, TaskState

_EVENT_BYTES = 1 << 20
#: No stream has so many: what follows them is kept unread, which is quick.
_MOST_EVENTS = 100_000
_LEADING_BLANKS = b" \t\r\n"
_BOM = b"\xef\xbb\xbf"
_URI_START = b"data:image/"
_LAST_EVENTS = ("response.completed", "response.failed", "response.incomplete", "error")
_SSE_STARTS = (b"data:", b"event:", b"id:", b"retry:", b":")
_PHP_NOTICE = b"<br"  # with which a warning of the relay's own begins, before what it passes on
_TYPE = rb'"type"\s*:\s*"([^"\\]*)"'
_PARTIAL_INDEX = rb'"partial_image_index"\s*:\s*(\d{1,9})'
_NAMES_TASK = r"(?i)\"(?:task|job)_?id\"\s*:\s*[\"\d]"
_TITLE = r"(?is)<title[^>]{0,200}>(.{0,1000}?)</title>"
_TITLE_CHARS = 1 << 16  # so far it is looked for
_MOST_UNDECIDED = 32  # each holds a file open; more in one event are no previews
#: The fields of answers and events with images, as the API documents them: neither task nor error.
_OF_IMAGES = (
    r"b64_json|background|created(_at)?|data|model|output_format|partial_image_index|quality|revised_prompt|size"
    r"|type|url|usage"
)


class Answer(Record):
    """What a body held besides its images.

    `shape` is `json`, `sse`, `html`, `image`, `empty` or `other`. `complete` says whether it ended as its
    format ends. `urls` are the addresses of images that were not sent themselves. `task` is what it tells of
    where it is not the answer itself.
    """

    shape: str = "empty"
    complete: bool = False
    error: Optional[ServerError] = None
    urls: Tuple[str, ...] = ()
    usage: Optional[Usage] = None
    svg_usage: Optional[SvgUsage] = None
    task: Optional[Task] = None
    title: str = ""
    text: str = ""


def of_results(answer: Answer, status: int) -> Answer:
    """The answer without addresses that are those of a refusal's documentation. A gateway that chokes after
    the work says so under a status that would be sent again: what it passes on then is a result."""
    is_refusal = status >= 300 and (answer.error is not None or not (status in (408, 429) or status >= 500))
    return replace(answer, urls=()) if is_refusal else answer


class AnswerReader:
    """Reads one body: `feed` its chunks, then `close`.

    `poll` says where a host tells of its tasks, `task_id` of which one it is asked. A stream is over when
    `asked` images have come.
    """

    def __init__(
        self,
        collector: ImageCollector,
        spool: Spool,
        poll: Optional[Poll] = None,
        asked: int = 1,
        task_id: str = "",
    ) -> None:
        self._asked = asked
        self._task_id = task_id
        self._collector = collector
        self._spool = spool
        self._poll = poll
        self._head = b""
        self._feed: Optional[Callable[[bytes], None]] = None
        self._shape = "empty"
        self._sse: Optional[SseSplitter] = None
        self._events = 0
        self._finder = ImageFinder(collector, self._keep_text, self._image_ended, poll.images if poll else "")
        self._json = JsonSplitter(self._wants, self._keep)
        self._body: Optional[ImageText] = None  # of an answer that is no JSON
        self._document = bytearray()  # the JSON under way, without its images
        self._undecided: List[
            Tuple[ImageWriter, Tuple[str, ...]]
        ] = []  # whole, but not yet known to be final or previews
        self._answer = Answer()
        self._is_done = False  # by the word that ends streams of chat
        self._hinted: Optional[Task] = None  # by an event that names none: it counts where nothing else came
        self._status = 0
        #: That what reads other words than the API's own does not lie beside the script.
        self._alone: Optional[UsageError] = None
        #: Whether all has come, although the connection is still open.
        self.is_over = False

    def head_came(self, head: ResponseHead) -> None:
        """Status and headers, which come before the body."""
        self._status = head.status

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
        """What the body was, once it has ended or been cut.

        Raises:
            UsageError: it holds no image, and what could tell why does not lie beside the script.
        """
        if self._feed is None and self._choose(self._head, at_end=True):
            assert self._feed is not None
            self._feed(self._head)
        if self._shape == "json":
            self._document_ended()
        elif self._shape == "sse":
            self._event_ended()
        elif self._body is not None:
            self._body(None)
        self._finder.close()
        self._finish_undecided()
        text = self._spool.text() if self._shape != "empty" else ""
        title = re.search(_TITLE, text[:_TITLE_CHARS]) if self._shape == "html" else None
        has_images, error, task = bool(self._collector.images), self._answer.error, self._answer.task
        urls = self._finder.addresses(has_images, self._asked)
        if task is not None and task.state is TaskState.UNDER_WAY:
            # Where only its id tells of a task, an image says more; an address may be where to ask.
            asks = task.addresses if len(urls) == 1 and not self._task_id else ()
            images = (url for url in urls if is_image_file(url) or not (task.id in url or url in asks))
            urls = () if task.is_told else tuple(images)
            task = None if urls else task
        if not urls:
            self._collector.nothing_else_came()
        has_any, in_stream = has_images or bool(urls), self._shape == "sse"
        is_silent = not (has_any or task or error or self._finder.said)
        if is_silent and self._hinted is not None and self._hinted.state is TaskState.UNDER_WAY:
            task = self._hinted
        alone = self._finder.alone or self._alone
        goes_on = in_stream and task is not None and task.is_told and task.state is TaskState.UNDER_WAY
        if alone is not None and error is not None and re.search(_NAMES_TASK, text[:_TITLE_CHARS]):
            raise alone  # what goes on may be a task, and would be paid for twice
        if error is None and not self._collector.images and not urls:
            if task is not None and task.state is TaskState.FAILED:
                error = ServerError(task.reason or f"the task ended as {task.status}")
            elif alone is not None and self._status < 300:
                raise alone
            elif self._finder.said and not goes_on:
                error = ServerError(f"words came instead of an image: {self._finder.said}")
        return replace(
            self._answer,
            shape=self._shape,
            complete=self._answer.complete
            or (self._is_done and has_any)
            or self._shape not in ("json", "sse", "empty"),
            urls=urls,
            error=error,
            task=task,
            title=title.group(1) if title else "",
            text=text,
        )

    def _choose(self, head: bytes, at_end: bool = False) -> bool:
        """Picks the way to read the body by its first bytes; False while there are too few."""
        if not head:
            return False
        is_uri = head[: len(_URI_START)].lower() == _URI_START[: len(head)]
        is_short = len(head) < len(_URI_START) if is_uri else needs_more(head)
        if head[:1] in (b"{", b"[", b'"'):
            self._shape, self._feed = "json", self._json.feed
        elif head.startswith(_SSE_STARTS) and not is_uri:
            self._sse = SseSplitter(self._json_data, self._event_ended)
            self._shape, self._feed = "sse", self._sse.feed
        elif is_short and not at_end:
            return False
        elif head[:1] == b"<" and not head.startswith(_PHP_NOTICE) and sniff_format(head) is None:
            self._shape, self._feed = "html", self._spool.write
        else:
            self._read_as_text()
        return True

    def _read_as_text(self) -> None:
        """The body is one text, or an image itself."""
        self._body = body = self._finder.text(Place((), 0))
        self._shape, self._feed = "other", body

    def _wants(self, place: Place) -> Optional[StringSink]:
        if place.path not in (("error",), ("error", "message")):
            return self._finder.wants(place)
        quoted = AnswerReader(self._collector, self._spool, asked=self._asked)
        try:
            from .elsewhere import ErrorWords

            return ErrorWords(self._keep_text, quoted, self._quote_ended)
        except UsageError:  # the script lies alone
            return self._finder.wants(place)

    def _quote_ended(self, quoted: Answer) -> None:
        self._answer = replace(self._answer, usage=_add_usage(self._answer.usage, quoted.usage))

    def _json_data(self, data: bytes) -> None:
        if self._events < _MOST_EVENTS:
            self._json.feed(data)
        else:
            self._spool.write(data)

    def _keep(self, data: bytes) -> None:
        self._spool.write(data)
        if len(self._document) <= _EVENT_BYTES:
            self._document += data

    def _keep_text(self, text: bytes, is_far: bool) -> None:
        """Keeps what a sink has found to be no image; in JSON it is a string again."""
        if self._body is not None:
            self._spool.write(text)
            return
        text = json_escaped(text)
        if is_far:
            self._spool.write(text)
        else:
            self._keep(text)

    def _image_ended(self, writer: ImageWriter, place: Tuple[str, ...], is_preview: bool) -> None:
        """Commits an image at once where it is known to be final; in an event that may show only later."""
        if is_preview:
            self._collector.preview(writer, 0)
        elif self._shape == "sse" and len(self._undecided) < _MOST_UNDECIDED and not self._is_completed():
            self._undecided.append((writer, place))
        else:
            self._collector.finish(writer, place)

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
        self._events += 1
        if self._is_preview():
            index = re.search(_PARTIAL_INDEX, self._document)
            for writer, _ in self._undecided:
                self._collector.preview(writer, int(index.group(1)) if index else 0)
            self._undecided = []
        else:
            self._finish_undecided()
        self._spool.write(b"\n")
        self._document_ended()
        self._document.clear()
        self._json = JsonSplitter(self._wants, self._keep)

    def _finish_undecided(self) -> None:
        undecided, self._undecided = self._undecided, []
        for writer, place in undecided:
            self._collector.finish(writer, place)

    def _document_ended(self) -> None:
        """Reads what is left of a document, or of an event's, when its images are out of it."""
        is_preview, is_last = self._is_preview(), self._is_last_event()
        has_all = self._is_completed() and len(self._collector.images) >= self._asked
        self.is_over = self.is_over or is_last or has_all
        document = first_json(bytes(self._document).decode("utf-8", "replace"))
        task, error = self._told_by(document)
        found = self._finder.document_ended(counts=error is None and not is_preview)
        if document is None and not is_last:
            return  # it was cut, is too long to be held, or nests too deep: what was seen of it counts
        self._answer = replace(
            self._answer,
            complete=self._answer.complete
            or self._shape == "json"
            or error is not None
            or (is_last and document is not None)
            or self._is_completed()
            or (found and not is_preview),
            error=self._answer.error or error,
            usage=_add_usage(self._answer.usage, read_usage(document)),
            svg_usage=read_svg_usage(document) or self._answer.svg_usage,
            task=task,
        )

    def _told_by(self, document: object) -> Tuple[Optional[Task], Optional[ServerError]]:
        """The task that a document, or an earlier event, tells of, and what it says went wrong."""
        task, is_accepted = self._answer.task, self._status == TASK_ACCEPTED
        is_special = is_accepted or self._poll is not None or self._task_id
        says_nothing = not document or isinstance(document, (str, float, int)) or _is_of_images(document)
        if says_nothing and not is_special:
            return task, None
        try:
            from .task_words import hinted_task, read_task

            in_stream = self._shape == "sse"
            self._hinted = (hinted_task(document) if in_stream else None) or self._hinted
            task = read_task(document, is_accepted, self._poll, self._task_id, in_stream) or task
        except UsageError as alone:
            self._alone = alone
        return task, read_server_error(document, task)

    def _is_last_event(self) -> bool:
        """Whether nothing comes after an event, however long the connection stays open."""
        if self._shape != "sse":
            return False
        is_end = any(kind in _LAST_EVENTS for kind in self._event_kinds())
        self._is_done = self._is_done or bytes(self._document[:20]).strip() == b"[DONE]"
        return is_end or self._is_done


def _is_of_images(document: object) -> bool:
    """Whether a document has the form of the API's answers and events with images, and nothing more."""
    fields = members(document)
    items: Any = fields.get("data", [fields])
    return (
        _has_known_fields(fields) and isinstance(items, list) and all(map(_is_image, cast(List[Any], items)))
    )


def _is_image(item: object) -> bool:
    fields = members(item)
    return _has_known_fields(fields) and any(
        isinstance(fields.get(name), str) for name in ("b64_json", "url")
    )


def _has_known_fields(fields: Dict[str, Any]) -> bool:
    return all(re.fullmatch(_OF_IMAGES, name) for name in fields)


def _add_usage(one: Optional[Usage], other: Optional[Usage]) -> Optional[Usage]:
    if one is None or other is None:
        return one or other
    return one + other
