"""The completions and the man page do what real shells, `man` and `apropos` ask of them."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import List

import pytest
from harness import Home

ROOT = Path(__file__).parents[2]
COMPLETIONS = ROOT / "completions"
MAN_PAGE = COMPLETIONS / "gpt-image2.1"
SHELLS = ("bash", "zsh", "fish")
TIMEOUT_S = 30.0

#: Words of a command line, and what is offered for the last of them, among other things.
OFFERS = [
    (["gen"], ["generate"]),
    (["batch", "s"], ["submit", "status"]),
    (["help", "his"], ["history"]),
    (["generate", "--qua"], ["--quality"]),
    (["generate", "--quality", ""], ["auto", "low", "medium", "high"]),
    (["batch", "run", "--format", ""], ["png", "jpeg", "webp", "jpg"]),
    (["history", "redo", "--size", "sq"], ["square"]),
    (["cost", "--model", ""], ["gpt-image-2", "gpt-image-2.5-flare"]),
    (["edit", "--background", "t"], ["transparent"]),
    (["generate", "--profile", ""], ["work", "home"]),
    (["mcp", "--profile", "w"], ["work"]),
    (["mcp", "--out"], ["--output-dir"]),
    (["sandbox", "--clock"], ["--clock-speed"]),
    (["install-skill", "--to", "c"], ["claude", "codex"]),
    (["mask", "--read-as", ""], ["auto", "white", "alpha"]),
    (["edit", "--markup", "notes"], ["notes.png"]),
    (["compose", "--mask", "notes"], ["notes.png"]),
    (["batch", "run", "notes"], ["notes.png"]),
]
NOT_OFFERED = (["generate", "--mas"], ["edit", "--clock"], ["doctor", "--quality"])


@pytest.fixture
def shell_home(home: Home) -> Home:
    """A home with two profiles, a file, and the command on the path."""
    programs = home.root / "bin"
    programs.mkdir()
    program = programs / "gpt-image2"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -I -S '{home.script}' \"$@\"\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    config = home.config_home / "gpt-image-2" / "config.json"
    config.parent.mkdir(parents=True)
    profile = {"base_url": "http://127.0.0.1:9/v1"}
    config.write_text(json.dumps({"profiles": {"work": profile, "home": profile}}))
    (home.cwd / "notes.png").touch()
    home.env["PATH"] = f"{programs}{os.pathsep}{home.env['PATH']}"
    return home


def offered(home: Home, shell: str, *words: str) -> List[str]:
    """What a shell offers for the last word."""
    if shell == "bash":
        return by_bash(home, *words)
    if shell == "fish":
        line = " ".join(["gpt-image2", *words])
        program = f"source {COMPLETIONS}/gpt-image2.fish; complete -C '{line}'"
        lines = home.run_program("fish", "--no-config", "-c", program).stdout.splitlines()
        return [found.split("\t")[0] for found in lines]
    return by_zsh(home, *words)


def by_bash(home: Home, *words: str) -> List[str]:
    quoted = " ".join(f"'{word}'" for word in ("gpt-image2", *words))
    program = f"""
        source {COMPLETIONS}/gpt-image2.bash
        COMP_WORDS=({quoted})
        COMP_CWORD={len(words)}
        _shtab_gpt_image2
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    run = home.run_program("bash", "-c", program)
    assert run.code == 0, run.stderr
    return run.stdout.split()


def by_zsh(home: Home, *words: str) -> List[str]:
    """A shell at a terminal, which is asked for a list; `compadd` tells of everything that is offered."""
    import pty

    start = home.root / ".zshrc"
    start.write_text(
        f"fpath=({COMPLETIONS} $fpath)\nautoload -Uz compinit && compinit -u -D\n"
        'compadd() { local -a _found; builtin compadd -O _found "$@"; print -lr -- $_found >> offered;'
        ' builtin compadd "$@" }\n'
        "list() { zle list-choices; print done >> ended }\nzle -N list\nbindkey '^X' list\n"
        "unsetopt beep\nPS1='ready> '\n"
    )
    leader, follower = pty.openpty()
    env = {**home.environment(None), "ZDOTDIR": str(home.root), "TERM": "dumb"}
    with subprocess.Popen(
        ["zsh", "-i"], stdin=follower, stdout=follower, stderr=follower, cwd=str(home.cwd), env=env
    ) as shell:
        os.close(follower)
        deadline, text, is_asked = time.monotonic() + TIMEOUT_S, b"", False
        while time.monotonic() < deadline and not (home.cwd / "ended").exists():
            if select.select([leader], [], [], 0.02)[0]:
                text += os.read(leader, 4096)
            if not is_asked and b"ready>" in text:
                is_asked = True
                os.write(leader, " ".join(["gpt-image2", *words]).encode() + b"\x18")
        shell.kill()
    os.close(leader)
    assert (home.cwd / "ended").exists(), text
    file = home.cwd / "offered"
    return file.read_text().split() if file.exists() else []


@pytest.mark.parametrize("shell", SHELLS)
def test_a_shell_offers_commands_flags_values_profiles_and_files(shell_home: Home, shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here")
    for words, meant in OFFERS:
        for name in ("offered", "ended"):
            (shell_home.cwd / name).unlink(missing_ok=True)
        found = offered(shell_home, shell, *words)
        assert set(meant) <= set(found), f"{words}: {found}"


@pytest.mark.parametrize("words", NOT_OFFERED, ids=" ".join)
def test_a_flag_of_another_command_is_not_offered(shell_home: Home, words: List[str]) -> None:
    assert offered(shell_home, "bash", *words) == []


def test_the_files_are_fresh() -> None:
    done = subprocess.run(
        [sys.executable, "tools/shell_files.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_the_man_page_holds_every_command_and_the_exit_codes() -> None:
    page = MAN_PAGE.read_text(encoding="ascii").replace("\\", "")
    for text in ("gpt-image2 generate", "gpt-image2 batch run", "gpt-image2 mcp", "gpt-image2 mask"):
        assert text in page
    for text in ("--max-cost", "--clock-speed", ".B 130\ninterrupted"):
        assert text in page
    headings = re.findall(r"^\.SH (.+)$", page, re.MULTILINE)
    assert headings[:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"] and "COMMANDS" in headings
    assert headings[-5:] == ["EXIT STATUS", "ENVIRONMENT", "FILES", "EXAMPLES", "SEE ALSO"]


def test_the_man_page_names_every_variable_that_core_reads() -> None:
    core = ROOT / "src" / "gpt_image2" / "core"
    text = "\n".join(path.read_text(encoding="utf-8") for path in core.rglob("*.py"))
    read = set(re.findall(r'"((?:GPT_IMAGE2|OPENAI|XDG)_[A-Z_]+|NO_COLOR|COLUMNS)"', text))
    assert len(read) >= 6
    assert read <= set(re.findall(r"[A-Z_0-9]{5,}", MAN_PAGE.read_text(encoding="ascii")))


@pytest.mark.skipif(shutil.which("lexgrog") is None, reason="no lexgrog here")
def test_apropos_can_read_what_the_man_page_is_of() -> None:
    done = subprocess.run(["lexgrog", str(MAN_PAGE)], capture_output=True, text=True)
    assert 'gpt-image2 - Generate and edit images with gpt-image-2"' in done.stdout


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff here")
def test_the_man_page_is_clean_roff() -> None:
    done = subprocess.run(["groff", "-man", "-Tutf8", "-ww", str(MAN_PAGE)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
