"""`doctor` gives the right verdict and exit code, and costs nothing."""

from __future__ import annotations

import json
import os
import shutil
from typing import Dict

import pytest
from harness import KEY, Home, Run, Sandbox
from servers import Answer, Recorder


def statuses(run: Run) -> Dict[str, str]:
    return {check["name"]: check["status"] for check in run.json["checks"]}


def test_a_healthy_set_up_is_ok(home: Home, sandbox: Sandbox) -> None:
    run = home.run("doctor", "--json", base_url=sandbox.base_url)
    assert run.code == 0, run.stdout
    assert set(statuses(run).values()) == {"ok"}
    assert {"curl", "python", "config", "api_key", "dns", "connection", "api", "state_folder", "disk"} <= set(
        statuses(run)
    )


def test_without_a_key_it_fails_with_3_and_says_how_to_give_one(home: Home, sandbox: Sandbox) -> None:
    run = home.run("doctor", "--json", base_url=sandbox.base_url, env={"GPT_IMAGE2_API_KEY": None})
    assert run.code == 3
    assert statuses(run)["api_key"] == "fail"
    assert "GPT_IMAGE2_API_KEY" in run.json["error"]["hint"]


def test_a_wrong_key_fails_with_3(home: Home, sandbox: Sandbox) -> None:
    run = home.run("doctor", "--json", base_url=sandbox.base_url, env={"GPT_IMAGE2_API_KEY": "invalid"})
    assert run.code == 3
    assert statuses(run)["connection"] == "ok"
    assert statuses(run)["api"] == "fail"


def test_a_server_that_cannot_be_reached_fails_with_7(home: Home) -> None:
    run = home.run("doctor", "--json", base_url="http://127.0.0.1:1/v1")
    assert run.code == 7
    assert statuses(run)["connection"] == "fail"
    assert "api" not in statuses(run)


def test_a_name_that_does_not_resolve_fails_with_7(home: Home) -> None:
    run = home.run("doctor", "--json", base_url="http://host.invalid/v1", env={"http_proxy": None})
    assert run.code == 7
    assert statuses(run)["dns"] == "fail"


def test_a_broken_config_is_the_first_failure(home: Home) -> None:
    path = home.config_home / "gpt-image-2" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text("{")
    run = home.run("doctor", "--json")
    assert run.code == 3
    assert statuses(run)["config"] == "fail"


def test_open_permissions_of_the_config_are_a_warning_with_the_cure(home: Home, sandbox: Sandbox) -> None:
    home.run("config", "--init")
    path = home.config_home / "gpt-image-2" / "config.json"
    path.write_text(json.dumps({"base_url": sandbox.base_url, "api_key": KEY}))
    os.chmod(str(path), 0o644)
    run = home.run("doctor")
    assert run.code == 0
    assert f"chmod 600 {path}" in run.stdout
    assert KEY not in run.stdout + run.stderr


def test_it_sends_one_free_request_and_no_paid_one(home: Home, recorder: Recorder) -> None:
    run = home.run("doctor", "--json", base_url=recorder.base_url)
    assert [(request.method, request.path) for request in recorder.requests] == [("GET", "/v1/models")]
    assert run.json["billed"] == "no"


def test_without_curl_it_fails_and_still_ends_well(home: Home) -> None:
    empty = home.root / "bin"
    empty.mkdir()
    run = home.run("doctor", "--json", env={"PATH": str(empty)})
    assert run.code == 3
    assert statuses(run)["curl"] == "fail"


@pytest.mark.parametrize("megabytes, status", [(3, "ok"), (30, "warn")])
def test_a_list_of_models_of_any_length_cannot_hold_it_up(
    megabytes: int, status: str, home: Home, recorder: Recorder
) -> None:
    models = [{"id": "gpt-image-2", "about": "x" * (megabytes << 20)}]
    recorder.answer = lambda request: Answer(body=json.dumps({"data": models}).encode())
    run = home.run("doctor", "--json", base_url=recorder.base_url)
    assert (run.code, statuses(run)["api"]) == (0, status)


def test_the_sandbox_is_called_one_and_no_other_host_is(
    home: Home, sandbox: Sandbox, recorder: Recorder
) -> None:
    details = {
        check["name"]: check["detail"]
        for check in home.run("doctor", "--json", base_url=sandbox.base_url).json["checks"]
    }
    assert "this is the sandbox" in details["api"] and "placeholders" in details["api"]
    recorder.answer = lambda request: Answer(body=b'{"data": []}')
    assert "the key is accepted" in home.run("doctor", base_url=recorder.base_url).stdout


def test_it_tells_which_optional_parts_of_the_package_are_missing(home: Home) -> None:
    checks = {check["name"]: check for check in home.run("doctor", "--json").json["checks"]}
    assert checks["extras"]["status"] == "ok"
    assert checks["extras"]["detail"].startswith("installed: none; not: pictures, sandbox"), "it runs by -S"


@pytest.mark.parametrize("there", ["a command", "a link to the script", "none"])
def test_the_script_names_the_packages_command_where_that_is_on_the_path(there: str, home: Home) -> None:
    command, curl = home.cwd / "gpt-image2", shutil.which("curl")
    assert curl is not None
    if there == "a command":
        command.write_bytes(b"#!/bin/sh\n")
        command.chmod(0o755)
    elif there == "a link to the script":
        command.symlink_to(home.script)
        home.script.chmod(0o755)
    (home.cwd / "curl").symlink_to(curl)
    env = {"PATH": str(home.cwd)}
    missing = home.run("sheet", "a.png", "-o", "b.png", env=env)
    assert (missing.code, "sheet is not installed here" in missing.stderr) == (2, True)
    told = home.run("doctor", env=env, base_url="http://127.0.0.1:1/v1").stdout
    for said in (missing.stderr, told):
        assert ("or call gpt-image2" in said) is (there == "a command")


def test_a_state_folder_that_cannot_be_written_is_called_the_state_folder(
    home: Home, sandbox: Sandbox
) -> None:
    home.state.parent.mkdir(parents=True)
    home.state.write_bytes(b"")
    run = home.run("doctor", base_url=sandbox.base_url)
    assert run.code == 0
    assert f"warn  state folder  cannot write to the state folder {home.state}: " in run.stdout
    assert "output folder" not in run.stdout.partition("Not tested")[0]


def test_it_says_what_it_did_not_test(home: Home, sandbox: Sandbox) -> None:
    good = home.run("doctor", "--json", base_url=sandbox.base_url)
    assert [words.split(" ")[1] for words in good.json["not_tested"]] == ["images", "an"]
    assert "money" in good.json["not_tested"][0] and "for about $0.0" in good.json["not_tested"][0]
    bad = home.run("doctor", "--json", base_url="http://127.0.0.1:1/v1")
    assert "whether the host can be reached" in bad.json["not_tested"]
    assert "whether the key is accepted" in bad.json["not_tested"]
    assert "Not tested: whether images can be made" in home.run("doctor", base_url=sandbox.base_url).stdout
    assert home.run("doctor", "--forget", "--json", base_url=sandbox.base_url).json["not_tested"] == []
