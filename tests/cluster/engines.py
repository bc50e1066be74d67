"""What the tests of engines share: the environment of their processes, and what the sandbox was sent."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import Any, Dict, Iterator

from harness import KEY, Sandbox, open_url, serve_sandbox


@contextmanager
def own_sandbox(latency_s: float, *flags: str) -> Iterator[Sandbox]:
    """A sandbox of a test's own."""
    with serve_sandbox("--latency", str(latency_s), *flags) as url:
        yield Sandbox(url)


def requests_of(sandbox: Sandbox) -> int:
    """How many paid requests a sandbox has had."""
    with open_url(f"{sandbox.root}/_sandbox/log") as answer:
        return int(json.loads(answer.read())["hits"])


def environment(base_url: str, home: str, **more: str) -> Dict[str, str]:
    """What the processes of an engine need."""
    return {"GPT_IMAGE2_BASE_URL": base_url, "GPT_IMAGE2_API_KEY": KEY, "HOME": home, **more}


def rows(count: int, **fields: Any) -> list[Dict[str, Any]]:
    """So many rows of a table."""
    return [
        {"prompt": f"row {number}", "id": str(number), "quality": "low", **fields} for number in range(count)
    ]
