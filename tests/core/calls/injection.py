"""Breaks calls at every line that runs after the request may have left, and says what became of each.

Usage: python injection.py BASE_URL ROOT SCENARIO [--full]. One line a broken call on stdout: a JSON object.
Every line is broken in one of the scenarios that run it, by turns; with --full in each of them. What runs
often, since answers come in many pieces, is broken in their midst by every second turn.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from itertools import chain
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

from broken_lines import Line, Place, Tracer, paths_of

from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.base.errors import GptImage2Error
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
#: Two images in the answer, two addresses of images, a preview and an image in a stream.
SCENARIOS = ("images", "addresses", "stream")
PATHS = paths_of(TRACED)


def call(
    base_url: str, root: Path, scenario: str, name: str, target: Optional[Place] = None, skips: int = 0
) -> Tuple[Tracer, Dict[str, Any]]:
    """One call in a home of its own, broken at one line; what ran, and how it ended."""
    home = root / name
    home.mkdir()
    env = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "GPT_IMAGE2_API_KEY": "sk-test-0123456789abcdefghij",
    }
    stream = scenario == "stream"
    tracer = Tracer(PATHS, CATCHING, (SentRequest, "left"), target, skips)
    client = Client(base_url=base_url, env=env, retries=0, timeout_s=20)
    ended: Dict[str, Any] = {"home": str(home)}
    try:
        request = ImageRequest(f"{scenario} {name}", n=None if stream else 2, stream=stream)
        with tracer:
            result = client.run(client.prepare(request, home / "cat.png"))
        ended.update(billed=result.billed.value, error="")
    except GptImage2Error as error:
        ended.update(billed=error.billed.value, error=f"{error.code}: {error.message}")
    except BaseException as error:
        ended.update(billed="", error=f"{type(error).__name__}: {error}")
    ended["raised"] = tracer.has_raised
    return tracer, ended


def by_turns(lines: Mapping[str, Mapping[Line, Place]], scenario: str) -> List[Line]:
    """The lines that are broken in this scenario; those that several run, they take by turns."""
    every = sorted(set(chain.from_iterable(lines.values())))
    runs_it = [[name for name in SCENARIOS if line in lines[name]] for line in every]
    return [line for turn, line in enumerate(every) if runs_it[turn][turn % len(runs_it[turn])] == scenario]


def main(base_url: str, root: Path, scenario: str, is_full: bool) -> None:
    """Every line in turn."""
    ran = {name: call(base_url, root, name, f"whole-{name}")[0] for name in SCENARIOS}
    places, runs = ran[scenario].lines, ran[scenario].runs
    lines = {name: tracer.lines for name, tracer in ran.items()}
    for number, line in enumerate(places if is_full else by_turns(lines, scenario)):
        skips = number % 2 * (runs[line] // 2)
        _, ended = call(base_url, root, scenario, str(number), places[line], skips)
        print(json.dumps({"at": f"{line[0]}:{line[1]}", "skips": skips, **ended}), flush=True)


if __name__ == "__main__":
    threading.settrace(lambda *_: None)
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:] == ["--full"])
