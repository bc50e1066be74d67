"""How the tests start servers and talk to them, and what they look at: processes, images, the log."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

import anyio
import drawn
from harness import REFERENCES
from mcp import Client, StdioServerParameters, types
from processes import until

from gpt_image2.mcp.server import Built, build_server
from gpt_image2.mcp.settings import ServerSettings

KEY = "sk-proj-abcdefghijklmnopqrstuvwxyz0123"
DEADLINE_S = 60.0
#: Longer than the deadline, so that a call that nobody ends fails its test.
CALL_TIMEOUT_S = 90
_POLL_S = 0.01

T = TypeVar("T")


@dataclass(frozen=True)
class Place:
    """The folders of one test, the environment that leads there, and its prompt."""

    root: Path
    output: Path
    allowed: Path
    tmp: Path
    env: dict[str, str]
    prompt: str

    @staticmethod
    def make(root: Path, prompt: str) -> Place:
        home, output, allowed, tmp = (root / name for name in ("home", "output", "allowed", "tmp"))
        for folder in (home, output, allowed, tmp):
            folder.mkdir()
        env = {
            "HOME": str(home),
            "USERPROFILE": str(home),
            "TMPDIR": str(tmp),
            "GPT_IMAGE2_API_KEY": KEY,
            "PYTHONWARNINGS": "error",
        }
        return Place(root, output, allowed, tmp, env, prompt)

    def build(self, base_url: str, **settings: Any) -> Built:
        """A server in this process."""
        return build_server(
            ServerSettings(
                output_dir=self.output,
                allow_dirs=(self.allowed,),
                base_url=base_url,
                timeout_s=CALL_TIMEOUT_S,
                **settings,
            )
        )

    def arguments(self, base_url: str, *more: str) -> list[str]:
        """The command line of a server after `python`."""
        folders = ["--output-dir", str(self.output), "--allow-dir", str(self.allowed)]
        limits = ["--timeout", str(CALL_TIMEOUT_S)]
        host = ["--base-url", base_url] if base_url else []
        return ["-m", "gpt_image2.mcp", *folders, *host, *limits, *more]

    def stdio(self, base_url: str, *more: str) -> StdioServerParameters:
        """A server that the SDK's client starts."""
        return StdioServerParameters(
            command=sys.executable, args=self.arguments(base_url, *more), env=self.env, cwd=self.root
        )

    def written(self) -> list[str]:
        """Everything in the output folder, by relative path."""
        return sorted(str(path.relative_to(self.output)) for path in self.output.rglob("*"))


class RawServer:
    """A server process that is spoken to line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read_output, args=(process.stdout,), daemon=True),
            threading.Thread(target=self._read_errors, args=(process.stderr,), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def send(self, method: str, params: dict[str, Any], number: int | None = None) -> None:
        message: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "params": params}
        if number is not None:
            message["id"] = number
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()

    def receive(self) -> dict[str, Any]:
        line = self._lines.get(timeout=DEADLINE_S)
        assert line is not None, f"the server closed its output: {self.errors()}"
        return json.loads(line)

    def greet(self) -> None:
        client = {"name": "test", "version": "1"}
        self.send(
            "initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}, 1
        )
        assert self.receive()["id"] == 1
        self.send("notifications/initialized", {})

    def call(self, tool: str, arguments: dict[str, Any], number: int) -> None:
        self.send("tools/call", {"name": tool, "arguments": arguments}, number)

    def rest(self) -> list[dict[str, Any]]:
        """Every line of output after the last that was received, until its end."""
        lines = iter(lambda: self._lines.get(timeout=DEADLINE_S), None)
        return [json.loads(line) for line in lines]

    def errors(self) -> str:
        return "".join(self._errors)

    def wait_for_error(self, text: str) -> str:
        """The first line on stderr that has this text."""
        return until(lambda: next((line for line in list(self._errors) if text in line), None))

    def wait(self) -> int:
        code = self.process.wait(DEADLINE_S)
        for reader in self._readers:
            reader.join(DEADLINE_S)
        return code

    def _read_output(self, stream: IO[str]) -> None:
        for line in stream:
            self._lines.put(line)
        self._lines.put(None)

    def _read_errors(self, stream: IO[str]) -> None:
        for line in stream:
            self._errors.append(line)


@contextmanager
def raw_server(place: Place, base_url: str, *more: str, **env: str) -> Iterator[RawServer]:
    """A server process; it is gone at the end."""
    process = subprocess.Popen(
        [sys.executable, *place.arguments(base_url, *more)],
        env={"PATH": os.environ["PATH"], **place.env, **env},
        cwd=place.root,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    server = RawServer(process)
    try:
        yield server
    finally:
        process.kill()
        server.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            assert stream is not None
            stream.close()


async def call(place: Place, base_url: str, tool: str, arguments: dict[str, Any]) -> types.CallToolResult:
    """One call of a server of its own."""
    async with Client(place.build(base_url).server) as client:
        result = await client.call_tool(tool, arguments)
    assert KEY not in result.model_dump_json()
    return result


async def generate(place: Place, base_url: str, **more: Any) -> types.CallToolResult:
    """A cheap image for this test's prompt."""
    return await call(place, base_url, "generate_image", {"prompt": place.prompt, "quality": "low", **more})


async def soon(found: Callable[[], T]) -> T:
    """What `found` gives as soon as that is true, while the loop goes on."""
    with anyio.fail_after(DEADLINE_S):
        while not (value := found()):
            await anyio.sleep(_POLL_S)
        return value


def text_of(result: types.CallToolResult) -> str:
    (content,) = (block for block in result.content if isinstance(block, types.TextContent))
    return content.text


def previews_of(result: types.CallToolResult) -> list[types.ImageContent]:
    return [block for block in result.content if isinstance(block, types.ImageContent)]


def links_of(result: types.CallToolResult) -> list[types.ResourceLink]:
    return [block for block in result.content if isinstance(block, types.ResourceLink)]


def reference(name: str) -> dict[str, Any]:
    """A schema that the skill ships."""
    return json.loads((REFERENCES / name).read_text("utf-8"))


def photo(path: Path, size: tuple[int, int] = (320, 240)) -> Path:
    """A checked pattern as an image file."""
    drawn.photo(size).save(path)
    return path


def mask(path: Path, size: tuple[int, int] = (320, 240)) -> Path:
    """A mask with a hole in its middle, as a file."""
    drawn.mask(size).save(path)
    return path
