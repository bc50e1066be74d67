"""A real server on loopback that lets requests pass or refuses them as a simulated one of `pacing` does."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import Iterator, List, Tuple

from batching import picture, prompt_of
from pacing import Server, Verdict
from servers import Answer, Recorder, Request, images, recording, refusal


class LimitingServer:
    """Counts what it refuses. A call that it lets through takes `latency_s`."""

    def __init__(self, recorder: Recorder, server: Server, latency_s: float) -> None:
        self.base_url = recorder.base_url
        self.refused = self.passed = 0
        self._server = server
        self._latency_s = latency_s
        self._lock = threading.Lock()
        recorder.answer = self._answer

    @property
    def share_refused(self) -> float:
        """Of all requests."""
        return self.refused / (self.refused + self.passed)

    def _answer(self, request: Request) -> Answer:
        with self._lock:
            verdict = self._server(time.monotonic(), 1)
            self.passed += verdict.passes
            self.refused += not verdict.passes
        if not verdict.passes:
            plain = refusal(429, verdict.message, "rate_limit_exceeded")
            return plain._replace(headers=(*plain.headers, *_headers(verdict)))
        time.sleep(self._latency_s)
        answer = images(picture(prompt_of(request)))
        return answer._replace(headers=(*answer.headers, *_headers(verdict)))


def _headers(verdict: Verdict) -> List[Tuple[str, str]]:
    found = []
    if verdict.wait_s is not None:
        found.append(("Retry-After-Ms", str(round(verdict.wait_s * 1000))))
    for limit in verdict.limits:
        told = {"limit": limit.limit, "remaining": limit.remaining, "reset": f"{limit.reset_s:.3f}s"}
        found += [(f"x-ratelimit-{name}-{limit.kind}", str(value)) for name, value in told.items()]
    return found


@contextmanager
def limiting(server: Server, latency_s: float = 0.05) -> Iterator[LimitingServer]:
    """Such a server while the context is entered."""
    with recording() as recorder:
        yield LimitingServer(recorder, server, latency_s)
