"""The command: one line when it listens, a clean end, a table of faults."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from batch_driving import ended, request, start
from sandbox_driving import BEARER, Driver

from gpt_image2.sandbox import main
from gpt_image2.sandbox.arguments import parse
from gpt_image2.sandbox.faults.table import FAULTS
from gpt_image2.sandbox.settings import Tasks
from gpt_image2.sandbox.tasks.dialects import DIALECTS

_COMMAND = [sys.executable, "-W", "error", "-m", "gpt_image2.sandbox"]
_BODY = {"model": "gpt-image-2", "prompt": "a lighthouse", "quality": "low"}
#: By itself the client gives up after five seconds.
_PATIENT: dict[str, Any] = {"trust_env": False, "timeout": 30}


@contextmanager
def _running(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [*_COMMAND, "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            match = re.fullmatch(r"Sandbox: (http://127\.0\.0\.1:\d+/v1)\n", line)
            assert match, line
            yield process, match[1]
        finally:
            if process.poll() is None:
                process.kill()


def _end(process: subprocess.Popen[str], number: int) -> tuple[str, str]:
    process.send_signal(number)
    return process.communicate(timeout=30)


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_one_line_serves_and_ends_quietly(number: int) -> None:
    with _running("--latency", "0") as (process, url):
        response = httpx2.post(f"{url}/images/generations", json=_BODY, headers=BEARER, **_PATIENT)
        assert response.status_code == 200
        out, err = _end(process, number)
    assert (process.returncode, out) == (0, "")
    assert f"--base-url {url} --api-key sandbox" in err
    assert len(err.splitlines()) == 2


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
@pytest.mark.parametrize("path", ["/v1", "/fault/stall/v1", "/fault/keepalive-whitespace/v1"])
def test_it_ends_while_requests_are_pending(path: str) -> None:
    with _running("--latency", "real") as (process, url), httpx2.Client(trust_env=False) as http:
        patience = httpx2.Timeout(30, read=0.3)
        root = url.removesuffix("/v1")
        with pytest.raises(httpx2.ReadTimeout):
            http.post(f"{root}{path}/images/generations", json=_BODY, headers=BEARER, timeout=patience)
        _, err = _end(process, signal.SIGTERM)
    assert process.returncode == 0
    assert "Traceback" not in err and "rror" not in err


def test_a_port_in_use_is_one_clear_line(capfd: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 1
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert f"127.0.0.1:{port}" in err


def test_faults_are_listed(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--list-faults"]) == 0
    out, _ = capfd.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == list(FAULTS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--latency", "soon"],
        ["--latency", "-1"],
        ["--host", "x"],
        ["--batch-seconds", "-1"],
        ["--clock-speed", "0"],
        ["--images-per-minute", "0"],
        ["--burst", "2"],
        ["--fixed-window"],
        ["--tasks", "midjourney"],
        ["--tasks", "apimart:soon"],
        ["--tasks", "apimart:-1"],
        ["--tasks", "apimart:nan"],
        ["--images-per-minute", "2", "--burst", "2", "--fixed-window"],
    ],
)
def test_bad_arguments_are_a_usage_error(arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "see gpt-image2 sandbox --help" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("text", "tasks"), [("apimart", Tasks("apimart")), ("poll-url:90", Tasks("poll-url", 90))]
)
def test_tasks_are_a_dialect_and_how_long_they_take(text: str, tasks: Tasks) -> None:
    assert parse(["--tasks", text])[0].tasks == tasks


def test_a_dialect_that_there_is_not_is_told_those_that_there_are(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--tasks", "midjourney"]) == 2
    err = capfd.readouterr().err
    assert all(dialect in err for dialect in DIALECTS)


def test_requests_can_be_logged() -> None:
    with _running("--latency", "0", "--log-requests") as (process, url):
        httpx2.post(f"{url}/images/generations", json=_BODY, headers=BEARER, **_PATIENT)
        process.terminate()
        _, err = process.communicate(timeout=30)
    assert "POST /v1/images/generations 200 'a lighthouse'" in err


def test_limits_are_set_by_flags() -> None:
    flags = ("--images-per-minute", "6", "--burst", "1", "--no-limit-headers")
    with _running("--latency", "0", *flags) as (process, url):
        answers = [
            httpx2.post(f"{url}/images/generations", json=_BODY, headers=BEARER, **_PATIENT) for _ in range(2)
        ]
        _end(process, signal.SIGTERM)
    assert [answer.status_code for answer in answers] == [200, 429]
    assert "Limit 6, Used 6, Requested 1. Please try again in " in answers[1].text
    assert "retry-after" not in answers[1].headers


def test_the_clock_runs_at_the_speed_that_was_asked_for() -> None:
    with _running("--clock-speed", "1e5", "--batch-seconds", "1e5") as (process, url):
        root = url.removesuffix("/v1")
        sandbox = Driver(root, "a lighthouse", httpx2.Client(**_PATIENT))
        with sandbox.http:
            batch = ended(sandbox, start(sandbox, [request(sandbox, 1)]))
            _end(process, signal.SIGTERM)
    assert batch.status == "expired"


@pytest.mark.skipif(os.name == "nt", reason="signals are sent otherwise there")
def test_files_are_kept_on_disk_and_removed_at_the_end(tmp_path: Path) -> None:
    with _running(TMPDIR=str(tmp_path)) as (process, url):
        files = {"file": ("jobs.jsonl", b"x" * 100_000)}
        answer = httpx2.post(
            f"{url}/files", data={"purpose": "batch"}, files=files, headers=BEARER, **_PATIENT
        )
        assert answer.status_code == 200
        assert [path.stat().st_size for path in tmp_path.glob("*/*")] == [100_000]
        _, err = _end(process, signal.SIGTERM)
    assert (process.returncode, list(tmp_path.iterdir())) == (0, [])
    assert "rror" not in err


def test_importing_the_package_is_light() -> None:
    code = (
        "import sys, gpt_image2.sandbox; gpt_image2.sandbox.main; "
        "sys.exit(any(name in sys.modules for name in ('PIL', 'starlette', 'uvicorn', 'asyncio')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
