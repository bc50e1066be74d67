"""A command loads what it needs, and nothing that takes long without being needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Set

import pytest
from harness import SCRIPT, Home

import gpt_image2

PACKAGE = f"""
sys.path.insert(0, {str(Path(gpt_image2.__file__).parent.parent)!r})
from gpt_image2.core.cli import main
"""
FILE = f"""
import importlib.util
spec = importlib.util.spec_from_file_location("script", {str(SCRIPT)!r})
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
main = script.main
"""


def loaded_by(home: Home, way_in: str, *arguments: str) -> Set[str]:
    code = f"import sys\n{way_in}\nassert main({list(arguments)}) == 0\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        env=home.env,
        cwd=str(home.cwd),
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stderr.decode().split())


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_the_installed_command_tells_its_version_without_the_rest(home: Home, flag: str) -> None:
    loaded = loaded_by(home, PACKAGE, flag)
    assert loaded.isdisjoint({"argparse", "dataclasses", "enum", "json", "re", "subprocess", "typing"})
    ours = {name for name in loaded if name.startswith("gpt_image2.core.")}
    assert ours == {f"gpt_image2.core.{name}" for name in ("cli", "base", "base.about", "base.exit_codes")}


@pytest.mark.parametrize("way_in", [PACKAGE, FILE], ids=["package", "script"])
def test_a_call_does_not_load_what_is_dear_and_rarely_needed(home: Home, way_in: str) -> None:
    loaded = loaded_by(home, way_in, "generate", "a cat", "--dry-run", "--quiet")
    assert loaded.isdisjoint({"ast", "dataclasses", "email", "inspect", "tempfile"})


def test_a_call_does_not_load_other_commands(home: Home) -> None:
    loaded = loaded_by(home, PACKAGE, "generate", "a cat", "--dry-run", "--quiet")
    assert "gpt_image2.core.calls.client" in loaded
    assert loaded.isdisjoint(
        f"gpt_image2.core.commands.{name}" for name in ("checks", "config", "doctor", "probe")
    )
