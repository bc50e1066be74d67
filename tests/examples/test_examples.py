from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from gpt_image2.sandbox import serve_in_thread

EXAMPLES = Path(__file__).parents[2] / "examples"
RUNNERS = {"generate.py": "python3", "generate.mjs": "node", "generate.sh": "sh"}
TIMEOUT_S = 60.0


@pytest.fixture(scope="session")
def base_url() -> Iterator[str]:
    with serve_in_thread(latency_s=0) as url:
        yield url


def run(
    name: str, tmp_path: Path, base_url: str, prompt: str, output: str = "cat.png"
) -> subprocess.CompletedProcess[str]:
    (tmp_path / "home").mkdir()
    env = {
        "HOME": str(tmp_path / "home"),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
        "NO_PROXY": "127.0.0.1",
        "GPT_IMAGE2_API_KEY": "sk-test-0123456789abcdefghijKEY",
        "GPT_IMAGE2_BASE_URL": base_url,
        "PYTHONWARNINGS": "error",
    }
    command = [RUNNERS[name], str(EXAMPLES / name), prompt, output]
    return subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, encoding="utf-8", timeout=TIMEOUT_S
    )


def test_every_example_is_told_of_in_the_readme_and_run_here() -> None:
    files = {path.name for path in EXAMPLES.iterdir()} - {"README.md"}
    told = re.findall(r"^(\w+) examples/(\S+)", (EXAMPLES / "README.md").read_text("utf-8"), re.MULTILINE)
    assert files == set(RUNNERS)
    assert {name: program for program, name in told} == RUNNERS


@pytest.mark.parametrize("name", RUNNERS)
def test_it_makes_an_image_and_prints_its_path(name: str, tmp_path: Path, base_url: str) -> None:
    done = run(name, tmp_path, base_url, "A cute cat on a windowsill", "my cats (2)/cat.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{tmp_path}/my cats (2)/cat.png\n"
    with Image.open(done.stdout.rstrip("\n")) as image:
        image.load()
        assert image.format == "PNG"


@pytest.mark.parametrize("name", RUNNERS)
def test_no_part_of_a_prompt_is_taken_for_a_command_or_a_flag(
    name: str, tmp_path: Path, base_url: str
) -> None:
    prompt = "--n 3; touch a; \"$(touch b)\" `touch c` '&& touch d' %PATH%\n| touch e"
    done = run(name, tmp_path, base_url, prompt)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cat.png", "home"]


@pytest.mark.parametrize("name", RUNNERS)
def test_a_failure_ends_with_the_commands_exit_code_and_message(
    name: str, tmp_path: Path, base_url: str
) -> None:
    done = run(name, tmp_path, base_url.replace("/v1", "/fault/moderation/v1"), "A cat")
    assert (done.returncode, done.stdout) == (5, "")
    assert "error: " in done.stderr
