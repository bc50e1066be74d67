"""What drives the Batch API's commands: a sandbox with its own clock, jobs, and a proxy that breaks things.

Imports nothing of the project.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from harness import Home, Run

SANDBOX_PYTHON = os.environ.get("GPT_IMAGE2_SANDBOX_PYTHON", sys.executable)
SMALL = {"quality": "low", "size": "816x816", "output_format": "jpeg"}
HOUR_S = 3600.0
DAY_S = 24 * HOUR_S

_open = build_opener(ProxyHandler({})).open


class Service(NamedTuple):
    """A sandbox of a test's own: nobody else's batches, and a clock that can be moved."""

    base_url: str

    @property
    def root(self) -> str:
        """Where its own endpoints are."""
        return self.base_url[: -len("/v1")]

    def advance(self, seconds: float) -> None:
        """Moves the clock forward."""
        data = json.dumps({"advance_s": seconds}).encode()
        _open(Request(f"{self.root}/_sandbox/clock", data=data, method="POST")).close()

    def ask(self, path: str) -> Any:
        """What the API says."""
        request = Request(self.base_url + path, headers={"Authorization": "Bearer sk-somebody-else"})
        with _open(request) as answer:
            return json.loads(answer.read().decode("utf-8"))

    def batches(self) -> List[Dict[str, Any]]:
        """Every batch, newest first."""
        return self.ask("/batches?limit=100")["data"]

    def paid(self) -> List[str]:
        """The prompts of all requests that cost money, by a batch or directly."""
        with _open(f"{self.root}/_sandbox/log") as answer:
            log = json.loads(answer.read().decode("utf-8"))
        return [row["prompt"] for row in (*log["batch_requests"], *log["requests"])]


@contextmanager
def service(job_s: float = 0.0) -> Iterator[Service]:
    """A sandbox whose batches take `job_s` seconds of its clock for a job."""
    process = subprocess.Popen(
        [
            SANDBOX_PYTHON,
            *("-m", "gpt_image2.sandbox", "--port", "0", "--latency", "0", "--batch-seconds", str(job_s)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert process.stdout is not None
    with process:
        try:
            yield Service(process.stdout.readline().decode().split()[1])
        finally:  # a test that fails must not wait for it
            process.terminate()


def write_jobs(home: Home, jobs: List[Dict[str, Any]], name: str = "jobs.jsonl") -> str:
    """A jobs file of small pictures."""
    path = home.cwd / name
    path.write_text("".join(json.dumps({**SMALL, **job}) + "\n" for job in jobs), encoding="utf-8")
    return str(path)


def prompts(count: int, word: str = "lamp") -> List[Dict[str, Any]]:
    """Jobs of as many different prompts."""
    return [{"prompt": f"{word} {number}"} for number in range(count)]


def submit(home: Home, url: str, jobs: str, *flags: str) -> Run:
    """`batch submit` into the folder `out`."""
    return home.run("batch", "submit", jobs, "--out-dir", "out", *flags, base_url=url)


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


class Call(NamedTuple):
    """A request that goes through the proxy."""

    method: str
    path: str
    body: bytes


class Reply(NamedTuple):
    """What comes back. `cut_after` bytes of the body the connection is cut; None is never."""

    status: int
    body: bytes
    cut_after: Optional[int] = None


Forward = Callable[[], Reply]
#: Decides about a request: by `forward` it reaches the sandbox; None cuts the connection without an answer.
Tamper = Callable[[Call, Forward], Optional[Reply]]


@contextmanager
def proxy(base_url: str, tamper: Tamper) -> Iterator[str]:
    """The base URL of a server that stands before another one, and tampers with what passes."""
    target = urlsplit(base_url)

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            reply = tamper(Call(self.command, self.path, body), lambda: self._forward(body))
            if reply is None:
                self.close_connection = True
                return
            self.send_response(reply.status)
            self.send_header("Content-Length", str(len(reply.body)))
            self.end_headers()
            self.wfile.write(reply.body[: reply.cut_after])
            self.close_connection = self.close_connection or reply.cut_after is not None

        do_GET = do_POST = _serve

        def _forward(self, body: bytes) -> Reply:
            connection = HTTPConnection(target.hostname or "", target.port)
            names = ("authorization", "content-type")
            headers = {name: value for name, value in self.headers.items() if name.lower() in names}
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            return Reply(answer.status, content)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
