"""Asks the user what agents may spend: the questions of calls that wait for a yes, told to every page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gpt_image2.approvals import Question, answer, answering, questions
from gpt_image2.core.base.errors import UsageError

from .bodies import json_of

_INTERVAL_S = 0.3


class Approving:
    """The questions of one state folder; `tell` is called when they have changed."""

    def __init__(self, state_dir: Path, tell: Callable[[Mapping[str, object]], None]) -> None:
        self._state_dir = state_dir
        self._tell = tell
        self._seen: list[Question] = []

    def routes(self) -> list[Route]:
        """The routes, below the studio's root."""
        return [Route("/api/approvals/{question}", self.answer, methods=["POST"])]

    def as_event(self) -> Mapping[str, object]:
        """The questions as pages are told them."""
        return {"kind": "approvals", "approvals": [asdict(question) for question in self._seen]}

    async def run(self) -> None:
        """Looks for questions until it is cancelled."""
        with ExitStack() as stack:
            with suppress(OSError):  # then agents are told that nobody can answer
                stack.enter_context(answering(self._state_dir))
            while True:
                now = questions(self._state_dir)
                if now != self._seen:
                    self._seen = now
                    self._tell(self.as_event())
                await asyncio.sleep(_INTERVAL_S)

    async def answer(self, request: Request) -> Response:
        """`POST /api/approvals/ID` of `{"yes": true}` or false: the call is sent, or refused."""
        is_yes = (await json_of(request)).get("yes")
        if not isinstance(is_yes, bool):
            raise UsageError("`yes` must be true or false", hint="reload the page")
        if not answer(self._state_dir, request.path_params["question"], is_yes):
            raise HTTPException(410, "this question was answered already, or its time is up")
        return JSONResponse({"ok": True})
