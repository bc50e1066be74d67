"""What a call says while it waits where there is no terminal, and how all of it fits a narrow one."""

from __future__ import annotations

import io
import os
import re
import struct
import threading
from collections import Counter
from typing import List

import pytest
from harness import Home, Sandbox
from pictures import png
from servers import Recorder, Request, images, refusal
from terminals import talk

from gpt_image2.core.telling.live_line import cells_of
from gpt_image2.core.telling.output import Output

NARROW = {"COLUMNS": "40"}


def test_a_piped_call_says_that_it_was_sent_and_how_long_that_usually_takes(
    home: Home, recorder: Recorder
) -> None:
    run = home.run("generate", "a cat", base_url=recorder.base_url)
    assert run.stderr.splitlines()[0] == "sent; usually 120 s"
    run = home.run("generate", "a dog", "--quality", "low", "--json", base_url=recorder.base_url)
    assert run.stderr.splitlines()[0] == "sent; usually 70 s" and run.json["ok"]


def test_a_request_that_goes_again_says_so(home: Home, recorder: Recorder) -> None:
    answers = iter([refusal(429, "slow", "slow_down"), images(png(1024, 1024))])
    recorder.answer = lambda request: next(answers)._replace(headers=(("Retry-After", "0"),))
    said = home.run("generate", "a cat", base_url=recorder.base_url).stderr.splitlines()
    assert [line for line in said if line.startswith("sent")] == [
        "sent; usually 120 s",
        "sent again; usually 120 s",
    ]


@pytest.mark.parametrize("flag", ["--quiet", "--events"])
def test_who_wants_no_lines_gets_none(home: Home, recorder: Recorder, flag: str) -> None:
    run = home.run("generate", "a cat", flag, base_url=recorder.base_url)
    assert run.code == 0 and "usually" not in run.stderr


def test_a_line_comes_from_time_to_time_while_a_call_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    waited = threading.Event()

    class Stderr(io.StringIO):
        def write(self, text: str) -> int:
            if re.fullmatch(r"\d+ s\n", text):
                waited.set()
            return len(text)

    monkeypatch.setattr("sys.stderr", Stderr())
    with Output([], line_every_s=0.01).observer(results=True):
        assert waited.wait(30)
    waited.clear()
    with Output(["--quiet"], line_every_s=0.01).observer(results=True):
        assert not waited.wait(0.1)


@pytest.mark.parametrize(
    "words", [["--help"], ["generate", "--help"], ["batch"], ["history", "--help"]], ids=" ".join
)
def test_help_fits_a_narrow_terminal(home: Home, words: List[str]) -> None:
    run = home.run(*words, env=NARROW)
    own = str(home.script)
    assert run.code == 0
    assert not [line for line in run.stdout.splitlines() if len(line) > 40 and own not in line]
    wide = home.run(*words, env={"COLUMNS": "200"})
    assert "".join(run.stdout.split()) == "".join(wide.stdout.split())


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_the_live_line_is_cut_where_it_would_be_folded(home: Home, recorder: Recorder) -> None:
    import fcntl
    import pty
    import termios

    seen = threading.Event()

    def answer(request: Request) -> object:
        seen.wait(30)
        return images(png(1024, 1024))

    recorder.answer = answer
    terminal, its_end = pty.openpty()
    fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 12, 0, 0))
    with home.start("generate", "a cat", base_url=recorder.base_url, stderr=its_end) as process:
        shown = b""
        while not re.search(rb"[1-9] s of abou|\d\d s of abo", shown):  # any second: it may miss some
            shown += os.read(terminal, 1000)
        seen.set()
        assert process.wait(30) == 0
    os.close(its_end)
    os.close(terminal)
    assert b"about" not in shown


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_tables_fit_a_narrow_terminal_and_lose_nothing(home: Home, sandbox: Sandbox) -> None:
    folder = home.cwd / ("a folder with a long name " * 3).strip() / "and-another-one-without-any-gap"
    folder.mkdir(parents=True)
    (home.cwd / "jobs.jsonl").write_text('{"prompt": "a fox", "quality": "low"}')
    prompt = "\u4e00\u53ea\u72d0\u72f8 and a fox that is long"
    made = home.run(
        *("generate", prompt, "--quality", "low", "-o", str(folder / "fox.png")),
        base_url=sandbox.base_url,
    )
    assert made.code == 0, made.stderr
    submitted = home.run("batch", "submit", "jobs.jsonl", "--json", base_url=sandbox.base_url)
    assert submitted.code == 0, submitted.stderr
    ended = home.run("batch", "wait", "--poll", "0.05", base_url=sandbox.base_url)
    assert ended.code == 0, ended.stderr
    for words in (
        ["history"],
        ["history", "show", "1"],
        ["spend"],
        ["spend", "--by", "host"],
        ["cost", "a cat", "--compare"],
        ["cost", "a cat", "--size", "landscape"],
        ["batch", "status", submitted.json["batches"][0]["id"]],
        ["batch", "list"],
    ):
        env = home.environment(sandbox.base_url)
        wide, narrow = (
            talk(home.command(*words), env, home.cwd, columns, 50)[0].decode() for columns in (400, 40)
        )
        assert max(map(cells_of, narrow.splitlines())) <= 40, narrow
        assert max(map(cells_of, wide.splitlines())) > 40, wide
        lost = Counter("".join(wide.split())) - Counter("".join(narrow.split()))
        assert not lost - Counter("day" + "host"), (words, lost)  # which say what the first column is
    piped = home.run("history", env={"COLUMNS": "40"})
    assert len(piped.stdout.splitlines()) == 1, "what is read by a program is not folded"
