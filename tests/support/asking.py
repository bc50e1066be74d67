"""Clients of the library for a test's own home."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Callable, TypeVar

from harness import Home

import gpt_image2
from gpt_image2 import AsyncClient, Client

T = TypeVar("T")
TIMEOUT_S = 60.0


def client(home: Home, base_url: str, **options: Any) -> Client:
    """A client whose environment is that home. A defect that leaves a call running ends after `TIMEOUT_S`."""
    return Client(env=home.environment(base_url), **{"timeout_s": TIMEOUT_S, **options})


def async_client(home: Home, base_url: str, **options: Any) -> AsyncClient:
    """The same for asyncio."""
    return AsyncClient(env=home.environment(base_url), **{"timeout_s": TIMEOUT_S, **options})


async def reached(what: Callable[[], Any]) -> None:
    """Returns when something that blocks has happened, and lets the loop run meanwhile."""
    await asyncio.get_running_loop().run_in_executor(None, what)


async def cancelled(call: asyncio.Future[T]) -> gpt_image2.GptImage2Error:
    """What became of a cancelled task, by itself and by its error, which Python 3.8 does not keep."""
    try:
        await call
    except asyncio.CancelledError as error:
        told = gpt_image2.cancelled_call(call)
        assert told is not None
        assert gpt_image2.cancelled_call(error) is (told if sys.version_info >= (3, 9) else None)
        return told
    raise AssertionError("it was not cancelled")
