"""Profiles: hosts by name in one config file, and what of each goes where."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

import pytest
from harness import KEY, Home, Run
from servers import Recorder, recording

from gpt_image2 import Client, ConfigError

NO_KEYS: Dict[str, Optional[str]] = {"GPT_IMAGE2_API_KEY": None, "OPENAI_API_KEY": None}
TOP_KEY, ONE_KEY, TWO_KEY = (f"sk-0000000000000000000000-{name}" for name in ("TOPP", "ONE1", "TWO2"))
OFFICIAL = "https://api.openai.com/v1"


@pytest.fixture
def other() -> Iterator[Recorder]:
    """A second server."""
    with recording() as server:
        yield server


def config(home: Home, **fields: Any) -> Path:
    path = home.config_home / "gpt-image-2" / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fields, indent=1), encoding="utf-8")
    path.chmod(0o600)
    return path


def generate(home: Home, *args: str, env: Mapping[str, Optional[str]] = NO_KEYS) -> Run:
    return home.run("generate", "a cat", "-o", "cat.png", *args, env={**NO_KEYS, **env})


def key_of(server: Recorder) -> Optional[str]:
    return (server.only.header("authorization") or "").replace("Bearer ", "")


def settings_shown(home: Home, *args: str, env: Mapping[str, Optional[str]] = NO_KEYS) -> Dict[str, Any]:
    run = home.run("config", "--show", "--json", *args, env={**NO_KEYS, **env})
    assert run.code == 0, run.stdout
    return run.json["settings"]


# Which one is in force


@pytest.mark.parametrize("by", ["flag", "variable", "file", "flag before variable", "variable before file"])
def test_a_profile_is_chosen_by_flag_then_variable_then_the_file(
    home: Home, recorder: Recorder, other: Recorder, by: str
) -> None:
    one = {"base_url": recorder.base_url, "api_key": ONE_KEY}
    two = {"base_url": other.base_url, "api_key": TWO_KEY}
    args, env, default = {
        "flag": (["--profile", "one"], {}, None),
        "variable": ([], {"GPT_IMAGE2_PROFILE": "one"}, None),
        "file": ([], {}, "one"),
        "flag before variable": (["--profile", "one"], {"GPT_IMAGE2_PROFILE": "two"}, "two"),
        "variable before file": ([], {"GPT_IMAGE2_PROFILE": "one"}, "two"),
    }[by]
    config(home, profiles={"one": one, "two": two}, **({"profile": default} if default else {}))
    run = generate(home, *args, env=env)
    assert run.code == 0, run.stderr
    assert key_of(recorder) == ONE_KEY and other.requests == []


def test_without_a_profile_in_force_the_top_of_the_file_counts(home: Home, recorder: Recorder) -> None:
    config(home, base_url=recorder.base_url, api_key=TOP_KEY, profiles={"one": {"base_url": OFFICIAL}})
    assert generate(home).code == 0
    assert key_of(recorder) == TOP_KEY


def test_an_empty_name_leaves_the_default_profile_of_the_file_out(home: Home, recorder: Recorder) -> None:
    one = {"base_url": OFFICIAL, "api_key": ONE_KEY}
    config(home, base_url=recorder.base_url, api_key=TOP_KEY, profile="one", profiles={"one": one})
    assert generate(home, "--profile", "").code == 0
    assert key_of(recorder) == TOP_KEY


@pytest.mark.parametrize("command", ["generate", "batch run", "batch submit", "doctor", "config"])
def test_an_unknown_profile_is_one_line_with_the_names_that_are_there(
    home: Home, recorder: Recorder, command: str
) -> None:
    config(home, profiles={"one": {"base_url": recorder.base_url, "api_key": ONE_KEY}, "two": {}})
    (home.cwd / "jobs.jsonl").write_text('{"prompt": "a cat"}\n')
    words = {"generate": ["a cat"], "batch run": ["jobs.jsonl"], "batch submit": ["jobs.jsonl"]}
    run = home.run(*command.split(), *words.get(command, []), "--profile", "nine")
    assert (run.code, recorder.requests) == (3, [])
    told = run.stdout if command == "doctor" else run.stderr
    assert "'nine'" in told and "--profile" in told and "one, two" in told
    assert command == "doctor" or len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize("source", ["--profile", "GPT_IMAGE2_PROFILE", '"profile"'])
def test_who_names_an_unknown_profile_is_told(home: Home, source: str) -> None:
    config(home, profiles={"one": {}}, **({"profile": "nine"} if source == '"profile"' else {}))
    args = ["--profile", "nine"] if source == "--profile" else []
    run = generate(home, *args, env={"GPT_IMAGE2_PROFILE": "nine"} if source[0] == "G" else {})
    assert run.code == 3 and source in run.stderr


def test_a_profile_without_any_config_file_is_refused_and_config_init_is_named(home: Home) -> None:
    run = generate(home, "--profile", "one", env={"GPT_IMAGE2_API_KEY": KEY})
    assert run.code == 3 and "config --init --profile" in run.stderr


# A key belongs to a host


@pytest.mark.parametrize(
    ("top", "env"),
    [
        ({"api_key": KEY}, {}),
        ({"api_key_env": "MINE"}, {"MINE": KEY}),
        ({"api_key": KEY, "base_url": "https://elsewhere.example/v1"}, {}),
        ({}, {"OPENAI_API_KEY": KEY}),
        ({}, {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": "https://elsewhere.example/v1"}),
        ({"base_url": "https://elsewhere.example/v1"}, {"GPT_IMAGE2_API_KEY": KEY}),
        ({}, {"GPT_IMAGE2_API_KEY": KEY, "GPT_IMAGE2_BASE_URL": "https://elsewhere.example/v1"}),
    ],
)
def test_a_profile_with_a_host_of_its_own_gets_no_key_that_was_given_for_another(
    home: Home, recorder: Recorder, top: Dict[str, Any], env: Dict[str, str]
) -> None:
    config(home, profiles={"one": {"base_url": recorder.base_url}}, **top)
    run = generate(home, "--profile", "one", env=env)
    assert (run.code, recorder.requests) == (3, [])
    assert "api_key_env" in run.stderr and recorder.root in run.stderr and KEY not in run.stderr


@pytest.mark.parametrize("by", ["alone", "pair of ours", "pair of the SDKs", "named by the profile", "flag"])
def test_a_key_that_is_given_for_the_host_of_a_profile_goes_there(
    home: Home, recorder: Recorder, by: str
) -> None:
    own = {"api_key_env": "GPT_IMAGE2_API_KEY"} if by == "named by the profile" else {}
    config(home, api_key=TOP_KEY, profiles={"one": {"base_url": recorder.base_url, **own}})
    env = {
        "alone": {"GPT_IMAGE2_API_KEY": KEY},
        "pair of ours": {"GPT_IMAGE2_API_KEY": KEY, "GPT_IMAGE2_BASE_URL": recorder.base_url},
        "pair of the SDKs": {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": recorder.base_url},
        "named by the profile": {"GPT_IMAGE2_API_KEY": KEY},
    }.get(by, {})
    run = generate(home, "--profile", "one", *(["--api-key", KEY] if by == "flag" else []), env=env)
    assert run.code == 0, run.stderr
    assert key_of(recorder) == KEY


def test_the_key_and_headers_of_a_profile_are_not_sent_to_another_base_url(
    home: Home, recorder: Recorder, other: Recorder
) -> None:
    headers = {"X-Secret": "a-secret-of-the-one"}
    one = {"base_url": recorder.base_url, "api_key": ONE_KEY, "headers": headers, "query": {"team": "a"}}
    config(home, profiles={"one": one})
    args = ("--profile", "one", "--base-url", other.base_url)
    refused = generate(home, *args)
    assert (refused.code, other.requests) == (3, [])
    run = generate(home, *args, "--api-key", KEY)
    assert run.code == 0, run.stderr
    assert key_of(other) == KEY
    assert (other.only.header("x-secret"), other.only.path) == (None, "/v1/images/generations")
    assert "are not used" in run.stderr and "a-secret" not in run.stderr


def test_a_profile_without_a_host_takes_what_it_does_not_set_from_the_top(
    home: Home, recorder: Recorder
) -> None:
    config(
        home,
        base_url=recorder.base_url,
        api_key=TOP_KEY,
        headers={"X-Team": "a"},
        profiles={
            "one": {"format_field": "format"},
            "two": {"api_key_env": "MINE", "headers": {"X-Team": "b"}},
        },
    )
    assert generate(home, "--profile", "one", "--format", "png").code == 0
    assert generate(home, "--profile", "two", env={"MINE": TWO_KEY}).code == 0
    first, second = recorder.requests
    assert (first.header("authorization"), first.header("x-team")) == (f"Bearer {TOP_KEY}", "a")
    assert first.json["format"] == "png"
    assert (second.header("authorization"), second.header("x-team")) == (f"Bearer {TWO_KEY}", "b")


def test_a_profile_with_a_host_takes_only_history_from_the_top(home: Home, recorder: Recorder) -> None:
    config(
        home,
        history=False,
        format_field="format",
        headers={"X-Team": "top"},
        prices={"gpt-image-2": {"image_out": 1000}},
        profiles={"one": {"base_url": recorder.base_url, "api_key": ONE_KEY}},
    )
    run = generate(home, "--profile", "one", "--format", "png", "--json")
    assert run.code == 0, run.stderr
    assert recorder.only.json["output_format"] == "png" and recorder.only.header("x-team") is None
    assert run.json["cost_usd"] < 0.01 and not home.ledger.exists()


# Every way in


def test_all_jobs_of_a_batch_go_to_the_host_of_the_profile(home: Home, recorder: Recorder) -> None:
    config(
        home, profiles={"one": {"base_url": recorder.base_url, "api_key": ONE_KEY, "headers": {"X-A": "b"}}}
    )
    (home.cwd / "jobs.jsonl").write_text('{"prompt": "a cat"}\n{"prompt": "a dog"}\n')
    run = home.run("batch", "run", "jobs.jsonl", "--profile", "one", env=NO_KEYS)
    assert run.code == 0, run.stderr
    assert {(request.header("authorization"), request.header("x-a")) for request in recorder.requests} == {
        (f"Bearer {ONE_KEY}", "b")
    }


def test_doctor_checks_the_host_of_the_profile(home: Home, recorder: Recorder) -> None:
    config(home, profiles={"one": {"base_url": recorder.base_url, "api_key": ONE_KEY, "query": {"a": "b"}}})
    run = home.run("doctor", "--profile", "one", "--json", env=NO_KEYS)
    assert run.code == 0, run.stdout
    assert (recorder.only.path, key_of(recorder)) == ("/v1/models?a=b", ONE_KEY)


def test_the_library_takes_a_profile(home: Home, recorder: Recorder) -> None:
    config(home, profiles={"one": {"base_url": recorder.base_url, "api_key": ONE_KEY}})
    env = {"HOME": str(home.root), "PATH": os.environ["PATH"]}
    result = Client(profile="one", env=env).generate("a cat", output=home.cwd / "cat.png")
    assert result.images and key_of(recorder) == ONE_KEY
    with pytest.raises(ConfigError, match="one") as error:
        Client(profile="nine", env=env)
    assert error.value.code == "unknown_profile"


# config


def test_init_writes_a_profile_to_fill_in_and_keeps_what_is_in_the_file(home: Home) -> None:
    path = config(
        home, base_url=OFFICIAL, api_key_env="MINE", prices={"m": {"image_out": 1}}, unknown=["\u00e9"]
    )
    before = json.loads(path.read_text(encoding="utf-8"))
    run = home.run("config", "--init", "--profile", "my relay", "--json")
    assert (run.code, run.json["created"]) == (0, str(path))
    after = json.loads(path.read_text(encoding="utf-8"))
    assert set(after.pop("profiles")["my relay"].items()) == {
        ("base_url", "https://relay.example/v1"),
        ("api_key_env", "MY_RELAY_API_KEY"),
    }
    assert after == before and path.stat().st_mode & 0o777 == 0o600


def test_init_makes_the_file_for_the_first_profile_and_adds_the_second(
    home: Home,
) -> None:
    for name in ("one", "two"):
        run = home.run("config", "--init", "--profile", name)
        assert run.code == 0, run.stderr
    assert [row["name"] for row in home.run("config", "--list", "--json").json["profiles"]] == ["one", "two"]


def test_init_does_not_write_over_a_profile_without_force(home: Home) -> None:
    path = config(home, profiles={"one": {"api_key": ONE_KEY}, "two": {}})
    before = path.read_bytes()
    refused = home.run("config", "--init", "--profile", "one")
    assert refused.code == 2 and "--force" in refused.stderr and path.read_bytes() == before
    assert home.run("config", "--init", "--profile", "one", "--force").code == 0
    assert set(json.loads(path.read_text())["profiles"]) == {"one", "two"}
    assert ONE_KEY not in path.read_text()


@pytest.mark.parametrize("text", ["{", "[1]", '{"profiles": [1]}', '{"profiles": {"one": 1}}'])
def test_init_leaves_a_file_alone_that_it_cannot_read(home: Home, text: str) -> None:
    path = config(home)
    path.write_text(text)
    run = home.run("config", "--init", "--profile", "two", "--force")
    assert run.code == 3 and path.read_text() == text and len(run.stderr.splitlines()) == 1


def test_list_tells_each_profile_its_host_and_what_it_lacks(home: Home) -> None:
    good = {"base_url": "https://one.example/v1", "api_key": ONE_KEY}
    lacks = {"base_url": "https://two.example/v1", "api_key_env": "MINE"}
    config(home, profile="one", profiles={"one": good, "two": lacks, "bad": {"base_url": "nowhere"}})
    run = home.run("config", "--list", "--json", env=NO_KEYS)
    assert run.code == 0, run.stderr
    one, two, bad = run.json["profiles"]
    assert one == {"name": "one", "in_force": True, "base_url": "https://one.example/v1", "problem": ""}
    assert two["base_url"] == "https://two.example/v1" and "MINE" in two["problem"]
    assert (bad["base_url"], bad["in_force"]) == ("", False) and "nowhere" in bad["problem"]
    words = home.run("config", "--list", env=NO_KEYS).stdout
    assert words.startswith("* one") and ONE_KEY not in words + json.dumps(run.json)


def test_list_says_how_to_write_the_first_one(home: Home) -> None:
    run = home.run("config", "--list")
    assert (run.code, run.stdout) == (0, "") and "config --init --profile" in run.stderr


def test_show_names_the_source_of_each_value_of_a_profile(home: Home) -> None:
    one = {
        "base_url": "https://one.example/v1",
        "api_key_env": "MINE",
        "headers": {"X-Team": "a", "X-Token": {"env": "TOKEN"}},
        "query": {"v": "2"},
        "poll": {"path": "/tasks/{id}", "done": ["OK"]},
        "prices": {"gpt-image-2": {"image_out": 1}},
    }
    path = config(home, history=True, profiles={"one": one})
    env = {"MINE": ONE_KEY, "TOKEN": "tok-0123456789-abcdefghij"}
    shown = settings_shown(home, "--profile", "one", env=env)
    here = f"profile one in {path}"
    assert shown["profile"] == {"value": "one", "source": "--profile"}
    assert shown["base_url"] == {"value": "https://one.example/v1", "source": here}
    assert shown["api_key"] == {"value": "sk-\u2026ONE1", "source": f"MINE, named by api_key_env in {here}"}
    assert shown["headers.X-Team"] == {"value": "a", "source": here}
    token = {"value": "tok\u2026ghij", "source": f"TOKEN, named by headers in {here}"}
    assert shown["headers.X-Token"] == token
    assert (shown["query.v"], shown["history"]["source"]) == ({"value": "2", "source": here}, str(path))
    assert shown["prices"]["source"] == here and "gpt-image-2" in shown["prices"]["value"]
    assert json.loads(shown["poll"]["value"]) == {"path": "/tasks/{id}", "done": ["ok"]}


@pytest.mark.parametrize(
    "fields",
    [
        {"profiles": []},
        {"profiles": {"one": "https://one.example"}},
        {"profiles": {"": {}}},
        {"profile": 1},
        {"profile": "one", "profiles": {"one": {"base_url": 1}}},
        {"profile": "one", "profiles": {"one": {"api_key": ["a"]}}},
    ],
)
def test_profiles_that_are_none_are_refused_with_file_and_line(home: Home, fields: Dict[str, Any]) -> None:
    path = config(home, **fields)
    run = generate(home, env={"GPT_IMAGE2_API_KEY": KEY})
    assert run.code == 3 and f"config {path}, line " in run.stderr and len(run.stderr.splitlines()) == 1


def test_an_unknown_field_of_a_profile_is_warned_about_by_its_line(home: Home) -> None:
    config(home, profiles={"one": {"base_url": OFFICIAL, "api_key": ONE_KEY, "colour": 1, "profiles": {}}})
    run = home.run("config", "--show", "--profile", "one")
    warnings: List[str] = [line for line in run.stderr.splitlines() if "unknown field" in line]
    assert len(warnings) == 2 and "line 6" in warnings[0] and "'colour'" in warnings[0]
