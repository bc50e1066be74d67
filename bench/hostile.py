"""The hostile table: every contestant through the sandbox's faults. What counts is what it saved and sent."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from .contestants import Contestant, Job
from .pictures import count_decodable
from .results import IMAGES, Ending, HostileRow, Wanted
from .rows import environment

_TIMEOUT_S = 60.0
_SIDE_BY_SIDE = 12


@dataclass(frozen=True)
class Hostility:
    """A fault of the sandbox, and what is wanted of a good client."""

    fault: str
    does: str
    wanted: Wanted


HOSTILITIES = (
    Hostility("cut-last", "2 of 3 images arrive whole, then the connection is cut", Wanted(1, 2, 9, "yes")),
    Hostility("cut-tail", "3 of 3 images arrive whole, the JSON's last bytes do not", Wanted(1, 3, 0, "yes")),
    Hostility("reset", "reads the request, then resets the connection", Wanted(1, 0, 7, "maybe")),
    Hostility("http-500", "500 `server_error`", Wanted(1, 0, None, "maybe")),
    Hostility("http-524", "524 and an HTML page from a gateway", Wanted(1, 0, None, "maybe")),
    Hostility("quota", "429, out of quota", Wanted(1, 0, 4, "no")),
    Hostility("url", "answers with `url` instead of `b64_json`", Wanted(1, 3, 0, "yes")),
    Hostility("url-flaky", "the same, and each first download fails", Wanted(1, 3, 0, "yes")),
    Hostility("not-an-image", "sends text as an image", Wanted(1, 0, 6)),
    Hostility("empty", "`data: []`", Wanted(1, 0, 6)),
)


@contextmanager
def sandbox() -> Generator[str, None, None]:
    """Our sandbox in a process of its own; yields `http://127.0.0.1:PORT`."""
    command = [sys.executable, "-m", "gpt_image2.sandbox", "--port", "0", "--latency", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError("the sandbox did not start: make setup")
            yield line.split()[-1].removesuffix("/v1")
        finally:
            process.terminate()


def measure_hostile(
    contestants: Sequence[Contestant], url: str, folder: Path, hostilities: Sequence[Hostility] = HOSTILITIES
) -> list[HostileRow]:
    """Puts all who save images through all faults, some at a time: no clock runs here."""
    tested = [contestant for contestant in contestants if "hostile" in contestant.commands]
    with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
        running = [[pool.submit(_suffer, one, each, url, folder) for each in tested] for one in hostilities]
        return [
            HostileRow(one.fault, one.does, one.wanted, [ending.result() for ending in endings])
            for one, endings in zip(hostilities, running, strict=True)
        ]


def _suffer(hostility: Hostility, contestant: Contestant, url: str, folder: Path) -> Ending:
    own = folder / f"{hostility.fault}-{contestant.key}"
    env = environment(own / "home")
    out = own / "out"
    out.mkdir(parents=True)
    prompt = f"A lighthouse in a storm ({hostility.fault}, {contestant.key})"
    job = Job(f"{url}/fault/{hostility.fault}/v1", out, prompt=prompt, n=IMAGES)
    (command,) = contestant.commands["hostile"](job)
    done = subprocess.run(
        command,
        env=env,
        cwd=own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_TIMEOUT_S,
        check=False,
    )
    log = _log(url, prompt)
    whole, broken = count_decodable(out)
    return Ending(
        contestant=contestant.key,
        hits=log["hits"],
        delivered=log["images_delivered"],
        saved=whole,
        broken=broken,
        exit_code=done.returncode,
        billed=_billed(done.stdout),
    )


def _log(url: str, prompt: str) -> dict[str, Any]:
    query = urllib.parse.urlencode({"prompt": prompt})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"{url}/_sandbox/log?{query}") as answer:
        return json.load(answer)


def _billed(stdout: bytes) -> str:
    """What a contestant says of the bill, where it says anything."""
    try:
        answer: Any = json.loads(stdout)
    except ValueError:
        return ""
    return str(cast("dict[str, Any]", answer).get("billed", "")) if isinstance(answer, dict) else ""
