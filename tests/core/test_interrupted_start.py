"""A Ctrl-C before a call has begun, at whatever is loaded just then, ends the program without a traceback."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from harness import Home, Run

import gpt_image2

#: Loads a program as Python does, and gets a SIGINT when the import with a number of all begins.
DRIVER = """
import os, runpy, signal, sys
number, program, *words = sys.argv[1:]
left = None

class Interrupting:
    def find_spec(self, name, path=None, target=None):
        global left
        if left is None and name == "argparse":  # the first that the script imports
            left = int(number)
        if left is not None:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupting())
sys.argv = [program, *words]
if program == "gpt-image2":
    from gpt_image2.core.cli import main
    left = int(number)
    sys.exit(main())
runpy.run_path(program, run_name="__main__")
"""
WAYS_IN = ("script", "command")
FOLDER = str(Path(gpt_image2.__file__).parent.parent)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends a signal")


def interrupted(home: Home, way_in: str, number: int, *words: str) -> Run:
    """A run that is interrupted at an import."""
    program = str(home.script) if way_in == "script" else "gpt-image2"
    path = f"import sys; sys.path.insert(0, {FOLDER!r})\n" if way_in == "command" else ""
    return home.run_program(sys.executable, "-I", "-S", "-c", f"{path}{DRIVER}", str(number), program, *words)


@pytest.mark.parametrize("way_in", WAYS_IN)
@pytest.mark.parametrize("number", [1, 2, 3, 5, 8, 13, 21])
def test_a_ctrl_c_while_the_program_loads_ends_it_without_a_traceback(
    home: Home, way_in: str, number: int
) -> None:
    run = interrupted(home, way_in, number, "generate", "a cat", "--dry-run")
    assert run.code == 130
    assert run.stdout == "" and run.stderr in ("", "error: interrupted\n")


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_without_a_signal_it_runs(home: Home, way_in: str) -> None:
    run = interrupted(home, way_in, 100_000, "generate", "a cat", "--dry-run")
    assert run.code == 0 and "Nothing was sent." in run.stdout
