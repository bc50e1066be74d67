"""What a program's own tests have: a client of the sandbox, and the fixture."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import install_line
from plugins import as_installed

import gpt_image2

ROOT = Path(__file__).parents[2]
A_PROGRAM = """
import gpt_image2

def poster(words):
    return gpt_image2.generate(f"A poster: {words}", quality="low").image.bytes()
"""
ITS_TESTS = """
import os
import gpt_image2
import pytest
from program import poster

def test_a_poster_is_an_image(gpt_image2_sandbox):
    assert poster("hello").startswith(b"\\x89PNG")
    (request,) = gpt_image2_sandbox.requests
    assert request.prompt == "A poster: hello" and request.fields["quality"] == "low"
    assert request.status == 200

def test_nothing_of_another_test_is_here(gpt_image2_sandbox):
    assert gpt_image2_sandbox.requests == []
    assert gpt_image2.Client().history() == []

def test_a_fault_can_be_rehearsed(gpt_image2_sandbox, monkeypatch):
    monkeypatch.setenv("GPT_IMAGE2_BASE_URL", gpt_image2_sandbox.fault("moderation"))
    with pytest.raises(gpt_image2.ModerationError):
        poster("x")

def test_an_edit_shows_its_inputs(gpt_image2_sandbox):
    client = gpt_image2.Client()
    client.edit(client.generate("a").image.bytes(), "b")
    assert [len(request.images) for request in gpt_image2_sandbox.requests] == [0, 1]
"""


def test_the_fixture_leads_every_call_to_the_sandbox_and_touches_no_home(tmp_path: Path) -> None:
    home = tmp_path / "home"
    config = home / ".config" / "gpt-image-2" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"base_url": "http://127.0.0.1:9/v1", "api_key": "sk-real"}')
    (tmp_path / "program.py").write_text(A_PROGRAM)
    (tmp_path / "test_program.py").write_text(ITS_TESTS)
    paths = [*as_installed(tmp_path / "site"), str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(tmp_path)],
        cwd=tmp_path,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": os.pathsep.join(paths),
            "OPENAI_API_KEY": "sk-real",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0 and "4 passed" in done.stdout, done.stdout + done.stderr
    assert [path for path in home.rglob("*") if path.is_file()] == [config]


def test_the_plugin_costs_a_program_that_does_not_use_it_nothing() -> None:
    code = (
        "import sys, pytest; before = set(sys.modules); import gpt_image2.library.pytest_plugin;"
        "print(sorted(name for name in set(sys.modules) - before if name.startswith('gpt_image2.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT / "src")}, capture_output=True
    )
    known = ["gpt_image2.core", "gpt_image2.core.base", "gpt_image2.core.base.about"]
    assert done.stdout.decode().strip() == str(
        [*known, "gpt_image2.library", "gpt_image2.library.pytest_plugin"]
    )


def test_a_client_of_the_sandbox_needs_no_key_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with gpt_image2.Client.sandbox() as client:
        result = client.generate("a cat", quality="low")
        assert result.sandbox and client.spend().sandbox.requests == 1
    assert list(tmp_path.iterdir()) == []


def test_there_is_one_for_asyncio() -> None:
    async def main() -> bool:
        async with gpt_image2.AsyncClient.sandbox(concurrency=2) as client:
            results = await asyncio.gather(*(client.generate(f"cat {each}") for each in range(3)))
            return all(result.sandbox for result in results)

    assert asyncio.run(main())


def test_without_its_packages_the_sandbox_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(gpt_image2.UsageError) as caught, gpt_image2.Client.sandbox():
        pass
    assert caught.value.code == "extra_missing" and caught.value.hint == install_line("sandbox")
