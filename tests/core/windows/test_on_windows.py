"""Core on Windows, as far as Python shows it on another system (`emulated.py` says how far)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Optional

import pytest
from faulty import OPENING, Exchange, quoted, serving
from harness import KEY, Home, Run, Started
from pictures import png
from processes import until
from servers import Recorder, images

HERE = Path(__file__).parent
SOURCE = HERE.parents[2] / "src"
pytestmark = pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="tells by /proc what is open")
#: Windows' curl reads Windows' paths, from what comes on its standard input.
CURL = """\
#!{python} -IS
import os, re, sys
arguments, sys.argv = sys.argv[1:], ["", {drive!r}, ""]
sys.path.insert(0, {here!r})
from emulated import real
def found(match): return real("C:" + re.sub(r"\\\\+", r"\\\\", match.group(1)))
config = re.sub(r'C:((?:\\\\+[^"\\\\]+)+)', found, sys.stdin.buffer.read().decode())
reading, writing = os.pipe()
os.write(writing, config.encode())
os.close(writing)
os.dup2(reading, 0)
os.execv({curl!r}, [{curl!r}, *arguments])
"""


class Windows:
    """A drive C, and the command run on it in C:\\work."""

    def __init__(self, home: Home, base_url: str) -> None:
        self._home = home
        self.drive = home.root.parent / "drive"
        for name in ("bin", "Users/Zoë", "work", "temp"):
            (self.drive / name).mkdir(parents=True)
        curl = self.drive / "bin" / "curl.exe"
        places = {"drive": str(self.drive), "here": str(HERE), "curl": shutil.which("curl")}
        text = CURL.format(python=sys.executable, **places)
        curl.write_text(text, encoding="utf-8")
        curl.chmod(0o755)
        self.work = self.drive / "work"
        self.home = self.drive / "Users/Zoë"
        self.env: Dict[str, Optional[str]] = {
            "PATH": "C:\\Windows;C:\\BIN",
            "USERPROFILE": "C:\\Users\\Zoë",
            "TEMP": "C:\\temp",
            "GPT_IMAGE2_API_KEY": KEY,
            "GPT_IMAGE2_BASE_URL": base_url,
            "HOME": None,
            "TMPDIR": None,
        }

    def command(self, *args: str) -> List[str]:
        program = str(HERE / "emulated.py")
        return [sys.executable, "-I", "-S", program, str(self.drive), str(SOURCE), *args]

    def run(self, *args: str, stdin: bytes = b"", **env: str) -> Run:
        return self._home.run_program(*self.command(*args), env={**self.env, **env}, stdin=stdin)

    def start(self, *args: str) -> Started:
        """The command as the leader of a group of processes, all of which a Ctrl-C reaches."""
        env = self._home.environment(None, self.env)
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return Started(self.command(*args), env=env, cwd=str(self._home.cwd), start_new_session=True, **pipes)

    def names(self) -> List[str]:
        """The files in the working folder."""
        files = (path for path in self.work.rglob("*") if path.is_file())
        return sorted(path.relative_to(self.work).as_posix() for path in files)

    def strays(self) -> List[Path]:
        """What a call should not have left behind."""
        kept = [path for path in self.drive.rglob("*") if path.name.startswith(".") or path.suffix == ".part"]
        return [*(path for path in kept if path.is_file()), *self.home.rglob("rescued/*"), *temp(self.drive)]


def temp(drive: Path) -> List[Path]:
    return list((drive / "temp").iterdir())


@pytest.fixture
def windows(home: Home, recorder: Recorder) -> Windows:
    recorder.answer = lambda request: images(png(noise=os.urandom(8)))
    return Windows(home, recorder.base_url)


def told(run: Run) -> List[str]:
    """The paths that a run that went well tells, in their spelling."""
    assert run.code == 0, run.stderr
    assert "internal error" not in run.stderr
    return re.findall(r"^Saved: (.+) \(\d+ KB\)$", run.stdout, re.MULTILINE)


def test_an_image_is_saved_told_and_recorded_by_its_path_and_nothing_is_left_beside_it(
    windows: Windows,
) -> None:
    run = windows.run("generate", "a cat", "-o", "cat.png")
    assert (told(run), run.stderr.count("warning")) == (["C:\\work\\cat.png"], 0)
    assert windows.names() == ["cat.png"]
    assert windows.strays() == []
    assert "C:\\work\\cat.png" in windows.run("history").stdout


@pytest.mark.parametrize("output", ["out\\", "out/", "C:\\work\\out\\", "c:out/"])
def test_a_folder_is_one_by_either_slash(windows: Windows, recorder: Recorder, output: str) -> None:
    recorder.answer = lambda request: images(png(noise=b"1"), png(noise=b"2"))
    paths = told(windows.run("generate", "a cat", "-o", output, "--n", "2"))
    assert [path.rpartition("\\")[0].lower() for path in paths] == ["c:\\work\\out"] * 2
    assert len(windows.names()) == 2
    assert windows.strays() == []


def test_without_an_output_the_earlier_picture_is_moved_aside(windows: Windows) -> None:
    for _ in range(2):
        assert told(windows.run("generate", "a cat")) == ["C:\\Users\\Zoë\\gpt-image2-output.png"]
    assert sorted(path.name for path in windows.home.glob("*.png")) == [
        "gpt-image2-output.1.png",
        "gpt-image2-output.png",
    ]
    assert windows.strays() == []


def test_a_picture_that_is_open_in_another_program_costs_no_image(windows: Windows) -> None:
    (windows.work / "cat.png").write_bytes(b"shown by a viewer")
    run = windows.run("generate", "a cat", "-o", "cat.png", EMULATED_HELD="cat.png")
    assert run.code == 8
    (path,) = re.findall(r"^Saved: C:\\(.+) \(", run.stdout, re.MULTILINE)
    assert windows.drive.joinpath(*path.split("\\")).read_bytes()[:4] == b"\x89PNG"
    assert (windows.work / "cat.png").read_bytes() == b"shown by a viewer"
    assert "being used by another process" in run.stderr


def test_a_name_in_other_letters_is_the_same_file_there(windows: Windows) -> None:
    for name in ("cat.png", "CAT.PNG"):
        told(windows.run("generate", "a cat", "-o", name))
    told(windows.run("generate", "a cat", "-o", "Cat.png", "--no-clobber"))
    assert windows.names() == ["Cat-1.png", "cat.png"]


@pytest.mark.parametrize(
    "name", ["con", "AUX.png", "lpt1.tar.png", "what?.png", "a|b.png", "cat.png.", "b\\nul.png"]
)
def test_a_name_that_it_does_not_take_is_refused_before_paying(
    windows: Windows, recorder: Recorder, name: str
) -> None:
    run = windows.run("generate", "a cat", "-o", name)
    assert (run.code, recorder.requests, windows.names()) == (2, [], [])
    assert "Windows" in run.stderr and len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["D:\\cat.png", "\\\\server\\share\\cat.png"])
def test_a_drive_or_a_server_that_is_not_there_is_told_before_paying(
    windows: Windows, recorder: Recorder, name: str
) -> None:
    run = windows.run("generate", "a cat", "-o", name)
    assert (run.code, recorder.requests) == (2, [])
    assert "cannot write to the output folder" in run.stderr


def test_an_edit_sends_files_from_any_spelling_of_their_paths(windows: Windows, recorder: Recorder) -> None:
    (windows.work / "in puts").mkdir()
    for name in ("photo.png", "in puts/hat; 1.png"):
        (windows.work / name).write_bytes(png())
    (windows.work / "mask.png").write_bytes(png(alpha=True))
    more = ["--image", "in puts/hat; 1.png", "--mask", "MASK.png", "-o", "out\\edit.png"]
    told(windows.run("edit", "C:\\work\\Photo.png", "a green hat", *more))
    assert [file.filename for file in recorder.only.files()] == ["Photo.png", "hat; 1.png", "MASK.png"]
    assert [file.data for file in recorder.only.files()] == [png(), png(), png(alpha=True)]


def test_a_batch_from_a_file_with_crlf_is_made_once_and_its_page_links_by_slashes(
    windows: Windows, recorder: Recorder
) -> None:
    jobs = [
        '{"prompt": "a", "output": "p/a.png"}',
        '{"prompt": "b", "output": "p\\\\b.png"}',
        "# no job",
        "plain",
        "",
    ]
    (windows.work / "jobs.jsonl").write_bytes("\r\n".join(jobs).encode())
    for _ in range(2):
        run = windows.run("batch", "run", "jobs.jsonl", "--out-dir", "images")
        assert run.code == 0, run.stderr
    assert sorted(request.json["prompt"] for request in recorder.requests) == ["a", "b", "plain"]
    made = [
        "images/0003-plain.png",
        "images/index.html",
        "images/journal.jsonl",
        "images/p/a.png",
        "images/p/b.png",
    ]
    assert [name for name in windows.names() if name.startswith("images/")] == made
    assert 'src="p/b.png"' in (windows.work / "images/index.html").read_text("utf-8")
    assert windows.strays() == []


def test_jobs_whose_outputs_are_one_file_there_are_refused_before_paying(
    windows: Windows, recorder: Recorder
) -> None:
    jobs = '{"prompt": "a", "output": "p/a.png"}\n{"prompt": "b", "output": "P\\\\A.png"}\n'
    (windows.work / "jobs.jsonl").write_text(jobs, "utf-8")
    run = windows.run("batch", "run", "jobs.jsonl", "--out-dir", "images")
    assert (run.code, recorder.requests) == (2, [])


def test_a_job_may_not_write_outside_the_folder_by_a_backslash(windows: Windows, recorder: Recorder) -> None:
    for output in ("..\\\\a.png", "C:\\\\work\\\\a.png", "\\\\a.png", "c:a.png"):
        (windows.work / "jobs.jsonl").write_text(f'{{"prompt": "a", "output": "{output}"}}\n', "utf-8")
        run = windows.run("batch", "run", "jobs.jsonl", "--out-dir", "images")
        assert (run.code, recorder.requests) == (2, []), output


def test_config_and_prompt_files_with_crlf_are_read(windows: Windows, recorder: Recorder) -> None:
    assert windows.run("config", "--init").code == 0
    config = windows.home / ".config/gpt-image-2/config.json"
    assert b"\r" not in config.read_bytes()
    config.write_bytes(
        b'{\r\n  "base_url": "%s",\r\n  "api_key": "%s"\r\n}\r\n' % (recorder.base_url.encode(), KEY.encode())
    )
    (windows.work / "prompt.txt").write_bytes("a lion,\r\nłódź\r\n".encode())
    told(windows.run("generate", "--prompt-file", "prompt.txt", "-o", "lion.png"))
    told(windows.run("generate", "-", "-o", "lion.png", stdin=b"a lion,\r\n2\r\n"))
    assert [request.json["prompt"] for request in recorder.requests] == ["a lion,\r\nłódź", "a lion,\r\n2"]
    shown = windows.run("config", "--show")
    assert "C:\\Users\\Zoë\\.config\\gpt-image-2\\config.json" in shown.stdout and KEY not in shown.stdout


def test_a_ctrl_c_does_not_reach_curl_so_that_a_batch_gets_what_it_paid_for(
    windows: Windows, recorder: Recorder
) -> None:
    recorder.hold()
    (windows.work / "jobs.jsonl").write_text("first\nsecond\n", "utf-8")
    run = ("batch", "run", "jobs.jsonl", "--out-dir", "images", "--concurrency", "1")
    with windows.start(*run) as process:
        recorder.wait_for_request()
        os.killpg(process.pid, signal.SIGINT)
        assert process.stderr is not None
        until(lambda: b"nothing more is started" in process.stderr.readline())
        recorder.release()
        process.communicate(timeout=60)
    assert process.returncode == 130
    assert "images/0001-first.png" in windows.names()


def test_what_a_killed_call_had_received_is_finished_by_the_next_one(windows: Windows) -> None:
    picture = png(noise=b"whole")

    def talk(exchange: Exchange) -> None:
        exchange.start(10_000_000)
        exchange.send(OPENING + quoted(picture) + b"},")
        exchange.wait_until_gone()

    with serving(talk) as server:
        windows.env["GPT_IMAGE2_BASE_URL"] = server.base_url
        with windows.start("generate", "a cat", "--n", "2", "-o", "cat.png") as process:
            server.wait_for_request()
            until(lambda: any(path.stat().st_size == len(picture) for path in windows.work.iterdir()))
            process.kill()
            process.communicate()
    run = windows.run("resume")
    assert run.code == 0, run.stderr
    assert (windows.work / "cat-1.png").read_bytes() == picture
    assert windows.names() == ["cat-1.png"]
