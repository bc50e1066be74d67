"""What happens, told to every open page as it happens: server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Mapping

#: So that a dead connection is noticed, and no proxy or sleep ends a quiet one.
_KEEP_ALIVE_S = 15.0
#: A page that falls so far behind is let go; it comes back by itself and asks for the state anew.
_MAX_WAITING = 256

Happening = Mapping[str, object]


class Events:
    """Hands what is published to all who listen. `publish` may be called from any thread."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[str | None]] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False

    def publish(self, happening: Happening) -> None:
        """Tells every page."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._put, json.dumps(happening))

    def close(self) -> None:
        """Ends every stream; called on the event loop."""
        self._closed = True
        for queue in self._listeners:
            _force(queue, None)

    async def stream(self, first: Callable[[], list[Happening]]) -> AsyncGenerator[str]:
        """The events from now on, as they go over the wire; `first` says how things stand now."""
        self._loop = asyncio.get_running_loop()
        queue: asyncio.Queue[str | None] = asyncio.Queue(_MAX_WAITING)
        self._listeners.add(queue)
        try:
            yield "retry: 500\n\n"
            for happening in first():
                yield f"data: {json.dumps(happening)}\n\n"
            while not self._closed:
                try:
                    text = await asyncio.wait_for(queue.get(), _KEEP_ALIVE_S)
                except asyncio.TimeoutError:
                    yield ": quiet\n\n"
                    continue
                if text is None:
                    return
                yield f"data: {text}\n\n"
        finally:
            self._listeners.discard(queue)

    def _put(self, text: str) -> None:
        for queue in self._listeners:
            _force(queue, text)


def _force(queue: asyncio.Queue[str | None], text: str | None) -> None:
    """Puts it in; a queue that is full has its end put in instead."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        text = None
    queue.put_nowait(text)
