"""The official inspector's command line lists the tools and calls them, over the real stdio server."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness import Sandbox
from mcp_driving import KEY, Place, photo
from npm import INSTALL_TIMEOUT_S, installed, node

#: It asks for Node 22.19; its command line runs on Node 20 too.
INSPECTOR = "@modelcontextprotocol/inspector@2.12.0"
_TIMEOUT_S = 60
_IS_ERROR = 5

pytestmark = pytest.mark.timeout(2 * INSTALL_TIMEOUT_S)
Inspect = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture(scope="session")
def inspector() -> Path:
    """The inspector's program."""
    return installed(INSPECTOR) / "@modelcontextprotocol" / "inspector" / "clients/launcher/build/index.js"


@pytest.fixture
def inspect(place: Place, sandbox: Sandbox, inspector: Path) -> Inspect:
    """Runs the inspector against a server of this test's own; its exit code and its answer."""

    def run(*options: str) -> tuple[int, dict[str, Any]]:
        config = place.root / "servers.json"
        server = {"command": sys.executable, "args": place.arguments(sandbox.base_url), "env": place.env}
        config.write_text(json.dumps({"mcpServers": {"images": server}}), encoding="utf-8")
        done = subprocess.run(
            [
                node(),
                str(inspector),
                "--cli",
                "--config",
                str(config),
                "--server",
                "images",
                *options,
            ],
            env={"PATH": os.environ["PATH"], **place.env},
            cwd=place.root,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=_TIMEOUT_S,
        )
        assert KEY not in done.stdout
        assert done.stdout.startswith("{"), done.stderr
        return done.returncode, json.loads(done.stdout)

    return run


def call(inspect: Inspect, tool: str, **arguments: object) -> tuple[int, dict[str, Any]]:
    """One call of a tool."""
    pairs = [
        f"{name}={value if isinstance(value, str) else json.dumps(value)}"
        for name, value in arguments.items()
    ]
    return inspect("--method", "tools/call", "--tool-name", tool, "--tool-arg", *pairs)


def test_the_inspector_lists_the_tools(inspect: Inspect) -> None:
    code, answer = inspect("--method", "tools/list")
    names = [tool["name"] for tool in answer["tools"]]
    assert (code, names[:4]) == (0, ["generate_image", "edit_image", "estimate_cost", "get_image"])
    assert names[4:] == ["make_mask", "check_image", "cut_out"]
    assert answer["tools"][0]["annotations"]["destructiveHint"] is False
    assert answer["tools"][0]["outputSchema"]["type"] == "object"


def test_the_inspector_calls_the_tools(place: Place, inspect: Inspect) -> None:
    code, made = call(
        inspect, "generate_image", prompt=place.prompt, quality="low", output="cat.png", n=2, size="1024x1024"
    )
    assert code == 0 and made["structuredContent"]["billed"] == "yes"
    assert [block["type"] for block in made["content"]] == [
        *("text", "resource_link", "image", "resource_link", "image")
    ]
    photo(place.allowed / "in.png")
    code, edited = call(
        inspect, "edit_image", prompt=place.prompt, quality="low", images=[str(place.allowed / "in.png")]
    )
    assert code == 0 and edited["structuredContent"]["command"] == "edit"
    code, shown = call(inspect, "get_image", path="cat-1.png", preview=False)
    assert code == 0 and [block["type"] for block in shown["content"]] == ["text", "resource_link"]
    code, estimate = call(inspect, "estimate_cost", quality="low")
    assert code == 0 and estimate["structuredContent"]["cost_usd"]["high"] > 0


def test_the_inspector_reads_an_image_that_a_tool_linked_to(place: Place, inspect: Inspect) -> None:
    path = photo(place.output / "in.png")
    code, made = call(inspect, "make_mask", image="in.png", shapes=[{"rect": [9, 9, 90, 90]}])
    assert code == 0 and made["structuredContent"]["command"] == "mask"
    code, read = inspect("--method", "resources/read", "--uri", path.as_uri())
    assert code == 0 and base64.b64decode(read["contents"][0]["blob"]) == path.read_bytes()


def test_the_inspector_shows_an_error_result(place: Place, inspect: Inspect) -> None:
    code, refused = call(inspect, "generate_image", prompt=place.prompt, output="../cat.png")
    assert (code, refused["isError"]) == (_IS_ERROR, True)
    assert refused["structuredContent"]["error"]["code"] == "path_not_allowed"
