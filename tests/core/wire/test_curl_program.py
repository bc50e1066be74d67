"""Without a usable curl there is one clear error, and nothing else happens."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Dict

import pytest
from harness import KEY, Home
from servers import Recorder

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs shell scripts")


def path_with(home: Home, curl: str = "") -> Dict[str, str | None]:
    """A PATH of one folder, with this shell script as curl, or without any."""
    folder = home.cwd.parent / "programs"
    folder.mkdir()
    if curl:
        program = folder / "curl"
        program.write_text(f"#!/bin/sh\n{curl}\n")
        program.chmod(0o755)
    return {"PATH": str(folder)}


@pytest.mark.parametrize("command", [["generate", "a cat"], ["edit", "-", "a cat"]])
def test_a_missing_curl_is_told_with_how_to_install_it(
    home: Home, recorder: Recorder, command: list[str]
) -> None:
    from pictures import png

    run = home.run(
        *command, "-o", "new/cat.png", base_url=recorder.base_url, env=path_with(home), stdin=png()
    )
    assert run.code == 3
    assert run.stderr.startswith("error: curl is not installed") and len(run.stderr.splitlines()) == 1
    assert "apt install curl" in run.stderr
    assert recorder.requests == [] and list(home.cwd.iterdir()) == []


def test_an_empty_path_is_told_like_a_missing_curl(home: Home, recorder: Recorder) -> None:
    run = home.run("generate", "a cat", base_url=recorder.base_url, env={"PATH": ""})
    assert (run.code, recorder.requests) == (3, [])
    assert "curl is not installed" in run.stderr


@posix_only
def test_too_old_a_curl_is_told_with_the_version_that_is_needed(home: Home, recorder: Recorder) -> None:
    old = (
        'case "$*" in *--version*) echo "curl 7.58.0 (x86_64-pc-linux-gnu) libcurl/7.58.0"; exit 0;; esac\n'
        'echo "curl: option --no-http0.9: is unknown" >&2\n'
        "echo \"curl: try 'curl --help' or 'curl --manual' for more information\" >&2\n"
        "exit 2"
    )
    run = home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url, env=path_with(home, old))
    assert run.code == 3
    (line,) = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert "curl 7.58.0" in line and "7.64" in line
    assert "maybe" not in run.stderr
    assert KEY not in run.stderr
    assert list(home.cwd.iterdir()) == [] == home.leftovers()


@posix_only
def test_too_old_a_curl_is_one_json_object_too(home: Home, recorder: Recorder) -> None:
    old = 'echo "curl: option --no-http0.9: is unknown" >&2; exit 2'
    run = home.run("generate", "a cat", "--json", base_url=recorder.base_url, env=path_with(home, old))
    assert run.code == 3
    assert run.json["error"]["code"] == "curl_too_old"
    assert run.json["billed"] == "no"


def test_help_config_and_dry_run_need_no_curl(home: Home) -> None:
    env = path_with(home)
    for args in (["--help"], ["config"], ["generate", "a cat", "--dry-run"]):
        assert home.run(*args, env=env).code == 0


@posix_only
def test_curl_gets_its_quiet_flag_first_and_nothing_of_the_request_as_an_argument(
    home: Home, recorder: Recorder
) -> None:
    real = shutil.which("curl")
    seen = home.cwd.parent / "argv"
    env = path_with(home, f'printf "%s\\n" "$@" > "{seen}"\nexec "{real}" "$@"')
    run = home.run("generate", "a cat", base_url=recorder.base_url, env=env)
    assert run.code == 0, run.stderr
    arguments = Path(seen).read_text(encoding="utf-8").splitlines()
    assert arguments[0] == "-q"
    assert arguments[-2:] == ["--config", "-"]
    assert len(arguments) <= 4
