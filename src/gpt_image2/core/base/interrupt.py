"""Turns SIGINT, SIGTERM and SIGHUP into an orderly stop: running transfers end, whole images stay.

While a call is under way a signal does not raise: it stops the transfers and wakes the waits, and the call
ends on its usual way with what has arrived. A second signal raises at once, as does one at any other time.
Who has many calls under way may ask that the first signal only keeps it from starting more.
"""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Callable, Dict, List, Optional, Set, Type

from .errors import InterruptedCall

_SIGNAL_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
#: Who asks a process to end often asks twice, it and its group: `timeout`, `srun`, a shell that hangs up.
_ONE_REQUEST_S = 1.0


class StopSwitch:
    """Shared by everything that runs in one call: who must be stopped, and whether a stop was asked for."""

    def __init__(self) -> None:
        self.signum: Optional[int] = None
        self._event = threading.Event()
        self._is_stopping = False
        self._stoppers: Set[Callable[[], None]] = set()
        self._calls: List[StopSwitch] = []  # its appends and pops need no lock between threads
        self._on_drain: Optional[Callable[[], None]] = None
        self._heard_s: Dict[int, float] = {}

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        """Waits, or returns True at once when a stop is asked for."""
        return self._event.wait(max(0.0, seconds))

    def watch(self, stopper: Callable[[], None]) -> None:
        """Registers what ends a transfer; runs it at once when the stop came first."""
        self._stoppers.add(stopper)
        if self.is_set:
            stopper()

    def unwatch(self, stopper: Callable[[], None]) -> None:
        self._stoppers.discard(stopper)

    def stop(self, signum: int) -> None:
        """Asks everything under way to end."""
        self._is_stopping = True
        self.signum = signum
        self._event.set()
        for stopper in list(self._stoppers):
            stopper()
        self._is_stopping = False

    def __enter__(self) -> StopSwitch:
        self._calls.append(self)
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self._calls.pop()

    def drain_first(self, on_drain: Optional[Callable[[], None]]) -> None:
        """From now on the first signal calls this instead of ending what is under way; None ends that.
        `signum` tells then which one it was."""
        self._on_drain = on_drain

    def on_signal(self, signum: int, _frame: Optional[FrameType]) -> None:
        now_s = time.monotonic()
        is_echo = now_s - self._heard_s.get(signum, float("-inf")) < _ONE_REQUEST_S
        if is_echo and signum != signal.SIGINT:
            return
        self._heard_s[signum] = now_s
        if self._on_drain is not None:
            on_drain, self._on_drain = self._on_drain, None
            self.signum = signum
            on_drain()
            return
        if self._is_stopping:
            return  # raised here, it would leave a transfer that nobody ends
        if not self._calls or self.is_set:
            raise InterruptedCall("interrupted", signum=signum)
        self.stop(signum)


class SignalsHandled:
    """A context in which the stop signals go to a switch; the old handlers come back at its end."""

    def __init__(self, switch: StopSwitch) -> None:
        self._switch = switch
        self._old: Dict[int, Any] = {}

    def __enter__(self) -> None:
        for name in _SIGNAL_NAMES:
            signum = getattr(signal, name, None)
            # Where a parent made us ignore a signal (nohup), it stays ignored.
            if signum is not None and signal.getsignal(signum) != signal.SIG_IGN:
                self._old[signum] = signal.signal(signum, self._switch.on_signal)

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        for signum, handler in self._old.items():
            signal.signal(signum, handler)
