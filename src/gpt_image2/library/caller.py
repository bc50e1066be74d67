"""What `Client` and `AsyncClient` share: the settings, the calls under way, and one call from end to end."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Callable, Dict, Generator, Mapping, Optional

from ..core.base import events as core_events
from ..core.base import outcome as core
from ..core.base.errors import GptImage2Error, UsageError
from ..core.base.interrupt import StopSwitch
from ..core.calls.client import Client as CoreClient
from .arguments import as_arguments, read_arguments
from .call import ImageCall, handed_over, in_our_words, prepared
from .events import Event, Finished, Observer, heard
from .options import ClientOptions
from .outcome import Result

if TYPE_CHECKING:
    from .pace import Pace

CLIENT_NAMES = tuple(ClientOptions.__annotations__)
STOPPED = int(signal.SIGINT)


class Caller:
    """Makes calls under one configuration, from any thread.

    Raises:
        ConfigError: the configuration is unusable.
        UsageError: an argument has another type than is wanted.
    """

    def __init__(self, function: str, given: Mapping[str, Any]) -> None:
        options = read_arguments(function, given, CLIENT_NAMES)
        self.observer: Optional[Observer] = options.pop("observer", None)
        if self.observer is not None and not callable(self.observer):
            raise UsageError("`observer` must be callable", hint="it is called with each event")
        with in_our_words():
            self.core = CoreClient(**options)
        self._waits_for_server: bool = options.get("waits_for_server", True)
        #: That of all calls together, where they share one.
        self.pace: Optional[Pace] = None
        self._lock = threading.Lock()
        self._running: Dict[StopSwitch, threading.Event] = {}
        self._is_closed = False
        self._own = threading.local()

    @contextmanager
    def under_way(self) -> Generator[StopSwitch, None, None]:
        """What is done in this context can be stopped.

        Raises:
            UsageError: the client is closed.
        """
        stop, ended = StopSwitch(), threading.Event()
        self.begin(stop, ended)
        try:
            yield stop
        finally:
            self.end(stop)

    def begin(self, stop: StopSwitch, ended: Optional[threading.Event] = None) -> None:
        """Something begins that the switch stops."""
        with self._lock:
            if self._is_closed:
                raise UsageError("the client is closed; nothing was sent", hint="make another one")
            self._running[stop] = ended or threading.Event()

    def end(self, stop: StopSwitch) -> None:
        """It has ended."""
        with self._lock:
            ended = self._running.pop(stop, None)
        if ended is not None:
            ended.set()

    def stop(self) -> None:
        """Ends all that is under way, as Ctrl-C does."""
        with self._lock:
            running = list(self._running)
        for stop in running:
            stop.stop(STOPPED)

    def close(self) -> None:
        """Ends all that is under way, waits for its end, and lets nothing begin any more. An observer, whose
        call cannot end before it returns, does not wait."""
        with self._lock:
            self._is_closed = True
            endings = list(self._running.values())
        self.stop()
        for ended in [] if getattr(self._own, "is_calling", False) else endings:
            ended.wait()

    def send(self, call: ImageCall, stop: StopSwitch, observer: Optional[Observer] = None) -> core.Result:
        """Makes a call, of which `observer` hears, else the client's own; its images are on disk, and not
        yet handed over.

        Raises:
            GptImage2Error: in the library's words.
        """
        hear = observer or self.observer
        pace = self.pace
        client = self.core.under(stop, waits_for_server=pace is None)  # it waits, for all of them

        def tell(event: core_events.Event) -> None:
            if isinstance(event, core_events.Warned):
                event = core_events.Warned(as_arguments(event.message), event.elapsed_s)
            ours = hear and heard(event, call.stays_in_memory)
            if hear and ours:
                hear(ours)

        def send(observe: core_events.Observer) -> core.Result:
            return ready.run(client, call, observe)

        self._own.is_calling = True
        try:
            with in_our_words(), prepared(client, call) as ready:
                if pace is None:
                    return send(tell)
                client.check_way()  # what lacks is not waited for
                return pace.run(ready.prepared.request.count, send, stop, tell, self._waits_for_server)
        except GptImage2Error as error:
            ours: Any = error.result
            self.finished(ours)
            raise
        finally:
            self._own.is_calling = False

    def send_and_tell(
        self, call: ImageCall, stop: StopSwitch, tell: Callable[[Event], object]
    ) -> core.Result:
        """As `send`; `tell` hears what the observer hears."""

        def observe(event: Event) -> None:
            if self.observer is not None:
                self.observer(event)
            tell(event)

        return self.send(call, stop, observe)

    def hand_over(self, call: ImageCall, sent: core.Result) -> Result:
        """Gives a program what a call has made, and tells the observer of its end.

        Raises:
            OutputError: the open file did not take the image.
        """
        with in_our_words():
            result = handed_over(call, sent)
        self.finished(result)
        return result

    def finished(self, result: Optional[Result]) -> None:
        """Tells the observer that a call has ended."""
        if self.observer is not None and result is not None:
            with suppress(Exception):  # the call has ended as it ended
                self.observer(Finished(result, result.elapsed_s))
