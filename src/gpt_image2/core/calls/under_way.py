"""A call, ready to run and under way: what is sent, where its images go, and what its requests share."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Callable, List, Mapping, Optional, Sequence, Tuple

from ..api.request import ImageRequest
from ..api.sizes import parse_size
from ..base.errors import UsageError
from ..base.events import Event, ImageSaved, Observer, TaskUnderWay, Warned
from ..base.outcome import SavedImage
from ..base.record import Record
from ..base.redact import show
from ..outputs.naming import OutputPlan, extension, folders_of, has_matching_extension
from ..settings.places import home_folder
from .exchange import Host
from .gate import Gate, SentRequest
from .task import Task, shown_task

DEFAULT_OUTPUT_STEM = "gpt-image2-output"


class PreparedCall(Record):
    """A call of which everything is checked that can be checked without sending: ready to run, or to show.

    `numbers` are those of the planned images that are asked for; None is all of them. `output` is what the
    history says of where they go, None for where the plan puts them. `then` has for the number of an image
    the picture that is to be made of it, and the commands that make it should the call be broken off.
    `wishes` are what is done with the pictures, by the names of the flags; in it `asked` are the fields of
    the request that this has changed, as they were.
    """

    request: ImageRequest
    plan: OutputPlan
    warnings: Tuple[str, ...]
    numbers: Optional[Tuple[int, ...]] = None
    output: Optional[str] = None
    then: Optional[Mapping[int, Tuple[str, str]]] = None
    wishes: Optional[Mapping[str, object]] = None


def default_output(env: Mapping[str, str], output_format: str) -> str:
    """Where an image goes whose place is not named.

    Raises:
        UsageError: there is no home folder.
    """
    suffix = "png" if output_format == "png" else extension(output_format)
    try:
        return str(home_folder(env) / f"{DEFAULT_OUTPUT_STEM}.{suffix}")
    except RuntimeError:  # HOME is not set, and the system knows no home of this user
        raise UsageError("there is no home folder to save to", hint="give -o FILE, or set HOME") from None


def folders_to_write(prepared: PreparedCall) -> Tuple[Path, ...]:
    """Every folder that will be written to.

    Raises:
        UsageError: a link of somebody else leads there.
    """
    try:
        return folders_of(prepared.plan, prepared.numbers or range(1, prepared.request.count + 1))
    except OSError as error:
        raise UsageError(
            f"cannot write the output: {error.strerror or error}",
            hint="choose another place with -o; nothing was sent",
            code="output_not_writable",
        ) from None


class CallPolicy(Record):
    """How a call is made. `timeout_s` bounds the whole call, retries and waits included.

    Without `waits_for_server` a call that the server asks to wait ends instead, with an error that says so;
    without `waits_for_tasks` one that the host accepts as a task ends with that.
    """

    timeout_s: float
    retries: int
    retry_ambiguous: bool
    max_download_bytes: int
    save_partials: bool
    waits_for_server: bool = True
    waits_for_tasks: bool = True


class CallUnderWay:
    """What the requests of one call share; `observer` hears what happens. `numbers` are those of the images
    that are asked for, by which the plan names them; None is 1, 2, 3 …; `then` is as in `PreparedCall`."""

    def __init__(
        self,
        host: Host,
        request: ImageRequest,
        plan: OutputPlan,
        policy: CallPolicy,
        observer: Observer,
        numbers: Optional[Sequence[int]] = None,
        then: Optional[Mapping[int, Tuple[str, str]]] = None,
    ) -> None:
        self._then = then
        self.host = host
        self.request = request
        self.plan = plan
        self.numbers = numbers or range(1, request.count + 1)
        self.policy = policy
        self.observer = observer
        self._lock = threading.Lock()
        self.warnings: List[str] = []
        self.attempts = 0
        self.started = time.monotonic()
        self.gate = Gate(plan, request.count, host.settings.secrets)
        #: The row of the ledger, 0 where there is none.
        self.row = 0
        #: Is told the id of a task as soon as the host has accepted it.
        self.on_accepted: Callable[[str], object] = lambda _: None

    def begin_sending(
        self, request: ImageRequest, numbers: Sequence[int], inputs: Sequence[str]
    ) -> SentRequest:
        """One more request is about to be sent, for the images with these numbers, from inputs with these
        SHA-256."""
        self.attempts += 1
        plan = self.plan
        return self.gate.begin(
            self.host.state_folder,
            {
                "id": self.row,
                "base_url": self.host.settings.base_url,
                "profile": self.host.settings.profile,
                "command": request.command,
                "model": request.model,
                "numbers": list(numbers),
                "inputs": inputs,
                "output": {
                    "folder": str(plan.folder),
                    "stem": plan.stem,
                    "suffix": plan.suffix,
                    "numbered": plan.numbered,
                },
                **({"then": self._then} if self._then else {}),
            },
        )

    @property
    def elapsed_s(self) -> float:
        """Seconds since the call began."""
        return time.monotonic() - self.started

    @property
    def remaining_s(self) -> float:
        """Seconds until the call's time is up."""
        return self.policy.timeout_s - self.elapsed_s

    def accepted(self, task: Task, sending: SentRequest, addresses: Sequence[str]) -> None:
        """The host has accepted a request as a task: from now on it can be asked after, whatever happens."""
        sending.note({"task": task.id, "ask": list(addresses)})
        with suppress(Exception):  # the call goes on as it goes on
            self.on_accepted(task.id)
        self.task_came(task)

    def task_came(self, task: Task) -> None:
        """Tells the observer how far a task is."""
        task = shown_task(task, self.host.settings.secrets)
        self.emit(TaskUnderWay(task.id, task.status, task.percent, self.elapsed_s))

    def emit(self, event: Event) -> None:
        """Tells the observer; lanes take turns."""
        try:
            with self._lock:
                self.observer(event)
        except Exception as defect:
            if not isinstance(event, Warned):
                self.warn(f"the observer failed: {type(defect).__name__}: {defect}")

    def warn(self, message: str) -> None:
        """Tells the observer, and keeps it for the result."""
        with self._lock:
            if message in self.warnings:
                return
            self.warnings.append(message)
        self.emit(Warned(message, self.elapsed_s))

    def saved(self, image: SavedImage, rescue_reason: str) -> None:
        """An image is on disk: says so, and what differs from what was asked for."""
        self.emit(ImageSaved(image, self.elapsed_s))
        name = show(image.path, limit=None)
        if rescue_reason:
            self.warn(f"the output could not be written ({rescue_reason}); the image was saved as {name}")
        asked_format = self.request.effective_format
        if image.format != asked_format:
            self.warn(f"asked for {asked_format}, got {image.format}: {name} holds {image.format} data")
        elif not rescue_reason and not has_matching_extension(image.path, image.format):
            self.warn(f"{name} holds {image.format} data, whatever its name says")
        asked_size = parse_size(self.request.effective_size)
        has_pixels = image.width is not None and image.format != "svg"
        if asked_size and has_pixels and (image.width, image.height) != asked_size:
            self.warn(f"asked for {self.request.effective_size}, got {image.width}x{image.height}: {name}")
