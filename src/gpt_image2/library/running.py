"""Work in a thread of its own that tells what happens: from a call that blocks to `for` and `await`."""

from __future__ import annotations

import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Callable, Generator, Generic, List, Optional, TypeVar, Union

from ..core.base.errors import InterruptedCall
from ..core.base.interrupt import StopSwitch
from .caller import STOPPED, Caller

T = TypeVar("T")
E = TypeVar("E")

_WAIT_S = 0.5


class Ended:
    """The last that is told: the work has ended."""


class Running(Generic[E, T]):
    """`work`, which is given its switch and whom to tell, in a thread; `deliver` is given what is told, and
    `Ended` at last."""

    def __init__(
        self,
        caller: Caller,
        work: Callable[[StopSwitch, Callable[[E], object]], T],
        deliver: Callable[[Union[E, Ended]], object],
    ) -> None:
        self._caller = caller
        self._work = work
        self._deliver = deliver
        self._results: List[T] = []
        self._error: Optional[BaseException] = None
        self.switch = StopSwitch()
        self._thread = threading.Thread(target=self._run, name="gpt-image2-call", daemon=True)
        caller.begin(self.switch)
        self._thread.start()

    @property
    def result(self) -> T:
        """What the work returned, once it has ended; what it raised is raised."""
        if self._error is not None:
            raise self._error
        return self._results[0]

    @property
    def error(self) -> Optional[BaseException]:
        """What the work raised."""
        return self._error

    @property
    def has_result(self) -> bool:
        """Whether the work has ended well."""
        return bool(self._results)

    def stop(self) -> None:
        """Ends the work as Ctrl-C does."""
        self.switch.stop(STOPPED)

    def drain(self) -> None:
        """Lets end what is under way, and begin nothing more, where the work knows the difference."""
        with suppress(InterruptedCall):  # it has ended by itself
            self.switch.on_signal(STOPPED, None)

    def join(self) -> None:
        """Waits for the end of the work."""
        while self._thread.is_alive():
            self._thread.join(_WAIT_S)  # in slices, so that signals are heard everywhere

    def _run(self) -> None:
        try:
            self._results.append(self._work(self.switch, self._deliver))
        except BaseException as error:
            self._error = error
        finally:
            self._caller.end(self.switch)
            self._deliver(Ended())


def told_by(
    caller: Caller, work: Callable[[StopSwitch, Callable[[E], object]], T], drains: bool = False
) -> Generator[E, None, T]:
    """Does the work while it is iterated over, and yields what it tells; returns its result.

    Whoever stops iterating ends the work: with `drains` what is under way still ends, but for an interrupt.
    """
    news: SimpleQueue[Union[E, Ended]] = SimpleQueue()
    running: Running[E, T] = Running(caller, work, news.put)
    try:
        while True:
            try:
                told = news.get(timeout=_WAIT_S)
            except Empty:  # in slices, so that signals are heard everywhere
                continue
            if isinstance(told, Ended):
                return running.result
            yield told
    except GeneratorExit:
        if drains:
            running.drain()
        else:
            running.stop()
        raise
    except BaseException:
        running.stop()
        raise
    finally:
        running.join()
