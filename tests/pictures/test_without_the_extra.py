from __future__ import annotations

import sys
from pathlib import Path

import pytest
from harness import SCRIPT, Home, install_line

import gpt_image2

COMMANDS = ["mask", "compose", "check", "fit", "cutout", "sheet", "show"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_script_alone_says_what_to_install(home: Home, command: str) -> None:
    home.script = SCRIPT
    done = home.run(command, "photo.png")
    assert done.code == 2
    assert done.stderr.endswith(f"install it: {install_line('pictures')}\n")


def test_the_script_tells_an_error_of_the_extra_as_what_it_is(home: Home) -> None:
    env = {"PYTHONPATH": str(Path(gpt_image2.__file__).parent.parent)}
    for command, said in (("mask", "nothing.png"), ("show", "nothing.png")):
        words = [command, "nothing.png", *(["--rect", "0,0,9,9", "-o", "m.png"] if command == "mask" else [])]
        run = home.run_program(sys.executable, str(home.script), *words, "--json", env=env)
        assert run.code == 2 and run.json["error"]["code"] == "usage"
        assert said in run.json["error"]["message"]
