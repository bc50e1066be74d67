"""What drives the Batch API's commands: a sandbox with its own clock, jobs, and a proxy that breaks things.

Imports nothing of the project.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional
from urllib.parse import urlsplit
from urllib.request import Request as UrlRequest

from faulty import Exchange, serving
from harness import Home, Run, Sandbox, open_url, serve_sandbox
from servers import Request, request_of

SMALL = {"quality": "low", "size": "816x816", "output_format": "jpeg"}
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S
PASSED_ON = ("authorization", "content-type")


class Service(Sandbox):
    """A sandbox of a test's own: nobody else's batches, and a clock that can be moved."""

    def advance(self, seconds: float) -> None:
        """Moves the clock forward."""
        data = json.dumps({"advance_s": seconds}).encode()
        open_url(UrlRequest(f"{self.root}/_sandbox/clock", data=data, method="POST")).close()

    def ask(self, path: str) -> Any:
        """What the API says."""
        request = UrlRequest(self.base_url + path, headers={"Authorization": "Bearer sk-somebody-else"})
        with open_url(request) as answer:
            return json.loads(answer.read().decode("utf-8"))

    def batches(self) -> List[Dict[str, Any]]:
        """Every batch, newest first."""
        return self.ask("/batches?limit=100")["data"]

    def paid(self) -> List[str]:
        """The prompts of all requests that cost money, by a batch or directly."""
        with open_url(f"{self.root}/_sandbox/log") as answer:
            log = json.loads(answer.read().decode("utf-8"))
        return [row["prompt"] for row in (*log["batch_requests"], *log["requests"])]


@contextmanager
def service(job_s: float = 0.0) -> Iterator[Service]:
    """A sandbox whose batches take `job_s` seconds of its clock for a job."""
    with serve_sandbox("--latency", "0", "--batch-seconds", str(job_s)) as url:
        yield Service(url)


def job(prompt: str, **fields: Any) -> Dict[str, Any]:
    """A job for a small picture."""
    return {**SMALL, "prompt": prompt, **fields}


def prompts(count: int, word: str = "lamp") -> List[Dict[str, Any]]:
    """Jobs of as many different prompts."""
    return [job(f"{word} {number}") for number in range(count)]


def submit(home: Home, url: str, jobs: Path, *flags: str) -> Run:
    """`batch submit` into the folder `out`."""
    return home.run("batch", "submit", str(jobs), "--out-dir", "out", *flags, base_url=url)


def wait(home: Home, url: str, *flags: str) -> Run:
    """`batch wait`, asking often."""
    return home.run("batch", "wait", "--poll", "0.05", *flags, base_url=url)


def fetch(home: Home, url: str, *flags: str) -> Run:
    """`batch fetch --json`."""
    return home.run("batch", "fetch", "--json", *flags, base_url=url)


def journal(home: Home) -> List[Dict[str, Any]]:
    """The lines of the journal in `out`."""
    lines = (home.cwd / "out" / "journal.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def pictures_in(folder: Path) -> List[str]:
    """The names of the images in a folder."""
    return sorted(path.name for path in folder.iterdir() if path.suffix in (".jpg", ".png"))


class Reply(NamedTuple):
    """What comes back. `cut_after` bytes of the body the connection is cut; None is never."""

    status: int
    body: bytes
    cut_after: Optional[int] = None


Forward = Callable[[], Reply]
#: Decides about a request: by `forward` it reaches the sandbox; None cuts the connection without an answer.
Tamper = Callable[[Request, Forward], Optional[Reply]]


@contextmanager
def proxy(base_url: str, tamper: Tamper) -> Iterator[str]:
    """The base URL of a server that stands before another one, and tampers with what passes."""
    target = urlsplit(base_url)

    def talk(exchange: Exchange) -> None:
        def forward() -> Reply:
            connection = HTTPConnection(target.hostname or "", target.port)
            headers = dict(header for header in request.headers if header[0].lower() in PASSED_ON)
            connection.request(request.method, request.path, request.body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return Reply(answer.status, content)

        request = request_of(exchange)
        reply = tamper(request, forward)
        if reply is not None:
            exchange.start(len(reply.body), reply.status)
            exchange.send(reply.body[: reply.cut_after])

    with serving(talk) as server:
        yield server.base_url
