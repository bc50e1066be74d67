"""The client for programs of asyncio: the calls of core, each in a thread, awaited and cancelled."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from functools import partial
from types import TracebackType
from typing import (
    TYPE_CHECKING,
    Any,
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterable,
    List,
    Optional,
    Type,
    TypeVar,
    Union,
)
from weakref import WeakKeyDictionary

from ..core.api.cost import CostEstimate
from ..core.base.interrupt import StopSwitch
from ..core.base.outcome import Result as CoreResult
from ..core.batch.options import MAX_CONCURRENCY
from ..core.settings.config import Settings
from .arguments import value_of
from .call import EDIT_NAMES, GENERATE_NAMES, ImageCall, estimated, in_our_words, read_call, read_stream, told
from .caller import STOPPED, Caller
from .errors import GptImage2Error, InterruptedCall, UsageError
from .events import Event, Finished, Observer
from .options import (
    BatchOptions,
    EditOptions,
    GenerateOptions,
    ImageInputs,
    PaceOptions,
    RequestOptions,
    StreamOptions,
)
from .outcome import Result
from .pace import Pace
from .running import Ended, Running
from .signatures import takes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .batch import JobLike, JobOutcome
    from .options import PathLike
    from .records import Moment, PastCall, ResumedCall, Spend

DEFAULT_CONCURRENCY = 16
#: What became of the call of a task that was cancelled: `gather` puts an error of its own in place of ours.
_CANCELLED: WeakKeyDictionary[asyncio.Future[Any], GptImage2Error] = WeakKeyDictionary()
T = TypeVar("T")
E = TypeVar("E")


class AsyncClient:
    """`Client` for asyncio: the same methods, awaited.

    Cancelling the task of a call, or the end of its `wait_for`, ends the call as Ctrl-C does: `curl` has
    ended and what has arrived is kept when the `CancelledError` goes on; what became of the call is told by
    `cancelled_call(error)`: its `billed`, and in its `result` the images that were saved.

    Many calls at once share one pace: `concurrency` of them run side by side, as fast as the server lets
    them, and what it refuses for the time being goes again. `timeout_s` counts from when a call is sent.
    An `observer` is called in the event loop.

    Example:
        async def main():
            async with gpt_image2.AsyncClient(concurrency=8) as client:
                prompts = ["A red fox", "A blue whale"]
                results = await asyncio.gather(*(client.generate(p, quality="low") for p in prompts))
            for result in results:
                print(result.image)

        asyncio.run(main())

    Raises:
        ConfigError: the configuration is unusable; a missing key shows only when something is sent.
        UsageError: an argument has a type or a value that it cannot have.
    """

    @takes(PaceOptions)
    def __init__(self, **options: Unpack[PaceOptions]) -> None:
        self._concurrency: int = value_of("concurrency", options.pop("concurrency", DEFAULT_CONCURRENCY))
        if not 1 <= self._concurrency <= MAX_CONCURRENCY:
            raise UsageError(
                f"`concurrency` is {self._concurrency}; it must be from 1 to {MAX_CONCURRENCY}",
                hint=f"the default is {DEFAULT_CONCURRENCY}",
            )
        per_minute: Optional[float] = value_of("images_per_minute", options.pop("images_per_minute", None))
        if per_minute is not None and not 0 < per_minute < float("inf"):
            raise UsageError(
                f"`images_per_minute` is {per_minute}; it must be more than 0",
                hint="leave it out to learn it",
            )
        given: Any = options
        self._caller = Caller("AsyncClient", given)
        self._caller.pace = Pace(per_minute)
        self._caller.observer = self._heard_in_loop(self._caller.observer)
        self._places: Optional[asyncio.Semaphore] = None
        self._loop: Optional[asyncio.AbstractEventLoop] = None

    @property
    def settings(self) -> Settings:
        """The settings in force: `base_url`, `model` and the like. Its repr shows no key."""
        return self._caller.core.settings

    @takes(GenerateOptions)
    async def generate(self, prompt: str, **options: Unpack[GenerateOptions]) -> Result:
        """Images from a text; see `Client.generate`.

        Example:
            async def main():
                async with gpt_image2.AsyncClient() as client:
                    try:
                        await asyncio.wait_for(client.generate("A red fox"), timeout=60)
                    except asyncio.TimeoutError as error:
                        print(gpt_image2.cancelled_call(error).billed)

            asyncio.run(main())

        Raises:
            GptImage2Error: as `Client.generate`.
            CancelledError: the task was cancelled; see `cancelled_call`.
        """
        return await self._make(read_call("generate", prompt, options, GENERATE_NAMES))

    @takes(EditOptions)
    async def edit(self, image: ImageInputs, prompt: str, **options: Unpack[EditOptions]) -> Result:
        """Images from images and a text; see `Client.edit`.

        Raises:
            GptImage2Error: as `Client.edit`.
            CancelledError: the task was cancelled; see `cancelled_call`.
        """
        return await self._make(read_call("edit", prompt, options, EDIT_NAMES, image=image))

    @takes(StreamOptions)
    def stream(self, prompt: str, **options: Unpack[StreamOptions]) -> AsyncIterator[Event]:
        """What happens while images are made, as it happens; see `Client.stream`. Who stops iterating before
        its end closes it by `aclose()`, as `contextlib.aclosing` does, to end the call there and then.

        Example:
            async def main():
                async with gpt_image2.AsyncClient() as client:
                    async for event in client.stream("A red fox", quality="low"):
                        print(type(event).__name__)

            asyncio.run(main())

        Raises:
            GptImage2Error: as `Client.stream`.
        """
        return self._events(read_stream(prompt, options))

    @takes(BatchOptions)
    def batch(
        self, jobs: Iterable[JobLike], out_dir: PathLike, **options: Unpack[BatchOptions]
    ) -> AsyncIterator[JobOutcome]:
        """Makes the images of many jobs, and yields how each ended; see `Client.batch`, whose pace it has.

        Example:
            async def main():
                async with gpt_image2.AsyncClient() as client:
                    async for outcome in client.batch(["A red fox", "A blue whale"], "animals"):
                        print(outcome.index, outcome.status)

            asyncio.run(main())

        Raises:
            GptImage2Error: as `Client.batch`.
        """
        from .batch import BatchWork

        return self._outcomes(BatchWork(jobs, out_dir, options))

    @takes(RequestOptions)
    async def estimate(
        self, prompt: str = "", *, input_images: int = 0, **options: Unpack[RequestOptions]
    ) -> Optional[CostEstimate]:
        """What a call would cost; see `Client.estimate`."""
        return estimated(self._caller.core, prompt, input_images, options)

    async def history(
        self, search: Optional[str] = None, *, since: Optional[Moment] = None, limit: Optional[int] = 20
    ) -> List[PastCall]:
        """The requests of this machine; see `Client.history`."""
        from .records import past_calls

        with in_our_words():
            return await self._in_thread(
                lambda _stop, _tell: past_calls(self._caller.core, search, since, limit)
            )

    async def spend(self, by: str = "day", *, since: Optional[Moment] = None) -> Spend:
        """What the requests of this machine cost; see `Client.spend`."""
        from .records import spent

        with in_our_words():
            return await self._in_thread(lambda _stop, _tell: spent(self._caller.core, by, since))

    async def resume(self, id: str = "", *, wait: bool = True) -> List[ResumedCall]:  # noqa: A002
        """Finishes calls that were killed or wait for a host's task; see `Client.resume`."""
        from .records import resumed_calls

        with in_our_words():
            return await self._in_thread(lambda stop, _tell: resumed_calls(self._caller.core, stop, id, wait))

    @classmethod
    @asynccontextmanager
    async def sandbox(
        cls, *, latency_s: float = 0.0, **options: Unpack[PaceOptions]
    ) -> AsyncGenerator[AsyncClient, None]:
        """A client of an offline sandbox that runs in this context; see `Client.sandbox`.

        Example:
            async def main():
                async with gpt_image2.AsyncClient.sandbox() as client:
                    assert (await client.generate("A red fox")).sandbox

            asyncio.run(main())
        """
        from ..core.outputs.files import temporary_folder
        from .testing import sandbox

        with temporary_folder() as home, sandbox(home, latency_s) as running:
            given: Any = {"env": running.env, **options}
            async with cls(**given) as client:
                yield client

    def stop(self) -> None:
        """Ends all calls under way, as Ctrl-C does; each raises `InterruptedCall`."""
        self._caller.stop()

    async def aclose(self) -> None:
        """Ends all calls under way and waits for their end; the client makes no more."""
        await asyncio.get_running_loop().run_in_executor(None, self._caller.close)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        await self.aclose()

    async def _make(self, call: ImageCall) -> Result:
        async with self._place():
            sent = await self._in_thread(lambda stop, _tell: self._caller.send(call, stop))
        # From here on nothing is awaited: the images are handed over, or were never taken from the disk.
        return self._caller.hand_over(call, sent)

    async def _events(self, call: ImageCall) -> AsyncGenerator[Event, None]:
        async with self._place():
            running: _Awaited[Event, CoreResult] = _Awaited(
                self._caller, partial(self._caller.send_and_tell, call)
            )
            async for event in running.news():
                yield event
        result = self._caller.hand_over(call, running.result)
        yield Finished(result, result.elapsed_s)

    async def _outcomes(self, work: Any) -> AsyncGenerator[JobOutcome, None]:
        running: _Awaited[JobOutcome, None] = _Awaited(
            self._caller, partial(work.run, self._caller.core), drains=True
        )
        async for outcome in running.news():
            yield outcome
        _ = running.result  # or what it raised

    async def _in_thread(self, work: Callable[[StopSwitch, Callable[[Any], object]], T]) -> T:
        """What the work returns. Cancelling this ends the work, and waits for its end."""
        running: _Awaited[Any, T] = _Awaited(self._caller, work)
        async for _ in running.news():
            pass
        return running.result

    @asynccontextmanager
    async def _place(self) -> AsyncGenerator[None, None]:
        """One of the places for calls, once it is free. They are those of the loop that runs: a client may be
        used in one loop after the other."""
        loop = asyncio.get_running_loop()
        if self._places is None or self._loop is not loop:
            self._loop, self._places = loop, asyncio.Semaphore(self._concurrency)
        places = self._places
        try:
            await places.acquire()
        except asyncio.CancelledError as cancelled:
            never = InterruptedCall(
                "cancelled while it waited for its turn; nothing was sent", signum=STOPPED
            )
            raise _told_by_task(cancelled, never) from never
        try:
            yield
        finally:
            places.release()

    def _heard_in_loop(self, observer: Optional[Observer]) -> Optional[Observer]:
        """The observer as threads may call it."""
        if observer is None:
            return None

        def hear(event: Event) -> None:
            with suppress(RuntimeError):  # the loop is closed
                if self._loop is not None:
                    self._loop.call_soon_threadsafe(observer, event)

        return hear


class _Awaited(Running[E, T]):
    """Work in a thread, for a task of the loop that runs."""

    def __init__(
        self, caller: Caller, work: Callable[[StopSwitch, Callable[[E], object]], T], drains: bool = False
    ) -> None:
        self._news: asyncio.Queue[Union[E, Ended]] = asyncio.Queue()
        self._drains = drains
        loop = asyncio.get_running_loop()

        def deliver(told: Union[E, Ended]) -> None:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(self._news.put_nowait, told)

        super().__init__(caller, work, deliver)

    async def news(self) -> AsyncGenerator[E, None]:
        """What the work tells, until it has ended. Who stops iterating, or is cancelled, ends the work."""
        try:
            while True:
                told = await self._news.get()
                if isinstance(told, Ended):
                    return
                yield told
        except asyncio.CancelledError as cancelled:
            self.stop()
            await self._ended()
            became = self._what_became()
            raise _told_by_task(cancelled, became) from became
        except GeneratorExit:
            if self._drains:
                self.drain()
            else:
                self.stop()
            await self._ended()
            raise

    async def _ended(self) -> None:
        """Returns when the work has ended, however often the task is cancelled meanwhile."""
        while True:
            with suppress(asyncio.CancelledError):
                if isinstance(await self._news.get(), Ended):
                    return

    def _what_became(self) -> Optional[BaseException]:
        """How the work ended that was cancelled; that it ended well all the same is told as an error too."""
        if self.error is not None:
            return self.error
        result: Any = self.result
        if not isinstance(result, CoreResult):
            return None
        saved = f"{len(result.images)} images saved"
        late = InterruptedCall(
            f"cancelled when the call had ended; {saved}", signum=STOPPED, billed=result.billed
        )
        late.result = told(result)
        return late


def _told_by_task(
    cancelled: asyncio.CancelledError, became: Optional[BaseException]
) -> asyncio.CancelledError:
    """The error, once what became of the call is noted for its task too."""
    task = asyncio.current_task()
    if task is not None and isinstance(became, GptImage2Error):
        _CANCELLED[task] = became
    return cancelled


def cancelled_call(ended: Union[BaseException, asyncio.Future[Any]]) -> Optional[GptImage2Error]:
    """What became of a call that was cancelled: an `InterruptedCall` whose `billed` says whether it may cost,
    and whose `result` has the images that were saved.

    `ended` is the task that awaited the call, or the error that it ended with: `CancelledError`, or the
    `TimeoutError` of `asyncio.wait_for` or `asyncio.timeout` (Python 3.9 or newer). Of `gather` take the
    task: it puts an error of its own in the place of the task's. None where no call was cancelled.

    Example:
        async def main():
            async with gpt_image2.AsyncClient() as client:
                task = asyncio.ensure_future(client.generate("A red fox"))
                await asyncio.sleep(0.01)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                call = gpt_image2.cancelled_call(task)
                print(call and call.billed.value)

        asyncio.run(main())
    """
    if isinstance(ended, asyncio.Future):
        return _CANCELLED.get(ended)
    seen: List[BaseException] = []
    rest: List[Optional[BaseException]] = [ended]
    while rest:
        one = rest.pop(0)
        if isinstance(one, GptImage2Error):
            return one
        if one is not None and one not in seen:
            seen.append(one)
            rest += [one.__cause__, one.__context__]
    return None
