"""Breaks calls at every line that runs after the request may have left, and says what became of each.

Usage: python injection.py BASE_URL ROOT SCENARIO [--full]. One line a broken call on stdout: a JSON object.
Every line is broken in one of the scenarios that run it, by turns; with --full in each of them.
"""

from __future__ import annotations

import json
import linecache
import os
import sys
import threading
from itertools import chain
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

import gpt_image2.core as core
from gpt_image2.core.calls.client import Client
from gpt_image2.core.calls.gate import SentRequest

ROOMS = Path(core.__file__).parent
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
Line = Tuple[str, int]


class Injected(Exception):
    """What is raised where nobody expects it."""


class Tracer:
    """Notes the lines that run once the request may have left, and where their functions begin.

    With a target, a line and where its function begins, it raises there instead.
    """

    def __init__(self, target: Optional[Tuple[Line, int]] = None) -> None:
        self.target, self.begin = target or (None, 0)
        self.lines: Dict[Line, int] = {}
        self.is_on = self.has_raised = False

    def __call__(self, frame: Any, event: str, _arg: Any) -> Any:
        code = frame.f_code
        if code is SentRequest.left.__code__:
            self.is_on = True
        if self.target is not None and code.co_firstlineno != self.begin:
            return None
        return self.local if code.co_filename in PATHS and code.co_name not in CATCHING else None

    def local(self, frame: Any, event: str, _arg: Any) -> Any:
        if event == "line" and self.is_on and not does_nothing(frame):
            line = (PATHS[frame.f_code.co_filename], frame.f_lineno)
            if line == self.target:
                self.has_raised = True
                raise Injected(f"at {line[0]}:{line[1]}")  # which ends the tracing, too
            self.lines.setdefault(line, frame.f_code.co_firstlineno)
        return self.local


def does_nothing(frame: Any) -> bool:
    """Whether the line is one that cannot fail."""
    return linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip() == "try:"


PATHS: Dict[str, str] = {str(ROOMS / name): name for name in TRACED}


def call(
    base_url: str, root: Path, scenario: str, name: str, target: Optional[Tuple[Line, int]] = None
) -> Tuple[Dict[Line, int], Dict[str, Any]]:
    """One call in a home of its own, broken at one line; the lines that ran, and how it ended."""
    home = root / name
    home.mkdir()
    env = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "GPT_IMAGE2_API_KEY": "sk-test-0123456789abcdefghij",
    }
    stream = scenario == "stream"
    tracer = Tracer(target)
    client = Client(base_url=base_url, env=env, retries=0, timeout_s=20)
    ended: Dict[str, Any] = {"home": str(home)}
    sys.settrace(tracer)
    try:
        result = client.generate(
            f"{scenario} {name}", output=home / "cat.png", n=None if stream else 2, stream=stream
        )
        ended.update(billed=result.billed.value, error="")
    except core.GptImage2Error as error:
        ended.update(billed=error.billed.value, error=f"{error.code}: {error.message}")
    except BaseException as error:
        ended.update(billed="", error=f"{type(error).__name__}: {error}")
    finally:
        sys.settrace(None)
    ended["raised"] = tracer.has_raised
    return tracer.lines, ended


def by_turns(lines: Mapping[str, Mapping[Line, int]], scenario: str) -> List[Line]:
    """The lines that are broken in this scenario; those that several run, they take by turns."""
    every = sorted(set(chain.from_iterable(lines.values())))
    runs_it = [[name for name in SCENARIOS if line in lines[name]] for line in every]
    return [line for turn, line in enumerate(every) if runs_it[turn][turn % len(runs_it[turn])] == scenario]


def main(base_url: str, root: Path, scenario: str, is_full: bool) -> None:
    """Every line in turn."""
    ran = {name: call(base_url, root, name, f"whole-{name}")[0] for name in SCENARIOS}
    begins = ran[scenario]
    for number, line in enumerate(begins if is_full else by_turns(ran, scenario)):
        _, ended = call(base_url, root, scenario, str(number), (line, begins[line]))
        print(json.dumps({"at": f"{line[0]}:{line[1]}", **ended}), flush=True)


if __name__ == "__main__":
    threading.settrace(lambda *_: None)
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:] == ["--full"])
