from __future__ import annotations

import re
from pathlib import Path

import pytest
from harness import Home, Run, Sandbox
from PIL import Image
from servers import Recorder

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNNERS = {"generate.py": "python3", "generate.mjs": "node", "generate.sh": "sh"}


def run(name: str, home: Home, base_url: str, prompt: str, output: str = "cat.png") -> Run:
    return home.run_program(RUNNERS[name], str(EXAMPLES / name), prompt, output, base_url=base_url)


def test_every_example_is_told_of_in_the_readme_and_run_here() -> None:
    files = {path.name for path in EXAMPLES.iterdir() if path.is_file()} - {"README.md"}
    told = re.findall(
        r"^(\w+) examples/([^/\s]+) ", (EXAMPLES / "README.md").read_text("utf-8"), re.MULTILINE
    )
    assert files == set(RUNNERS)
    assert {name: program for program, name in told} == RUNNERS


@pytest.mark.parametrize("name", RUNNERS)
def test_it_makes_an_image_and_prints_its_path(name: str, home: Home, sandbox: Sandbox) -> None:
    done = run(name, home, sandbox.base_url, "A cute cat on a windowsill", "my cats (2)/cat.png")
    assert done.code == 0, done.stderr
    assert done.stdout == f"{home.cwd}/my cats (2)/cat.png\n"
    with Image.open(done.stdout.rstrip("\n")) as image:
        image.load()
        assert image.format == "PNG"


@pytest.mark.parametrize("name", RUNNERS)
def test_no_part_of_a_prompt_is_taken_for_a_command_or_a_flag(
    name: str, home: Home, sandbox: Sandbox
) -> None:
    prompt = "--n 3; touch a; \"$(touch b)\" `touch c` '&& touch d' %PATH%\n| touch e"
    done = run(name, home, sandbox.base_url, prompt)
    assert done.code == 0, done.stderr
    assert [path.name for path in home.cwd.iterdir()] == ["cat.png"]


@pytest.mark.parametrize("name", RUNNERS)
def test_without_arguments_it_buys_nothing_and_says_what_it_wants(
    name: str, home: Home, recorder: Recorder
) -> None:
    for words in ((), ("A cat",)):
        done = home.run_program(RUNNERS[name], str(EXAMPLES / name), *words, base_url=recorder.base_url)
        assert done.code != 0
        assert "PROMPT OUTPUT" in done.stderr
    assert not recorder.requests


@pytest.mark.parametrize("name", RUNNERS)
def test_a_failure_ends_with_the_commands_exit_code_and_message(
    name: str, home: Home, sandbox: Sandbox
) -> None:
    done = run(name, home, sandbox.fault("moderation"), "A cat")
    assert (done.code, done.stdout) == (5, "")
    assert "error: " in done.stderr
