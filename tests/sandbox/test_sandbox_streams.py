"""The sandbox, the MCP server and the tools say what they say on any console, and on none."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="closes streams by a shell")


def command(words: str, streams: str) -> list[str]:
    return ["sh", "-c", f'exec "$0" {words} {streams}', sys.executable]


def run(words: str, streams: str = "") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        command(words, streams),
        env={**os.environ, "PYTHONIOENCODING": "ascii"},
        cwd=str(TOOLS),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )


@ON_POSIX
@pytest.mark.parametrize("streams", ["", ">&- 2>&-", ">/dev/full 2>/dev/full"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("-m gpt_image2.sandbox --list-faults", 0),
        ("-m gpt_image2.sandbox --no-such-flag", 2),
        ("-m gpt_image2.mcp --output-dir /dev/null/łódź", 2),
    ],
)
def test_what_is_printed_never_changes_how_it_ends(words: str, code: int, streams: str) -> None:
    done = run(words, streams)
    assert done.returncode == code, done.stderr.decode()
    assert b"Traceback" not in done.stderr


@ON_POSIX
@pytest.mark.parametrize("streams", ["", "2>&-", "2>/dev/full"])
def test_a_sandbox_serves_on_a_console_that_cannot_print_what_it_says(streams: str) -> None:
    words = "-m gpt_image2.sandbox --port 0"
    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    with subprocess.Popen(
        command(words, streams), env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Sandbox: http://127.0.0.1:")
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0 and b"Traceback" not in said


@ON_POSIX
@pytest.mark.parametrize("streams", ["", ">&- 2>&-"])
def test_a_tool_escapes_what_its_console_lacks(streams: str) -> None:
    program = "from consoles import prepare_consoles; prepare_consoles(); print(chr(322))"
    done = run(f"-c '{program}'", streams)
    assert done.returncode == 0
    assert done.stdout == (b"" if streams else b"\\u0142\n")
