"""Whatever is wrong with the standard streams, and whatever they cannot show: the call ends as it ended."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Dict, List, Optional, Tuple

import pytest
from batching import write_jobs
from harness import TIMEOUT_S, Home, Run
from servers import Recorder

#: A name that none of the encodings below can show whole: no text in it, and characters of three scripts.
NAME = "\udcff图-ł-😀.png"
ENCODINGS = ("ascii", "cp1252", "gbk", "utf-16")
CLOSED = ("2>&-", ">&-", "<&-", "<&- >&- 2>&-", "<&- 2>&-")
FULL = (">/dev/full", "2>/dev/full", ">/dev/full 2>/dev/full")
MODES: Tuple[List[str], ...] = ([], ["--json"], ["--events"])
#: Commands that send nothing, and how they end.
COMMANDS = {
    "history": 0,
    "history --json": 0,
    "spend": 0,
    "generate x --dry-run": 0,
    "generate x --dry-run --json": 0,
    "generate x --no-such-flag": 2,
    "generate --help": 0,
    "--help": 0,
    "config --show": 0,
    "history --help": 0,
    "batch": 0,
}

pytestmark = pytest.mark.skipif(os.name != "posix", reason="closes streams by a shell")


def in_shell(home: Home, base_url: Optional[str], redirections: str, *args: str) -> Run:
    """Runs the script with streams as a shell makes them."""
    line = " ".join(map(shlex.quote, home.command(*args)))
    return home.run_program("/bin/sh", "-c", f"{line} {redirections}", base_url=base_url)


def in_encoding(home: Home, base_url: Optional[str], encoding: str, *args: str) -> Tuple[int, bytes, bytes]:
    """Runs the script where standard output and standard error have this encoding."""
    command = [part for part in home.command(*args) if part != "-I"]  # or else Python looks at no variable
    done = subprocess.run(
        command,
        env={**home.environment(base_url), "PYTHONIOENCODING": encoding},
        cwd=str(home.cwd),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=TIMEOUT_S,
    )
    return done.returncode, done.stdout, done.stderr


def needs_full(redirections: str) -> None:
    if "/dev/full" in redirections and not os.path.exists("/dev/full"):
        pytest.skip("there is no device that is always full")


# Closed and full streams


@pytest.mark.parametrize("mode", MODES, ids=["words", "json", "events"])
@pytest.mark.parametrize("redirections", [*CLOSED, *FULL])
def test_a_call_ends_as_it_ended_whatever_its_streams_are(
    home: Home, recorder: Recorder, redirections: str, mode: List[str]
) -> None:
    needs_full(redirections)
    run = in_shell(home, recorder.base_url, redirections, "generate", "a cat", "-o", "a.png", *mode)
    assert (run.code, len(recorder.requests)) == (0, 1)
    assert (home.cwd / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "Traceback" not in run.stderr and "internal error" not in run.stderr
    assert not home.leftovers()
    if ">" not in redirections.replace("2>", ""):
        told = run.json["images"][0]["path"] if "--json" in mode else str(run.saved[0])
        assert told == str(home.cwd / "a.png")


@pytest.mark.parametrize("redirections", [*CLOSED, *FULL])
def test_nothing_that_is_printed_lands_in_a_file_of_ours(
    home: Home, recorder: Recorder, redirections: str
) -> None:
    needs_full(redirections)
    jobs = str(write_jobs(home, "one", "two"))
    run = in_shell(
        home, recorder.base_url, redirections, "batch", "run", jobs, "--out-dir", "out", "--events"
    )
    assert (run.code, len(recorder.requests)) == (0, 2)
    for path in (home.cwd / "out").glob("*.png"):
        assert path.read_bytes().endswith(b"IEND\xaeB`\x82")
    shown = home.run("history", "--json").json["requests"]
    assert [row["status"] for row in shown] == ["saved", "saved"]


@pytest.mark.parametrize("redirections", [*CLOSED, *FULL])
@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_keeps_its_exit_code_whatever_its_streams_are(
    home: Home, redirections: str, words: str
) -> None:
    needs_full(redirections)
    run = in_shell(home, None, redirections, *words.split())
    assert run.code == COMMANDS[words]
    assert "Traceback" not in run.stderr and "Exception ignored" not in run.stderr


def test_an_error_does_not_go_to_stdout_where_stderr_is_closed(home: Home) -> None:
    assert in_shell(home, None, "2>&-", "generate", "x", "--no-such-flag").stdout == ""


def test_an_image_for_a_closed_stdout_is_refused_before_anything_is_sent(
    home: Home, recorder: Recorder
) -> None:
    run = in_shell(home, recorder.base_url, ">&-", "generate", "x", "-o", "-")
    assert (run.code, recorder.requests) == (2, [])
    assert "stdout, which is closed" in run.stderr


def test_an_image_that_a_full_stdout_does_not_take_is_kept(home: Home, recorder: Recorder) -> None:
    needs_full("/dev/full")
    run = in_shell(home, recorder.base_url, ">/dev/full", "generate", "x", "-o", "-")
    assert run.code == 8 and "Exception ignored" not in run.stderr
    (kept,) = home.rescued.iterdir()
    assert str(kept) in run.stderr


@pytest.mark.parametrize(
    "redirection, words",
    [
        ("<&-", "generate -"),
        ("<&-", "edit - x"),
        ("0>written", "generate -"),
        ("0>written", "edit - x"),
        ("0>written", "batch run - --out-dir out"),
    ],
)
def test_a_standard_input_that_cannot_be_read_is_bad_input(
    home: Home, recorder: Recorder, redirection: str, words: str
) -> None:
    run = in_shell(home, recorder.base_url, redirection, *words.split())
    assert (run.code, recorder.requests) == (2, [])
    assert "internal error" not in run.stderr


# Encodings


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_saved_line_is_printed_in_any_encoding(home: Home, recorder: Recorder, encoding: str) -> None:
    code, stdout, stderr = in_encoding(home, recorder.base_url, encoding, "generate", "图 ł 😀", "-o", NAME)
    assert code == 0 and (home.cwd / NAME).is_file()
    text = stdout.decode(encoding, "surrogateescape")
    assert text.startswith("Saved: ") and text.count("\n") == 1
    assert "\\U0001f600.png" in text or "😀.png" in text
    assert "failed" not in stderr.decode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_json_is_whole_in_any_encoding(home: Home, recorder: Recorder, encoding: str) -> None:
    code, stdout, _ = in_encoding(home, recorder.base_url, encoding, "generate", "图", "-o", NAME, "--json")
    assert code == 0
    outcome = json.loads(stdout.decode(encoding))
    assert Path(outcome["images"][0]["path"]) == home.cwd / NAME


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_events_are_whole_in_any_encoding(home: Home, recorder: Recorder, encoding: str) -> None:
    code, _, stderr = in_encoding(home, recorder.base_url, encoding, "generate", "图", "-o", NAME, "--events")
    assert code == 0
    events = [json.loads(line) for line in stderr.decode(encoding).splitlines()]
    assert events[-1]["images"][0]["path"] == str(home.cwd / NAME)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_history_and_batch_and_dry_runs_are_printed_in_any_encoding(
    home: Home, recorder: Recorder, encoding: str
) -> None:
    jobs = str(write_jobs(home, {"prompt": "图 ł 😀", "output": "图-ł-😀.png"}))
    code, stdout, _ = in_encoding(home, recorder.base_url, encoding, "batch", "run", jobs, "--out-dir", "ł图")
    assert code == 0 and "Saved: " in stdout.decode(encoding)
    code, stdout, _ = in_encoding(home, None, encoding, "history")
    assert code == 0 and "generate" in stdout.decode(encoding)
    code, stdout, _ = in_encoding(home, None, encoding, "generate", "图 ł 😀", "--dry-run")
    assert code == 0 and "Nothing was sent." in stdout.decode(encoding)
    code, _, stderr = in_encoding(home, None, encoding, "generate", "x", "--图😀")
    assert code == 2 and "unknown flag" in stderr.decode(encoding)


def test_the_bytes_of_a_path_that_is_no_text_are_printed_as_they_are(home: Home, recorder: Recorder) -> None:
    code, stdout, _ = in_encoding(home, recorder.base_url, "ascii", "generate", "x", "-o", "\udcff-ł.png")
    assert code == 0 and b"\xff-\\u0142.png (" in stdout


def test_a_locale_without_an_encoding_prints_names_as_they_came(home: Home, recorder: Recorder) -> None:
    env: Dict[str, Optional[str]] = {
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
        "LANG": None,
    }
    command = [part for part in home.command("generate", "x", "-o", "图.png") if part != "-I"]
    run = home.run_program(*command, base_url=recorder.base_url, env=env)
    assert run.code == 0 and [path.name for path in run.saved] == ["图.png"]
