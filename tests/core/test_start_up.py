"""A command loads what it needs, and nothing that takes long without being needed."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Optional, Set

import pytest
from harness import SCRIPT, Home
from servers import Recorder

import gpt_image2

#: The installed command, as pip writes it.
COMMAND = f"""
import sys
sys.path.insert(0, {str(Path(gpt_image2.__file__).parent.parent)!r})
from gpt_image2.core.cli import main
sys.exit(main())
"""
WAYS_IN = {"command": ["-c", COMMAND], "script": [str(SCRIPT)]}


def loaded_by(home: Home, way_in: str, *arguments: str, base_url: Optional[str] = None) -> Set[str]:
    """The modules that Python itself says it loaded."""
    python = [sys.executable, "-I", "-S", "-X", "importtime"]
    run = home.run_program(*python, *WAYS_IN[way_in], *arguments, base_url=base_url)
    assert run.code == 0, run.stderr
    return set(re.findall(r"^import time: .*\| +([\w.]+)$", run.stderr, re.MULTILINE))


def named_in(loaded: Set[str]) -> Set[str]:
    """The rooms and modules of ours."""
    return {word for name in loaded if name.startswith("gpt_image2.") for word in name.split(".")}


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_the_installed_command_tells_its_version_without_the_rest(home: Home, flag: str) -> None:
    loaded = loaded_by(home, "command", flag)
    assert loaded.isdisjoint({"argparse", "dataclasses", "enum", "json", "re", "subprocess", "typing"})
    assert "cli" in named_in(loaded)
    assert len(named_in(loaded)) <= 7


@pytest.mark.parametrize("way_in", WAYS_IN)
def test_a_call_does_not_load_what_is_dear_and_rarely_needed(home: Home, way_in: str) -> None:
    loaded = loaded_by(home, way_in, "generate", "a cat", "--dry-run", "--quiet")
    assert "subprocess" in loaded
    assert loaded.isdisjoint({"ast", "dataclasses", "email", "inspect", "tempfile"})


def test_a_single_call_of_the_script_loads_no_other_file_and_no_types(home: Home, recorder: Recorder) -> None:
    loaded = loaded_by(home, "script", "generate", "a cat", "-o", "cat.png", base_url=recorder.base_url)
    assert "subprocess" in loaded and loaded.isdisjoint({"importlib.util", "typing"})


@pytest.mark.parametrize("other", ["batch", "doctor", "history"])
def test_a_call_does_not_load_other_commands(home: Home, other: str) -> None:
    loaded = loaded_by(home, "command", "generate", "a cat", "--dry-run", "--quiet")
    assert other in named_in(loaded_by(home, "command", other, "--help"))
    assert other not in named_in(loaded)
