"""Every exit code is reached through the script, and says the same on stdout as JSON."""

from __future__ import annotations

import signal
import sys
from typing import Dict

import pytest
from harness import SCRIPT, Home, Run, Sandbox
from servers import Recorder

from gpt_image2.core.base.outcome import ExitCode

FAULTS: Dict[str, ExitCode] = {
    "auth": ExitCode.CONFIG,
    "rate-long": ExitCode.RATE_LIMIT,
    "moderation": ExitCode.MODERATION,
    "http-500": ExitCode.API,
    "reset": ExitCode.NETWORK,
    "fewer": ExitCode.PARTIAL,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_with_its_exit_code(home: Home, sandbox: Sandbox, prompt: str, fault: str) -> None:
    run = home.run("generate", prompt, "--n", "2", "-o", "a.png", "--json", base_url=sandbox.fault(fault))
    assert run.code == FAULTS[fault]
    assert run.json["ok"] is False


def test_all_saved_is_0(home: Home, sandbox: Sandbox, prompt: str) -> None:
    run = home.run("generate", prompt, "-o", "a.png", "--json", base_url=sandbox.base_url)
    assert run.code == ExitCode.OK
    assert run.json["ok"] is True


def test_an_internal_error_is_1(home: Home) -> None:
    program = "; ".join(
        [
            "import importlib.util, sys",
            f"spec = importlib.util.spec_from_file_location('script', {str(SCRIPT)!r})",
            "script = importlib.util.module_from_spec(spec)",
            "sys.modules['script'] = script",
            "spec.loader.exec_module(script)",
            "script.checked = lambda request: 1 / 0",
            "sys.exit(script.main(['generate', 'x', '--json']))",
        ]
    )
    run = home.run_program(sys.executable, "-c", program)
    assert run.code == ExitCode.INTERNAL
    assert "ZeroDivisionError" in run.json["error"]["message"]


def test_bad_input_is_2(home: Home) -> None:
    run = home.run("generate", "x", "--n", "11", "--json")
    assert run.code == ExitCode.USAGE
    assert run.json["billed"] == "no"


def test_an_argument_that_the_parser_refuses_is_2_and_still_one_object(home: Home) -> None:
    run = home.run("generate", "x", "--no-such-flag", "--json")
    assert run.code == ExitCode.USAGE
    assert run.json["error"]["code"] == "usage"


def test_no_key_is_3(home: Home, sandbox: Sandbox) -> None:
    run = home.run("generate", "x", "--json", base_url=sandbox.base_url, env={"GPT_IMAGE2_API_KEY": None})
    assert run.code == ExitCode.CONFIG
    assert run.json["error"]["code"] == "no_api_key"


def test_a_target_that_turns_into_a_folder_is_8_and_the_image_is_rescued(
    home: Home, recorder: Recorder
) -> None:
    recorder.hold()
    process = home.start("generate", "x", "-o", "a.png", "--json", base_url=recorder.base_url)
    recorder.wait_for_request()
    (home.cwd / "a.png").mkdir()
    recorder.release()
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == ExitCode.OUTPUT
    assert len(list(home.rescued.iterdir())) == 1
    assert Run(process.returncode, stdout.decode(), "").json["billed"] == "yes"


@pytest.mark.parametrize(
    ("signum", "code"),
    [(signal.SIGINT, ExitCode.INTERRUPTED), (signal.SIGTERM, ExitCode.TERMINATED)],
)
def test_a_signal_is_130_or_143_and_still_one_object(
    home: Home, recorder: Recorder, signum: int, code: ExitCode
) -> None:
    recorder.hold()
    process = home.start("generate", "x", "-o", "a.png", "--json", base_url=recorder.base_url)
    recorder.wait_for_request()
    process.send_signal(signum)
    stdout, _ = process.communicate(timeout=60)
    assert process.returncode == code
    outcome = Run(process.returncode, stdout.decode(), "").json
    assert outcome["billed"] == "maybe"
    assert outcome["error"]["code"] == "interrupted"


def test_the_exit_codes_stand_in_the_help(home: Home) -> None:
    text = home.run("generate", "--help").stdout
    for code in ExitCode:
        assert f"{int(code):>3}  {code.meaning}" in text
