"""The completions and the man page do what a shell and `man` ask of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
COMPLETIONS = ROOT / "completions"


def completed(*words: str) -> list[str]:
    """What bash offers for the last word."""
    program = f"""
        source {COMPLETIONS}/gpt-image2.bash
        COMP_WORDS=({" ".join(f"'{word}'" for word in words)})
        COMP_CWORD={len(words) - 1}
        _shtab_gpt_image2
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_bash_completes_a_command() -> None:
    assert completed("gpt-image2", "gen") == ["generate"]


def test_bash_completes_a_flag_of_a_command() -> None:
    assert completed("gpt-image2", "generate", "--qua") == ["--quality"]


def test_a_flag_of_another_command_is_not_offered() -> None:
    assert completed("gpt-image2", "generate", "--mas") == []


def test_the_files_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "tools/shell_files.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_man_page_holds_every_command_and_the_exit_codes() -> None:
    page = (COMPLETIONS / "gpt-image2.1").read_text(encoding="utf-8").replace("\\", "")
    for text in ("gpt-image2 generate", "gpt-image2 edit", "--max-cost", "130  interrupted"):
        assert text in page


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_the_man_page_is_clean_roff() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", str(COMPLETIONS / "gpt-image2.1")], capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "error" not in done.stderr
