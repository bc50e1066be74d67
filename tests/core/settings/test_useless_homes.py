"""Users whom the system does not know, and homes that are no use: refused with the cure, or done without."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional

import pytest
from batching import write_jobs
from harness import SCRIPT, Home, Run
from servers import Recorder


@pytest.fixture
def stranger() -> List[str]:
    """What runs a command as a user whom the system does not know."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("becomes another user")
    return ["setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups"]


#: Homes that are no use, and what makes a place below the test's own folder into one.
USELESS_HOMES: Dict[str, Callable[[Path], Optional[str]]] = {
    "unset": lambda place: None,
    "empty": lambda place: "",
    "relative": lambda place: "home",
    "a file": lambda place: str(_made(place, 0o666)),
    "not writable": lambda place: str(_made(place / "folder", 0o555)),
    "not readable": lambda place: str(_made(place / "folder", 0o700)),
}


def _made(path: Path, mode: int) -> Path:
    if path.name == "folder":
        path.mkdir(parents=True)
    else:
        path.write_bytes(b"")
    path.chmod(mode)
    return path


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A new folder where everybody may write, below folders that everybody may pass."""
    with tempfile.TemporaryDirectory(prefix="open-to-all-") as name:
        for path in (Path(name), Path(name) / "tmp", Path(name) / "work"):
            path.mkdir(exist_ok=True)
            path.chmod(0o777)
        shutil.copytree(str(SCRIPT.parent), str(Path(name) / "scripts"))
        yield Path(name)


def run_by(stranger: List[str], home: Home, place: Path, kind: str, base_url: str, *args: str) -> Run:
    """Runs the script as that user with a home of that kind, on the system's Python, which all may run."""
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if python is None:
        pytest.skip("there is no Python that everybody may run")
    env = {"HOME": USELESS_HOMES[kind](place / "home"), "TMPDIR": str(place / "tmp"), "PYTHONWARNINGS": None}
    command = [*stranger, python, "-I", "-S", str(place / "scripts" / SCRIPT.name), *args]
    return home.run_program(*command, base_url=base_url, env=env, cwd=place / "work")


@pytest.mark.parametrize("kind", USELESS_HOMES)
def test_a_useless_home_is_refused_with_its_cure_or_the_image_is_saved(
    home: Home, recorder: Recorder, stranger: List[str], open_to_all: Path, kind: str
) -> None:
    words = ("generate", "a cat", "-o", "a.png", "--json")
    run = run_by(stranger, home, open_to_all, kind, recorder.base_url, *words)
    if kind in ("unset", "empty", "relative"):
        assert (run.code, recorder.requests) == (3, [])
        assert "set HOME" in run.json["error"]["hint"]
    else:
        assert (run.code, len(recorder.requests)) == (0, 1)
        assert (open_to_all / "work" / "a.png").is_file()
        assert "not in the history" in run.json["warnings"][0]
    assert [path for path in (open_to_all / "tmp").rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("kind", USELESS_HOMES)
@pytest.mark.parametrize(
    "words",
    ["generate x", "generate x -o -", "generate x --dry-run", "history", "spend", "config --init", "doctor"],
)
def test_no_command_breaks_on_a_useless_home(
    home: Home, recorder: Recorder, stranger: List[str], open_to_all: Path, kind: str, words: str
) -> None:
    run = run_by(stranger, home, open_to_all, kind, recorder.base_url, *words.split())
    assert run.code in (0, 2, 3, 8)
    assert "internal error" not in run.stderr and "Traceback" not in run.stderr
    assert words == "doctor" or recorder.requests == []


def test_a_batch_says_once_that_its_history_cannot_be_written(home: Home, recorder: Recorder) -> None:
    (home.root / "file").write_bytes(b"")
    jobs = str(write_jobs(home, "one", "two"))
    env = {"XDG_STATE_HOME": str(home.root / "file")}
    run = home.run("batch", "run", jobs, "--out-dir", "out", base_url=recorder.base_url, env=env)
    assert (run.code, len(recorder.requests)) == (0, 2)
    assert run.stderr.count("not in the history") == 1
