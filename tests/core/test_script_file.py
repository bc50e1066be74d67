"""The generated script is one file that runs from anywhere under any name, and can be imported."""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
from pathlib import Path
from types import ModuleType
from typing import List, Tuple

import pytest
from harness import SANDBOX_PYTHON, SCRIPT, Home, install_line
from servers import Recorder

from gpt_image2 import core


def run(
    home: Home, program: Path, *args: str, options: Tuple[str, ...] = ("-I", "-S")
) -> tuple[int, str, str]:
    return tuple(home.run_program(sys.executable, *options, str(program), *args))


def places(home: Home) -> List[Path]:
    folder = home.cwd.parent / "some dir"
    folder.mkdir()
    copy, link, chain = folder / "gpt-image2", folder / "link.py", folder / "chain"
    shutil.copy(str(SCRIPT), str(copy))
    link.symlink_to(SCRIPT)
    chain.symlink_to("link.py")
    return [SCRIPT, copy, link, chain]


def test_the_script_runs_under_any_name_from_any_folder_and_through_links(home: Home) -> None:
    texts = set()
    for program in places(home):
        code, stdout, stderr = run(home, program, "--help")
        assert (code, stderr) == (0, "")
        called = f"python3 {shlex.quote(str(program))}"
        assert f"usage: {called} COMMAND" in stdout
        texts.add(stdout.replace(called, "PROGRAM"))
    assert len(texts) == 1


def test_the_script_far_from_a_clone_names_one_for_what_is_to_be_installed(home: Home) -> None:
    for file in SCRIPT.parent.glob("*.py"):
        shutil.copy(str(file), str(home.cwd))
    stderr = run(home, home.cwd / SCRIPT.name, "generate", "a cat", "--sandbox")[2]
    assert "install it: pip install '.[sandbox]' in a clone of gpt-image2" in stderr


@pytest.mark.skipif(os.name != "posix", reason="needs a shebang")
def test_the_script_is_executable(home: Home) -> None:
    assert home.run_program(str(SCRIPT), "--version").stdout == f"gpt-image2 {core.VERSION}\n"


@pytest.mark.parametrize("args", [[], ["-h"], ["--help"], ["help"]])
def test_help_lists_commands_and_exit_codes(home: Home, args: List[str]) -> None:
    code, stdout, stderr = run(home, SCRIPT, *args)
    assert (code, stderr) == (0, "")
    for word in ("generate", "edit", "config", "sandbox", "exit codes:", "130"):
        assert word in stdout


@pytest.mark.parametrize("flag", ["--version", "-V", "-v", "version"])
def test_the_version_is_printed(home: Home, flag: str) -> None:
    assert run(home, SCRIPT, flag) == (0, f"gpt-image2 {core.VERSION}\n", "")


@pytest.mark.parametrize("command", ["generate", "edit", "config"])
def test_each_command_has_help_with_all_its_options(home: Home, command: str) -> None:
    code, stdout, stderr = run(home, SCRIPT, command, "--help")
    assert (code, stderr) == (0, "")
    options = {
        "config": ["--init", "--show", "--force", "--config"],
        "edit": ["--image", "--mask", "--moderation"],
        "generate": ["--dry-run", "--param", "--max-cost", "--no-clobber", "--prompt-file", "--sandbox"],
    }[command]
    if command != "config":
        options += ["-o", "--output", "--quality", "--size", "--format", "--n", "--timeout", "--config"]
        options += ["--base-url", "--api-key", "--model", "--background", "--output-compression", "--user"]
        assert "~/gpt-image2-output.png" in stdout and "default 600" in stdout
    assert [option for option in options if option not in stdout] == []


@pytest.mark.parametrize("args", [["paint", "a cat"], ["--colour"], ["generate", "a cat", "--colour"], [""]])
def test_an_unknown_command_or_flag_is_one_line(home: Home, args: List[str]) -> None:
    code, stdout, stderr = run(home, SCRIPT, *args)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("error: ") and len(stderr.splitlines()) == 1
    assert "--help" in stderr


@pytest.mark.parametrize("args", [["sandbox"], ["generate", "a cat", "--sandbox"]])
def test_without_the_package_the_sandbox_names_the_command_that_installs_it(
    home: Home, args: List[str]
) -> None:
    code, stdout, stderr = run(home, SCRIPT, *args)
    assert (code, stdout) == (2, "")
    assert stderr.startswith("error: ") and install_line("sandbox") in stderr
    assert len(stderr.splitlines()) == 1


@pytest.mark.skipif(
    "GPT_IMAGE2_SANDBOX_PYTHON" not in os.environ and sys.version_info < (3, 10), reason="no sandbox"
)
def test_with_the_package_one_call_runs_against_a_sandbox_of_its_own_without_a_key(home: Home) -> None:
    args = ("generate", "a cat", "-o", "cat.png", "--sandbox", "--size", "square")
    run = home.run_program(SANDBOX_PYTHON, str(SCRIPT), *args, env={"GPT_IMAGE2_API_KEY": None})
    assert run.code == 0, run.stderr
    assert (home.cwd / "cat.png").read_bytes().startswith(b"\x89PNG")


def imported() -> ModuleType:
    spec = importlib.util.spec_from_file_location("imported_gpt_image2", str(SCRIPT))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["imported_gpt_image2"] = module
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules["imported_gpt_image2"]
    return module


def test_the_script_can_be_imported_and_offers_what_the_package_offers() -> None:
    module = imported()
    assert sorted(module.__all__) == sorted(core.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


def test_importing_the_script_does_nothing_else(home: Home) -> None:
    code = (
        "import sys, importlib.util, os, signal, threading\n"
        "before = signal.getsignal(signal.SIGINT), dict(os.environ), sys.path[:], threading.active_count()\n"
        f"spec = importlib.util.spec_from_file_location('gpt_image2', {str(SCRIPT)!r})\n"
        "sys.modules['gpt_image2'] = module = importlib.util.module_from_spec(spec)\n"
        "sys.dont_write_bytecode = True\n"
        "spec.loader.exec_module(module)\n"
        "after = signal.getsignal(signal.SIGINT), dict(os.environ), sys.path[:], threading.active_count()\n"
        "assert before == after\n"
    )
    assert home.run_program(sys.executable, "-I", "-S", "-W", "error", "-c", code) == (0, "", "")
    assert [path for place in (home.root, home.cwd, home.tmp) for path in place.rglob("*")] == []


def test_the_imported_script_makes_images(
    home: Home, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in home.environment(recorder.base_url).items():
        monkeypatch.setenv(name, value)
    target = home.cwd / "cat.png"
    assert imported().main(["generate", "a cat", "-o", str(target)]) == 0
    assert target.read_bytes().startswith(b"\x89PNG")


def test_an_internal_error_is_one_line_and_its_traceback_comes_with_debug(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = imported()

    def fail(*_: object) -> int:
        raise RuntimeError("sk-0123456789abcdef0123456789 broke it")

    monkeypatch.setattr(module, "_dispatch", fail)
    assert module.main(["generate", "a cat"]) == 1
    text = capsys.readouterr().err
    assert text.startswith("error: internal error: RuntimeError: sk-…6789 broke it") and "--debug" in text
    assert len(text.splitlines()) == 1
    with pytest.raises(RuntimeError):
        module.main(["generate", "a cat", "--debug"])
    assert module.main(["generate", "--", "--debug"]) == 1


def test_debug_is_a_flag_of_every_command(home: Home) -> None:
    assert run(home, SCRIPT, "generate", "a cat", "--dry-run", "--debug")[0] == 0
    assert run(home, SCRIPT, "config", "--debug")[0] == 0


def test_python_warnings_do_not_appear(home: Home) -> None:
    assert run(home, SCRIPT, "config", options=("-W", "error", "-X", "dev"))[2] == ""


def test_a_side_file_is_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    module = imported()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert module.load_side("gpt_image2_more") is module.load_side("gpt_image2_more")
