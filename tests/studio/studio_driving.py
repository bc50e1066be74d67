"""Starts a real studio and speaks to it, header by header. Imports nothing of the project."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from harness import KEY, Home, Sandbox, Started

JSON = "application/json"


class Reply(NamedTuple):
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Studio:
    """A running studio. `address` is what it printed; `enter` uses it up."""

    def __init__(self, process: Started, address: str) -> None:
        self.process = process
        self.address = address
        parts = urlsplit(address)
        assert parts.hostname == "127.0.0.1" and parts.port
        self.port = parts.port
        self.origin = f"http://127.0.0.1:{self.port}"
        self.token = parts.query
        self.root = self.cookie = ""

    def enter(self) -> Studio:
        """Exchanges the token for the cookie."""
        reply = self.send("GET", f"/?{self.token}", {})
        assert reply.status == 200, reply
        self.root = reply.body.decode().split("url=")[1].split('"')[0].rstrip("/")
        self.cookie = reply.headers["set-cookie"].split(";")[0]
        return self

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None) -> Reply:
        """One request with just these headers, and a Host of this studio unless they name one."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {"Host": f"127.0.0.1:{self.port}", **headers}.items():
                connection.putheader(name, value)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            got = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, got, answer.read())
        finally:
            connection.close()

    def own_headers(self) -> dict[str, str]:
        """What the page's own requests carry."""
        return {"Cookie": self.cookie, "Origin": self.origin, "Sec-Fetch-Site": "same-origin"}

    def get(self, path: str) -> Reply:
        """A request of the page."""
        return self.send("GET", f"{self.root}/{path}", self.own_headers())

    def post(self, path: str, body: Any, content_type: str = JSON) -> Reply:
        """A request of the page that changes something; bytes are sent as they are."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {**self.own_headers(), "Content-Type": content_type}
        return self.send("POST", f"{self.root}/{path}", headers, data)

    def kill(self) -> None:
        """Ends it at once, as a crash does."""
        self.process.kill()
        self.process.wait()


def run_command(home: Home, *words: str, base_url: str | None = None) -> subprocess.CompletedProcess[bytes]:
    """Runs a command of the package in a home."""
    return subprocess.run(
        [sys.executable, "-m", "gpt_image2", *words],
        env=_environment(home, base_url),
        cwd=home.cwd,
        capture_output=True,
        timeout=60,
    )


def made(home: Home, sandbox: Sandbox, prompt: str, *flags: str) -> Path:
    """A picture that the script has made."""
    run = home.run("generate", prompt, "--json", *flags, base_url=sandbox.base_url)
    assert run.code == 0, run.stderr
    return Path(run.json["images"][0]["path"])


def fill(home: Home, picture: Path, count: int) -> None:
    """Rows of that many pictures, each with a content of its own of which the thumbnail is known; `picture`
    lends them its file and must have been shown once."""
    database = sqlite3.connect(home.ledger)
    columns = [row[1] for row in database.execute("PRAGMA table_info(requests)") if row[1] != "id"]
    (row,) = database.execute(f"SELECT {', '.join(columns)} FROM requests").fetchall()
    first = dict(zip(columns, row))
    size = picture.stat().st_size
    thumbnails = home.state / "studio" / "thumbnails"
    (thumbnail,) = thumbnails.glob("*/*")
    marks = ", ".join("?" * len(columns))
    with database:
        for number in range(count):
            changes = {"prompt": f"number {number}", "started_at": f"2026-01-01T00:00:{number:07d}Z"}
            request = database.execute(
                f"INSERT INTO requests ({', '.join(columns)}) VALUES ({marks})",
                [{**first, **changes}[name] for name in columns],
            ).lastrowid
            sha256 = hashlib.sha256(str(number).encode()).hexdigest()
            values = (request, str(picture), sha256, size)
            database.execute("INSERT INTO images VALUES (?, 1, ?, ?, ?, 'png', 1024, 1024, 0)", values)
            known = thumbnails / sha256[:2] / f"{sha256}{thumbnail.suffix}"
            known.parent.mkdir(exist_ok=True)
            os.link(thumbnail, known)
    database.close()


@contextmanager
def studio_of(home: Home, base_url: str | None, *flags: str, opens: bool = False) -> Iterator[Studio]:
    """A studio in a home that runs while the context is entered."""
    command = [sys.executable, "-m", "gpt_image2", "studio", "--port", "0", *flags]
    if not opens:
        command.append("--no-open")
    process = Started(
        command,
        env=_environment(home, base_url),
        cwd=home.cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        with process:
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            assert line.startswith("Studio: "), "the studio did not start"
            yield Studio(process, line.split()[1])
            process.terminate()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _environment(home: Home, base_url: str | None) -> dict[str, str]:
    env = home.environment(base_url)
    if "PYTHONPATH" in os.environ:
        env["PYTHONPATH"] = os.environ["PYTHONPATH"]
    assert env["GPT_IMAGE2_API_KEY"] == KEY
    return env
