"""Breaks calls at every line that runs after the request may have left, and says what became of each.

Usage: python injection.py BASE_URL ROOT SCENARIO. One line a broken call on stdout: a JSON object.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

from broken_lines import Line, Tracer, paths_of

import gpt_image2.core as core
from gpt_image2.core.calls.client import Client
from gpt_image2.core.calls.gate import SentRequest

#: What reads, saves and records an answer; the gate itself and what it uses then are what catches.
TRACED = (
    "base/events.py",
    "base/outcome.py",
    "calls/call.py",
    "calls/lane.py",
    "calls/under_way.py",
    "calls/download.py",
    "calls/exchange.py",
    "calls/explain.py",
    "calls/response.py",
    "calls/retry.py",
    "ledger/database.py",
    "ledger/entries.py",
    "ledger/recording.py",
    "outputs/collect.py",
    "outputs/files.py",
    "outputs/image_text.py",
    "outputs/inflight.py",
    "outputs/naming.py",
    "outputs/store.py",
    "wire/base64_stream.py",
    "wire/addresses.py",
    "wire/curl.py",
    "wire/curl_config.py",
    "wire/messages.py",
    "wire/decompress.py",
    "wire/heads.py",
    "wire/proxies.py",
    "base/redact.py",
    "wire/json_stream.py",
    "wire/sse.py",
)
#: What catches where a call is recorded.
CATCHING = ("recorded", "_tried")


PATHS = paths_of(TRACED)


def call(
    base_url: str, root: Path, prompt: str, stream: bool, target: Optional[Line]
) -> Tuple[Tracer, Dict[str, Any]]:
    """One call in a home of its own, broken at one line; how it ended."""
    env = {
        "HOME": str(root),
        "PATH": os.environ["PATH"],
        "GPT_IMAGE2_API_KEY": "sk-test-0123456789abcdefghij",
    }
    tracer = Tracer(PATHS, CATCHING, SentRequest.left, target)
    client = Client(base_url=base_url, env=env, retries=0, timeout_s=20)
    ended: Dict[str, Any] = {}
    n = None if stream else 2
    sys.settrace(tracer)
    try:
        result = client.generate(prompt, output=root / "cat.png", n=n, stream=stream)
        ended = {"billed": result.billed.value, "images": len(result.images), "error": ""}
    except core.GptImage2Error as error:
        images = len(error.result.images) if error.result else 0
        ended = {"billed": error.billed.value, "images": images, "error": f"{error.code}: {error.message}"}
    except BaseException as error:
        ended = {"billed": "", "images": 0, "error": f"{type(error).__name__}: {error}"}
    finally:
        sys.settrace(None)
    return tracer, ended


def main() -> int:
    """Every line in turn."""
    base_url, root, scenario = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    stream = scenario == "stream"
    first = root / "first"
    first.mkdir()
    tracer, _ = call(base_url, first, "first", stream, None)
    for number, line in enumerate(tracer.lines):
        home = root / str(number)
        home.mkdir()
        made, ended = call(base_url, home, home.name, stream, line)
        print(
            json.dumps({"at": f"{line[0]}:{line[1]}", "home": str(home), "raised": made.has_raised, **ended}),
            flush=True,
        )
    return 0


if __name__ == "__main__":
    threading.settrace(lambda *_: None)
    sys.exit(main())
