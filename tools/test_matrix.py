#!/usr/bin/env python3
"""Run the tests of core on Python 3.8, its floor, and on the newest Python found.

Each interpreter gets a virtual environment `.venv-3.N` in the repository, made by uv and kept until
pyproject.toml, the interpreter or the place of the repository changes. The sandbox that the tests talk to
needs what the development environment has; its Python goes to them as GPT_IMAGE2_SANDBOX_PYTHON.

Arguments are passed on to pytest. `--list` prints the interpreters found, and runs nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple
from xml.etree import ElementTree

from consoles import prepare_consoles

ROOT = Path(__file__).resolve().parent.parent
FLOOR = (3, 8)
UV = [sys.executable, "-m", "uv"]
PROBE = "import sys; v = sys.version_info; print(*v[:3], v.releaselevel, sys.executable)"
PROBE_TIMEOUT_S = 20

Version = Tuple[int, int, int]


@dataclass(frozen=True)
class Interpreter:
    """A Python that runs."""

    path: str
    version: Version

    @property
    def dotted(self) -> str:
        """The version as people write it."""
        return ".".join(map(str, self.version))


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    passed: bool
    summary: str


# Finding interpreters


def candidates() -> Iterator[str]:
    """Paths where a Python may be: this one, those on PATH, pyenv's, uv's."""
    yield sys.executable
    for folder in os.get_exec_path():
        yield from sorted(str(path) for path in Path(folder).glob("python3*") if is_python_name(path.name))
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(str(path) for path in pyenv.glob("versions/*/bin/python"))
    listed = run_quietly([*UV, "python", "list", "--only-installed", "--output-format", "json"])
    yield from (entry["path"] for entry in json.loads(listed or "[]"))


def is_python_name(name: str) -> bool:
    """Whether a program is called `python3` or `python3.N`."""
    return re.fullmatch(r"python3(\.\d+)?", name) is not None


def probe(path: str) -> Optional[Interpreter]:
    """The interpreter behind a path; None when it does not run or is not a final release."""
    words = (run_quietly([path, "-I", "-c", PROBE]) or "").strip().split(" ", 4)
    if len(words) != 5 or words[3] != "final":
        return None
    return Interpreter(words[4], (int(words[0]), int(words[1]), int(words[2])))


def run_quietly(command: Sequence[str]) -> Optional[str]:
    """What a command prints; None when it fails."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, encoding="utf-8", timeout=PROBE_TIMEOUT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout


def discover() -> List[Interpreter]:
    """The interpreters found, one a minor version, oldest first."""
    found: Dict[Tuple[int, int], Interpreter] = {}
    for path in dict.fromkeys(candidates()):
        interpreter = probe(path)
        if interpreter and interpreter.version >= FLOOR:
            found.setdefault(interpreter.version[:2], interpreter)
    return [found[minor] for minor in sorted(found)]


def choose(found: Sequence[Interpreter]) -> List[Interpreter]:
    """The floor, where it is found, and the newest."""
    return [*(python for python in found[:-1] if python.version[:2] == FLOOR), *found[-1:]]


# Running the tests


def environment(python: Interpreter) -> Path:
    """The Python of a virtual environment that has what the tests of core need; made when it is stale."""
    folder = ROOT / ".venv-{}.{}".format(*python.version)
    inside = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "stamp"
    project = (ROOT / "pyproject.toml").read_bytes()
    fresh = hashlib.sha256(project + repr((python, str(ROOT))).encode()).hexdigest()
    if not (stamp.is_file() and stamp.read_text(encoding="utf-8") == fresh and probe(str(inside))):
        print(f"Making {folder.name} from {python.path}", flush=True)
        run_uv("venv", "--quiet", "--clear", "--python", python.path, str(folder))
        run_uv("pip", "install", "--quiet", "--python", str(inside), "-e", f"{ROOT}[test-core]")
        stamp.write_text(fresh, encoding="utf-8")
    return inside


def run_uv(*args: str) -> None:
    """Run uv, which shall never download a Python."""
    subprocess.run([*UV, *args], check=True, env={**os.environ, "UV_PYTHON_DOWNLOADS": "never"})


def run_tests(python: Interpreter, args: Sequence[str]) -> Outcome:
    """Run the tests of core on one interpreter."""
    print(f"\n== core on Python {python.dotted} ({python.path})", flush=True)
    try:
        inside = environment(python)
    except subprocess.CalledProcessError as error:
        return Outcome(False, f"no environment: uv exited with {error.returncode}")
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        side_by_side = ["-n", "auto", "--dist", "worksteal"]
        command = [str(inside), "-m", "pytest", "tests/core", *side_by_side, f"--junit-xml={report}", *args]
        env = {**os.environ, "GPT_IMAGE2_SANDBOX_PYTHON": sys.executable}
        code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
        return judge(code, count(report))


def count(report: Path) -> Dict[str, int]:
    """How many tests ran, failed, were skipped, by pytest's own report."""
    if not report.is_file():
        return {}
    suites = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314 - pytest just wrote it
    counts = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    for suite in suites:
        for key in counts:
            counts[key] += int(suite.get(key, "0"))
    return counts


def judge(code: int, counts: Dict[str, int]) -> Outcome:
    """A run passes when pytest says so and at least one test was carried out."""
    if not counts:
        return Outcome(False, f"pytest exited with {code} and no report")
    failed, skipped = counts["failures"] + counts["errors"], counts["skipped"]
    passed = counts["tests"] - failed - skipped
    summary = f"{passed} passed, {failed} failed, {skipped} skipped"
    if code:
        return Outcome(False, f"{summary}; pytest exited with {code}")
    return Outcome(passed > 0, summary if passed else f"{summary}: nothing was tested")


def summarize(results: Sequence[Tuple[Interpreter, Outcome]]) -> str:
    """A table of interpreter, version and outcome."""
    rows = [("interpreter", "version", "outcome")]
    for python, outcome in results:
        rows.append(
            (python.path, python.dotted, f"{'ok' if outcome.passed else 'FAILED'}: {outcome.summary}")
        )
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{path:<{widths[0]}}  {version:<{widths[1]}}  {text}" for path, version, text in rows)


def main(args: Sequence[str]) -> int:
    """Find the interpreters and run the tests of core on two of them."""
    prepare_consoles()
    found = discover()
    if list(args) == ["--list"]:
        print("\n".join(f"{python.dotted} {python.path}" for python in found))
        return 0
    results = [(python, run_tests(python, args)) for python in choose(found)]
    print("\n" + summarize(results))
    if found[0].version[:2] != FLOOR:
        print("NOTE: no Python 3.8 found; core was not tested on its floor")
    return 0 if all(outcome.passed for _, outcome in results) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
