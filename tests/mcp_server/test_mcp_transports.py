"""The real command over stdio and loopback HTTP: only protocol on stdout, and no curl left at the end."""

from __future__ import annotations

import re
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from harness import Sandbox
from mcp import Client
from mcp.client.stdio import stdio_client
from mcp_driving import KEY, Place, RawServer, photo, raw_server, soon, text_of
from processes import curls_of, is_alive, until
from servers import Recorder

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def over_stdio(place: Place, base_url: str, *more: str) -> AsyncIterator[tuple[Client, Path]]:
    """The SDK's client with a server that it started, and the file that the server's stderr goes to."""
    log = place.root / "stderr"
    with log.open("w", encoding="utf-8") as errlog:
        async with Client(stdio_client(place.stdio(base_url, *more), errlog=errlog), mode="legacy") as client:
            yield client, log


async def test_the_official_client_generates_and_edits_over_stdio(place: Place, recorder: Recorder) -> None:
    recorder.hold()
    seen: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        seen.append(done)
        if len(seen) == 3:
            recorder.release()

    arguments = {"prompt": place.prompt, "quality": "low", "output": "cat.png"}
    async with over_stdio(place, recorder.base_url) as (client, log):
        assert len((await client.list_tools()).tools) == 7
        made = await client.call_tool("generate_image", arguments, progress_callback=progress)
        assert not made.is_error and len(seen) >= 3
        edited = await client.call_tool("edit_image", {**arguments, "images": ["cat.png"]})
        assert not edited.is_error, text_of(edited)
    assert place.written() == ["cat-1.png", "cat.png"]
    assert log.read_text("utf-8") == ""


async def test_the_client_of_the_newest_protocol_works_over_stdio(place: Place, sandbox: Sandbox) -> None:
    async with Client(place.stdio(sandbox.base_url)) as client:
        result = await client.call_tool("generate_image", {"prompt": place.prompt, "quality": "low"})
    assert not result.is_error


async def test_a_call_cancelled_over_stdio_leaves_no_curl(place: Place, sandbox: Sandbox) -> None:
    async with over_stdio(place, sandbox.fault("stall")) as (client, log):
        async with anyio.create_task_group() as group:
            arguments = {"prompt": place.prompt, "quality": "low"}
            group.start_soon(client.call_tool, "generate_image", arguments)
            await soon(curls_of)
            group.cancel_scope.cancel()
        await soon(lambda: not curls_of())
        blocked = await client.call_tool("generate_image", {"prompt": ""})
        assert blocked.is_error
    text = log.read_text("utf-8")
    assert "interrupted" in text and "billed: maybe" in text and KEY not in text


def stalled_call(server: RawServer, place: Place) -> list[int]:
    """A call whose answer never comes; its curl processes."""
    server.greet()
    server.call("generate_image", {"prompt": place.prompt, "quality": "low"}, 2)
    return until(lambda: curls_of(server.process))


def test_the_end_of_stdin_ends_curl_and_the_server(place: Place, sandbox: Sandbox) -> None:
    with raw_server(place, sandbox.fault("stall")) as server:
        running = stalled_call(server, place)
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.wait() == 0
        assert not any(map(is_alive, running))
        assert KEY not in server.errors()
    assert list(place.tmp.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_curl_answers_what_was_billed_and_ends_the_server(
    place: Place, sandbox: Sandbox, number: signal.Signals
) -> None:
    with raw_server(place, sandbox.fault("stall")) as server:
        running = stalled_call(server, place)
        server.process.send_signal(number)
        assert server.wait() == 128 + number
        assert not any(map(is_alive, running))
        (answer,) = [message for message in server.rest() if "id" in message]
        assert answer["id"] == 2 and answer["result"]["isError"] is True
        error = answer["result"]["structuredContent"]
        assert (error["error"]["code"], error["billed"]) == ("interrupted", "maybe")
    assert list(place.tmp.iterdir()) == []


def test_an_idle_server_ends_at_a_signal(place: Place, sandbox: Sandbox) -> None:
    with raw_server(place, sandbox.base_url) as server:
        server.greet()
        server.process.terminate()
        assert server.wait() == 128 + signal.SIGTERM


def test_stdout_carries_only_protocol_whatever_is_sent(place: Place, sandbox: Sandbox) -> None:
    with raw_server(place, sandbox.base_url, "--api-key", KEY) as server:
        assert server.process.stdin is not None
        server.greet()
        server.process.stdin.write("this is not JSON\n")
        server.send("tools/call", {"arguments": 5}, 2)
        server.call("generate_image", {"prompt": place.prompt, "quality": "low"}, 3)
        answers = {message["id"]: message for message in (server.receive(), server.receive())}
        assert "error" in answers[2] and answers[3]["result"]["isError"] is False
        server.process.stdin.close()
        assert server.wait() == 0
        assert server.rest() == []
        assert "--api-key is visible in ps" in server.errors()
        assert KEY not in server.errors()


def test_a_broken_configuration_is_told_at_the_start_and_in_every_result(place: Place) -> None:
    config = place.root / "config.json"
    config.write_text('{"api_key_env": "NOT_SET_ANYWHERE"}', encoding="utf-8")
    config.chmod(stat.S_IRUSR | stat.S_IWUSR)
    with raw_server(place, "http://127.0.0.1:9/v1", "--config", str(config)) as server:
        server.greet()
        server.call("generate_image", {"prompt": place.prompt}, 2)
        result = server.receive()["result"]
        assert result["isError"] is True
        assert "NOT_SET_ANYWHERE" in result["content"][0]["text"]
        assert "NOT_SET_ANYWHERE" in server.wait_for_error("calls will fail")


def test_the_sandbox_option_needs_no_key(place: Place, sandbox: Sandbox) -> None:
    env = {"GPT_IMAGE2_API_KEY": "", "GPT_IMAGE2_BASE_URL": sandbox.fault("auth")}
    with raw_server(place, "", "--sandbox", **env) as server:
        server.greet()
        server.call("generate_image", {"prompt": place.prompt, "quality": "low", "output": "cat.png"}, 2)
        assert server.receive()["result"]["isError"] is False
    assert place.written() == ["cat.png"]
    assert sandbox.log(place.prompt)["hits"] == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--max-cost", "much"], "--max-cost"),
        (["--max-cost", "nan"], "--max-cost"),
        (["--timeout", "0"], "timeout"),
        (["--allow-dir", "/no/such/folder"], "is not a folder"),
        (["--output-dir", "/dev/null/x"], "cannot write to the output folder"),
        (["--http", "--port", "99999"], "--port"),
        (["--unknown"], "--unknown"),
        (["--sandbox"], "--sandbox and --base-url"),
    ],
)
def test_options_that_cannot_work_end_the_server_at_once(
    place: Place, sandbox: Sandbox, options: list[str], words: str
) -> None:
    with raw_server(place, sandbox.base_url, *options) as server:
        assert server.wait() == 2
        assert words in server.errors() and "Traceback" not in server.errors()
        assert server.rest() == []


def test_a_key_in_the_wrong_place_is_masked_on_stderr(place: Place, sandbox: Sandbox) -> None:
    with raw_server(place, sandbox.base_url, "--key", KEY) as server:
        assert server.wait() == 2
        assert "unknown flag --key" in server.errors() and "sk-" not in server.errors()
    with raw_server(place, sandbox.base_url, "--config", KEY) as server:
        assert "/sk-…0123 does not exist" in server.wait_for_error("calls will fail")
        assert KEY not in server.errors()


def http_server_url(server: RawServer) -> str:
    """Where a server that was started with --http listens."""
    line = server.wait_for_error("MCP: http")
    match = re.search(r"http://127\.0\.0\.1:\d+/mcp", line)
    assert match is not None
    return match.group()


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_official_client_generates_with_progress_over_http(
    place: Place, recorder: Recorder, mode: Any
) -> None:
    recorder.hold()
    seen: list[float] = []

    async def progress(done: float, total: float | None, message: str | None) -> None:
        seen.append(done)
        if len(seen) == 3:
            recorder.release()

    photo(place.output / "in.png", (1024, 1024))
    with raw_server(place, recorder.base_url, "--http", "--port", "0") as server:
        async with Client(http_server_url(server), mode=mode) as client:
            assert len((await client.list_tools()).tools) == 7
            arguments = {"prompt": place.prompt, "quality": "low", "images": ["in.png"], "output": "out.png"}
            result = await client.call_tool("edit_image", arguments, progress_callback=progress)
            assert not result.is_error, text_of(result)
        assert len(seen) >= 3
        server.process.terminate()
        assert server.wait() == 128 + signal.SIGTERM
        assert "Traceback" not in server.errors()
    assert place.written() == ["in.png", "out.png"]


async def test_a_call_cancelled_over_http_leaves_no_curl(place: Place, sandbox: Sandbox) -> None:
    with raw_server(place, sandbox.fault("stall"), "--http", "--port", "0") as server:
        async with Client(http_server_url(server)) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(client.call_tool, "generate_image", {"prompt": place.prompt})
                await soon(lambda: curls_of(server.process))
                group.cancel_scope.cancel()
            await soon(lambda: not curls_of(server.process))


async def test_a_signal_ends_calls_over_http(place: Place, sandbox: Sandbox) -> None:
    with raw_server(place, sandbox.fault("stall"), "--http", "--port", "0") as server:
        results: list[Any] = []

        async def call(client: Client) -> None:
            results.append(await client.call_tool("generate_image", {"prompt": place.prompt}))

        async with Client(http_server_url(server)) as client:
            async with anyio.create_task_group() as group:
                group.start_soon(call, client)
                running = await soon(lambda: curls_of(server.process))
                server.process.terminate()
            assert results[0].structured_content["billed"] == "maybe"
        assert server.wait() == 128 + signal.SIGTERM
        assert not any(map(is_alive, running))


def test_other_hosts_and_origins_are_refused_over_http(place: Place, sandbox: Sandbox) -> None:
    with raw_server(place, sandbox.base_url, "--http", "--port", "0") as server:
        url = http_server_url(server)
        headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        with httpx2.Client(timeout=30, trust_env=False) as http:
            rebound = http.post(url, json=body, headers={**headers, "Host": "evil.example"})
            foreign = http.post(url, json=body, headers={**headers, "Origin": "https://evil.example"})
        assert (rebound.status_code, foreign.status_code) == (421, 403)


def test_a_port_in_use_is_a_plain_error(place: Place, sandbox: Sandbox) -> None:
    port = sandbox.root.rpartition(":")[2]
    with raw_server(place, sandbox.base_url, "--http", "--port", port) as server:
        assert server.wait() == 2
        assert "cannot listen" in server.errors() and "Traceback" not in server.errors()
