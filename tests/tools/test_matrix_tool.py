"""Which interpreters the matrix takes, and when it calls a run passed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Dict, List

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def matrix(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(TOOLS))
    import test_matrix

    return test_matrix


def listed(env: Dict[str, str]) -> List[str]:
    command = [sys.executable, str(TOOLS / "test_matrix.py"), "--list"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **env})
    return done.stdout.splitlines()


def fake_python(path: Path, script: str) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_an_interpreter_on_path_that_fails_does_not_count(tmp_path: Path) -> None:
    fake_python(tmp_path / "bin" / "python3.99", "echo 3 99 0 final /x; exit 127")
    lines = listed({"PATH": str(tmp_path / "bin"), "PYENV_ROOT": str(tmp_path)})
    assert not [line for line in lines if line.startswith("3.99")]
    assert lines, "the interpreter that runs the tool always counts"


def test_interpreters_on_path_and_of_pyenv_count_and_prereleases_do_not(tmp_path: Path) -> None:
    fake_python(tmp_path / "bin" / "python3.98", "echo 3 98 1 final /on/path")
    fake_python(tmp_path / "versions" / "3.99.2" / "bin" / "python", "echo 3 99 2 final /of/pyenv")
    fake_python(tmp_path / "versions" / "3.100.0a1" / "bin" / "python", "echo 3 100 0 alpha /early")
    lines = listed(
        {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "PYENV_ROOT": str(tmp_path)}
    )
    assert lines[-2:] == ["3.98.1 /on/path", "3.99.2 /of/pyenv"]


@pytest.mark.parametrize(
    ("found", "chosen"),
    [(["3.8", "3.9", "3.13"], ["3.8", "3.13"]), (["3.9", "3.13"], ["3.13"]), (["3.8"], ["3.8"])],
)
def test_the_floor_and_the_newest_are_chosen(matrix: ModuleType, found: List[str], chosen: List[str]) -> None:
    pythons = [matrix.Interpreter("python" + name, (*map(int, name.split(".")), 0)) for name in found]
    assert [python.path for python in matrix.choose(pythons)] == ["python" + name for name in chosen]


@pytest.mark.parametrize(
    ("code", "counts", "passed"),
    [
        (0, {"tests": 3, "failures": 0, "errors": 0, "skipped": 1}, True),
        (0, {"tests": 3, "failures": 0, "errors": 0, "skipped": 3}, False),
        (1, {"tests": 3, "failures": 1, "errors": 0, "skipped": 0}, False),
        (5, {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}, False),
        (4, {}, False),
    ],
)
def test_a_run_passes_only_when_something_was_tested(
    matrix: ModuleType, code: int, counts: Dict[str, int], passed: bool
) -> None:
    assert matrix.judge(code, counts).passed is passed


@pytest.mark.parametrize(("versions", "loud"), [([(3, 8, 1), (3, 13, 0)], False), ([(3, 13, 0)], True)])
def test_a_run_without_the_floor_says_so_in_its_last_line(
    matrix: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    versions: List[object],
    loud: bool,
) -> None:
    monkeypatch.setattr(matrix, "discover", lambda: [matrix.Interpreter("python", v) for v in versions])
    monkeypatch.setattr(matrix, "run_tests", lambda python, args: matrix.Outcome(True, "1 passed"))
    assert matrix.main([]) == 0
    note = "NOTE: no Python 3.8 found; core was not tested on its floor"
    assert (capsys.readouterr().out.splitlines()[-1] == note) is loud
