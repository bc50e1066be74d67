"""One request sent once: from an `ImageRequest` to what came back. Images are on disk before it returns."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Callable, List, Mapping, Optional, Tuple

from ..api.request import ImageRequest
from ..base.about import USER_AGENT
from ..base.errors import ConfigError, NetworkError
from ..base.interrupt import StopSwitch
from ..base.record import Record, replace
from ..outputs.collect import ImageCollector
from ..outputs.files import temporary_folder, write_private
from ..outputs.store import ImageWriter, Spool
from ..settings.config import Settings
from ..settings.places import state_folder
from ..wire.curl import Curl
from ..wire.messages import FormPart, HttpRequest, ResponseHead
from .download import DEFAULT_MAX_DOWNLOAD_BYTES
from .response import AnswerReader, of_results
from .retry import Attempt
from .task import TASK_ACCEPTED, Task, TaskState

_ANSWER_TEXT_BYTES = 16 << 20
#: More than is ever held back before it is known to be an image or none.
_MOST_UNREAD_BYTES = 1 << 15


class Host(Record):
    """A server as the settings name it, and the curl by which it is spoken to."""

    settings: Settings
    curl: Curl
    state_folder: Path

    @property
    def stop(self) -> StopSwitch:
        """What ends the calls that are under way."""
        return self.curl.stop


def host_of(settings: Settings, env: Mapping[str, str], stop: StopSwitch) -> Host:
    """The server of these settings."""
    return Host(settings, Curl(env, settings.secrets, stop), state_folder(env))


def send_once(
    host: Host,
    request: ImageRequest,
    collector: ImageCollector,
    spool: Spool,
    timeout_s: float,
    max_image_bytes: int = DEFAULT_MAX_DOWNLOAD_BYTES,
    on_head: Callable[[ResponseHead], object] = lambda _: None,
    on_sent: Callable[[bool], object] = lambda _: None,
) -> Attempt:
    """Sends the request and reads the answer to its end, or to where it was cut.

    `on_sent` is told whether the request may have left. What a defect of ours cannot read is received to
    its end and kept as it comes; only then the defect is raised.

    Raises:
        ConfigError: there is no key, or no usable curl; nothing was sent.
        NetworkError: the proxy is of an unknown kind; nothing was sent.
    """
    host.settings.require_key()
    reader = AnswerReader(collector, spool, host.settings.poll, request.count)

    def head_came(head: ResponseHead) -> None:
        reader.head_came(head)
        on_head(head)

    # What was read by the end of the last piece: that piece, the sizes of the images that were under way, and
    # the end of the text, of which some may not be in them yet.
    last: Optional[bytes] = None
    sizes: Mapping[ImageWriter, int] = {}
    text = b""

    def take(chunk: bytes) -> bool:
        nonlocal last, sizes, text
        reader.feed(chunk)
        spool.flush()
        is_over = reader.is_over
        last, sizes, text = chunk, collector.sizes, (text + chunk)[-_MOST_UNREAD_BYTES:]
        return is_over

    def salvage(chunk: bytes) -> None:
        nonlocal sizes, text
        if chunk is last:
            return  # it is in what was read
        with suppress(Exception):  # the rest is kept all the same
            for writer, size in sizes.items():
                text = writer.give_back(size, spool.write, text)
        spool.write(text + chunk)
        spool.flush()
        sizes, text = {}, b""

    with temporary_folder() as folder:
        http = _http_request(host.settings, request, folder, timeout_s)
        http = replace(http, max_bytes=answer_bound(request, max_image_bytes))
        on_sent(True)
        try:
            received = host.curl.receive(http, take, head_came, salvage)
        except (ConfigError, NetworkError):  # there is no curl, or no way, that could have carried it
            on_sent(False)
            raise
    status = received.head.status if received.head is not None else 0
    answer = of_results(reader.close(), status)
    by_head = _task_by_head(received.head)
    if by_head is not None and answer.error is not None and not (answer.error.code or answer.error.type):
        answer = replace(answer, error=None)  # words beside an accepted task
    attempt = Attempt(
        head=received.head,
        end=received.end,
        answer=answer,
        images=len(collector.images),
        kept_aside=collector.kept_aside,
        body_bytes=received.body_bytes,
        elapsed_s=received.elapsed_s,
    )
    task = _accepted(attempt, None if answer.error else by_head)
    if task is None or collector.images or answer.urls or collector.kept_aside:
        return attempt
    answer = replace(answer, error=None)  # words beside what goes on
    return replace(attempt, answer=answer, accepted=replace(task, state=TaskState.UNDER_WAY))


def _accepted(attempt: Attempt, by_head: Optional[Task]) -> Optional[Task]:
    """The task that an answer has accepted, None where it tells of none."""
    if attempt.answer.task is None and by_head is None:
        return None
    from .task_words import accepted_task

    return accepted_task(attempt, by_head)


def _task_by_head(head: Optional[ResponseHead]) -> Optional[Task]:
    """The task that an answer without a word of it has accepted."""
    if head is None or head.status != TASK_ACCEPTED:
        return None
    from .task_words import task_at

    return task_at(head)


def _http_request(settings: Settings, request: ImageRequest, folder: Path, timeout_s: float) -> HttpRequest:
    headers = settings.with_auth(("User-Agent", USER_AGENT), ("Accept", _accept(request)))
    url = settings.address(request.endpoint)
    format_field = settings.format_field
    if request.images:
        form = _text_parts(request, format_field, folder) + file_parts(request, settings.image_field)
        return HttpRequest(url, headers, timeout_s, form=form)
    body = folder / "body"
    write_private(body, request.json_body(format_field))
    headers = (*headers, ("Content-Type", "application/json"))
    return HttpRequest(url, headers, timeout_s, body_path=str(body))


def answer_bound(request: ImageRequest, max_image_bytes: int) -> int:
    """More bytes than any answer has that is one: each image and preview as base64, and the text around."""
    pictures = request.count * (1 + (request.partial_images or 0))
    return pictures * max_image_bytes * 4 // 3 + _ANSWER_TEXT_BYTES


def _accept(request: ImageRequest) -> str:
    return "text/event-stream, application/json" if request.stream else "application/json"


def _text_parts(request: ImageRequest, format_field: str, folder: Path) -> Tuple[FormPart, ...]:
    """The prompt goes through a private file, the other fields through curl's standard input."""
    parts: List[FormPart] = []
    for name, value in request.form_texts(format_field):
        if name == "prompt":
            path = folder / "prompt"
            with suppress(FileExistsError):
                write_private(path, value.encode("utf-8"))
            parts.append(FormPart(name, path=str(path)))
        else:
            parts.append(FormPart(name, text=value))
    return tuple(parts)


def file_parts(request: ImageRequest, image_field: str) -> Tuple[FormPart, ...]:
    """The images of a request as the parts of a form."""
    field = "image" if len(request.images) == 1 else image_field
    named = [(field, image) for image in request.images]
    named += request.beside
    return tuple(
        FormPart(name, path=image.path, filename=image.filename, mime_type=image.mime_type)
        for name, image in named
    )
