"""The client for programs that wait for their images, in one thread or in many."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generator, Iterable, Iterator, List, Optional, Type

from ..core.api.cost import CostEstimate
from ..core.settings.config import Settings
from .call import EDIT_NAMES, GENERATE_NAMES, ImageCall, estimated, in_our_words, read_call, read_stream
from .caller import Caller
from .events import Event, Finished
from .options import (
    BatchOptions,
    ClientOptions,
    EditOptions,
    GenerateOptions,
    ImageInputs,
    RequestOptions,
    StreamOptions,
)
from .outcome import Result
from .running import told_by
from .signatures import takes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .batch import JobLike, JobOutcome
    from .options import PathLike
    from .records import Moment, PastCall, ResumedCall, Spend

_ANY_PROMPT = "-"


class Client:
    """Makes calls under one configuration: that of the command, unless the arguments say otherwise.

    Safe for threads. As a context manager it is closed at the end: what is still under way then ends as by
    Ctrl-C, and what has arrived is kept.

    Example:
        with gpt_image2.Client(timeout_s=300) as client:
            result = client.generate("A red fox", quality="low")
            print(result.image.width, result.cost_usd, result.billed.value)

    Raises:
        ConfigError: the configuration is unusable; a missing key shows only when something is sent.
        UsageError: an argument has a type or a value that it cannot have.
    """

    @takes(ClientOptions)
    def __init__(self, **options: Unpack[ClientOptions]) -> None:
        self._caller = Caller("Client", options)

    @property
    def settings(self) -> Settings:
        """The settings in force: `base_url`, `model` and the like. Its repr shows no key."""
        return self._caller.core.settings

    @property
    def rescue_folder(self) -> Path:
        """Where images go that their output does not take, and answers that hold none."""
        return self._caller.core.rescue_folder

    @takes(GenerateOptions)
    def generate(self, prompt: str, **options: Unpack[GenerateOptions]) -> Result:
        """Images from a text.

        Example:
            client = gpt_image2.Client()
            result = client.generate("A red fox", output="fox.png", size="landscape", quality="low")
            print(result.image.path)

        Raises:
            UsageError: an argument is wrong, or the call may cost more than `max_cost_usd`; nothing was sent.
            GptImage2Error: the call failed: `billed` says whether it may cost, `result` holds the images that
                were saved all the same.
        """
        return self._make(read_call("generate", prompt, options, GENERATE_NAMES))

    @takes(EditOptions)
    def edit(self, image: ImageInputs, prompt: str, **options: Unpack[EditOptions]) -> Result:
        """Images from one or more images and a text. An image is a path, an http(s) address, bytes, a binary
        file or a picture of Pillow.

        Example:
            client = gpt_image2.Client()
            fox = client.generate("A red fox", quality="low").image
            result = client.edit(fox.bytes(), "It wears a hat", quality="low")
            picture = result.image.pil()
            print(picture.size)

        Raises:
            UsageError: an argument or an input is wrong; nothing was sent.
            GptImage2Error: as for `generate`.
        """
        return self._make(read_call("edit", prompt, options, EDIT_NAMES, image=image))

    @takes(StreamOptions)
    def stream(self, prompt: str, **options: Unpack[StreamOptions]) -> Iterator[Event]:
        """What happens while images are made, as it happens; the last is `Finished`, with the result.

        The answer streams: previews (`PartialImage`) come while the model works, one unless `partial_images`
        says otherwise. With `image` it is an edit. Nothing is sent before the first event is asked for. Who
        stops iterating ends the call, as Ctrl-C does.

        Example:
            client = gpt_image2.Client()
            for event in client.stream("A red fox", quality="low", partial_images=2):
                if isinstance(event, gpt_image2.PartialImage):
                    print("preview", event.partial_image_index, event.image.size_bytes)
                elif isinstance(event, gpt_image2.Finished):
                    print(event.result.image)

        Raises:
            UsageError: an argument is wrong; nothing was sent.
            GptImage2Error: the call failed, as for `generate`; raised where the next event would come.
        """
        return self._events(read_stream(prompt, options))

    @takes(RequestOptions)
    def estimate(
        self, prompt: str = "", *, input_images: int = 0, **options: Unpack[RequestOptions]
    ) -> Optional[CostEstimate]:
        """What a call would cost (`low_usd`, `high_usd`), with so many input images; nothing is sent. None
        where the price is not known.

        Example:
            cost = gpt_image2.Client().estimate("A red fox", size="4k", quality="high", n=2)
            print(f"up to ${cost.high_usd:.2f}")

        Raises:
            UsageError: an argument is wrong.
        """
        return estimated(self._caller.core, prompt, input_images, options)

    @takes(BatchOptions)
    def batch(
        self, jobs: Iterable[JobLike], out_dir: PathLike, **options: Unpack[BatchOptions]
    ) -> Iterator[JobOutcome]:
        """Makes the images of many jobs side by side, and yields how each ended, as it ends.

        A job is a prompt or a dict (see `Job`). It is `batch run` of the command: the pace is the server's,
        the folder `out_dir` has a journal by which a second run makes only what is missing, and nothing is
        sent twice that may have been billed. All jobs are read and checked before the first is sent, and
        nothing is sent before the first outcome is asked for. Who stops iterating starts nothing more, and
        waits for what is under way: it is paid for.

        Example:
            jobs = ["A red fox", {"prompt": "A blue whale", "id": "whale", "size": "landscape"}]
            for outcome in gpt_image2.Client().batch(jobs, "animals", quality="low", max_cost_usd=1):
                print(outcome.index, outcome.status, [image.path for image in outcome.images])

        Raises:
            UsageError: a job or an argument is wrong; nothing was sent.
            GptImage2Error: nothing can be sent. How a job fails is in its outcome, and is not raised.
        """
        from .batch import BatchWork

        return self._outcomes(BatchWork(jobs, out_dir, options))

    def history(
        self, search: Optional[str] = None, *, since: Optional[Moment] = None, limit: Optional[int] = 20
    ) -> List[PastCall]:
        """The requests of this machine, newest first: those whose prompt or image path holds `search`, from
        `since` on (a datetime, a timedelta back from now, or a text such as `7d`), at most `limit`.

        Example:
            client = gpt_image2.Client()
            client.generate("A red fox", output="fox.png", quality="low")
            for call in client.history("fox", since="7d"):
                print(call.id, call.started_at, call.prompt, call.cost_usd)

        Raises:
            UsageError: an argument is wrong.
            LedgerError: the history cannot be read.
        """
        from .records import past_calls

        with in_our_words():
            return past_calls(self._caller.core, search, since, limit)

    def spend(self, by: str = "day", *, since: Optional[Moment] = None) -> Spend:
        """What the requests of this machine cost, by `day`, `model`, `host` or `quality`.

        Example:
            spend = gpt_image2.Client().spend("model", since="30d")
            print(spend.total.requests, spend.total.cost_usd)

        Raises:
            UsageError: an argument is wrong.
            LedgerError: the history cannot be read.
        """
        from .records import spent

        with in_our_words():
            return spent(self._caller.core, by, since)

    def resume(self, id: str = "", *, wait: bool = True) -> List[ResumedCall]:  # noqa: A002
        """Finishes calls that were killed, could not fetch an image, or wait for a host's task: all, or the
        one with that id. Asks for no image, so it costs nothing. Without `wait` each task is asked after
        once.

        Example:
            for call in gpt_image2.Client().resume():
                print(call.id, [image.path for image in call.images], call.task_id)

        Raises:
            GptImage2Error: nothing can be asked for.
        """
        from .records import resumed_calls

        with self._caller.under_way() as stop, in_our_words():
            return resumed_calls(self._caller.core, stop, id, wait)

    @classmethod
    @contextmanager
    def sandbox(
        cls, *, latency_s: float = 0.0, **options: Unpack[ClientOptions]
    ) -> Generator[Client, None, None]:
        """A client of an offline sandbox that runs in this context: nothing leaves the machine or costs
        anything, and nothing is recorded in your home folder. Each call takes `latency_s` seconds. For tests
        there is the fixture `gpt_image2_sandbox`. Needs the package with `[sandbox]`.

        Example:
            with gpt_image2.Client.sandbox() as client:
                assert client.generate("A red fox").sandbox

        Raises:
            UsageError: the sandbox is not installed.
        """
        from ..core.outputs.files import temporary_folder
        from .testing import sandbox

        with ExitStack() as stack:
            running = stack.enter_context(sandbox(stack.enter_context(temporary_folder()), latency_s))
            yield stack.enter_context(cls(**{"env": running.env, **options}))

    def stop(self) -> None:
        """Ends all calls under way, as Ctrl-C does: from another thread, or in an observer. What has arrived
        is kept; each call raises `InterruptedCall`."""
        self._caller.stop()

    def close(self) -> None:
        """Ends all calls under way and waits for their end; the client makes no more."""
        self._caller.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def _make(self, call: ImageCall) -> Result:
        with self._caller.under_way() as stop:
            return self._caller.hand_over(call, self._caller.send(call, stop))

    def _events(self, call: ImageCall) -> Generator[Event, None, None]:
        sent = yield from told_by(self._caller, partial(self._caller.send_and_tell, call))
        result = self._caller.hand_over(call, sent)
        yield Finished(result, result.elapsed_s)

    def _outcomes(self, work: Any) -> Generator[JobOutcome, None, None]:
        yield from told_by(self._caller, partial(work.run, self._caller.core), drains=True)


@takes(GenerateOptions)
def generate(prompt: str, **options: Unpack[GenerateOptions]) -> Result:
    """`Client().generate(…)`: images from a text, by the configuration that is found.

    Example:
        result = gpt_image2.generate("A red fox", output="fox.png", quality="low")
        print(result.image.path, result.cost_usd)

    Raises:
        GptImage2Error: as `Client` and `Client.generate`.
    """
    return Client().generate(prompt, **options)


@takes(EditOptions)
def edit(image: ImageInputs, prompt: str, **options: Unpack[EditOptions]) -> Result:
    """`Client().edit(…)`: images from images and a text, by the configuration that is found.

    Example:
        gpt_image2.generate("A red fox", output="fox.png", quality="low")
        result = gpt_image2.edit("fox.png", "It wears a hat", output="hat.png", quality="low")
        print(result.image.path)

    Raises:
        GptImage2Error: as `Client` and `Client.edit`.
    """
    return Client().edit(image, prompt, **options)


@takes(StreamOptions)
def stream(prompt: str, **options: Unpack[StreamOptions]) -> Iterator[Event]:
    """`Client().stream(…)`: what happens while images are made.

    Example:
        for event in gpt_image2.stream("A red fox", quality="low"):
            print(type(event).__name__)

    Raises:
        GptImage2Error: as `Client` and `Client.stream`.
    """
    return Client().stream(prompt, **options)
