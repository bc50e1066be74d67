"""Which source of a setting wins, what is shown about it, and which host a key may go to."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

import pytest
from harness import KEY, Home, Run
from servers import Recorder

from gpt_image2.core.base.errors import ConfigError
from gpt_image2.core.settings.config import load_settings
from gpt_image2.core.settings.places import home_folder, state_folder

OFFICIAL = "https://api.openai.com/v1"
NO_KEYS: Dict[str, Optional[str]] = {"GPT_IMAGE2_API_KEY": None, "OPENAI_API_KEY": None}

URLS = {
    "--config file": "https://named-file.example/v1",
    "--base-url": "https://flag.example/v1",
    "found file": "https://found-file.example/v1",
    "environment": "https://environment.example/v1",
    "default": OFFICIAL,
}
KEYS = {
    "--config file": "sk-000000000000000000000000-ONE1",
    "--api-key": "sk-000000000000000000000000-TWO2",
    "found file": "sk-000000000000000000000000-TRE3",
    "GPT_IMAGE2_API_KEY": "sk-000000000000000000000000-FOR4",
    "OPENAI_API_KEY": "sk-000000000000000000000000-FIV5",
}


def write(path: Path, **fields: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fields), encoding="utf-8")
    path.chmod(0o600)
    return path


def found_file(home: Home) -> Path:
    return home.config_home / "gpt-image-2" / "config.json"


def dry_run(home: Home, *args: str, env: Mapping[str, Optional[str]] = NO_KEYS) -> Run:
    run = home.run("generate", "a cat", "--dry-run", "--json", *args, env=env)
    assert run.code == 0, run.stderr
    return run


def shadow_warnings(run: Run) -> List[str]:
    return [text for text in run.json["warnings"] if "is not used" in text]


def test_the_config_file_may_say_that_every_call_streams_but_those_that_cannot(home: Home) -> None:
    write(found_file(home), stream=True)
    args = ("--quality", "low", "--size", "square")
    streamed = dry_run(home, *args).json
    assert json.loads(streamed["body"])["stream"] is True
    priced = home.run("cost", *args, "--json").json
    assert priced["cost_usd"]["high"] == pytest.approx((196 + 100) * 30e-6)
    gif = dry_run(home, "--format", "gif", "--model", "gpt-image-2.6-flare").json
    assert "stream" not in json.loads(gif["body"])
    jobs = home.cwd / "jobs.jsonl"
    lines = [
        {"prompt": "a wave", "output_format": "gif", "model": "gpt-image-2.6-flare"},
        {"prompt": "a cat"},
    ]
    jobs.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    assert home.run("batch", "run", str(jobs), "--dry-run").code == 0
    assert home.run("config", "--show", "--json").json["settings"]["stream"]["value"] == "yes"
    write(found_file(home), stream=False)
    assert "stream" not in json.loads(dry_run(home).json["body"])


@pytest.mark.parametrize(("winner", "loser"), list(itertools.combinations(URLS, 2)))
def test_of_two_sources_of_the_base_url_the_higher_wins(home: Home, winner: str, loser: str) -> None:
    env: Dict[str, Optional[str]] = dict(NO_KEYS)
    args: List[str] = []
    for source in (winner, loser):
        if source == "--config file":
            args += ["--config", str(write(home.cwd / "named.json", base_url=URLS[source]))]
        elif source == "--base-url":
            args += ["--base-url", URLS[source]]
        elif source == "found file":
            write(found_file(home), base_url=URLS[source])
        elif source == "environment":
            env["GPT_IMAGE2_BASE_URL"] = URLS[source]
    run = dry_run(home, *args, env=env)
    assert run.json["url"] == URLS[winner] + "/images/generations"
    shadowed = {
        ("--config file", "--base-url"): "--base-url",
        ("--config file", "environment"): "GPT_IMAGE2_BASE_URL",
        ("found file", "environment"): "GPT_IMAGE2_BASE_URL",
    }.get((winner, loser))
    assert len(shadow_warnings(run)) == (1 if shadowed else 0)
    assert not shadowed or shadow_warnings(run)[0].startswith(f"{shadowed} is not used")


@pytest.mark.parametrize(("winner", "loser"), list(itertools.combinations(KEYS, 2)))
def test_of_two_sources_of_the_key_the_higher_wins(home: Home, winner: str, loser: str) -> None:
    env: Dict[str, Optional[str]] = dict(NO_KEYS)
    args: List[str] = []
    for source in (winner, loser):
        if source == "--config file":
            args += ["--config", str(write(home.cwd / "named.json", api_key=KEYS[source]))]
        elif source == "--api-key":
            args += ["--api-key", KEYS[source]]
        elif source == "found file":
            write(found_file(home), api_key=KEYS[source])
        else:
            env[source] = KEYS[source]
    run = dry_run(home, *args, env=env)
    assert run.json["headers"] == {"Authorization": f"Bearer sk-…{KEYS[winner][-4:]}"}
    shadowed = (winner, loser) == ("--config file", "--api-key")
    assert len(shadow_warnings(run)) == (1 if shadowed else 0)
    assert not shadowed or "--api-key" in shadow_warnings(run)[0]


def test_a_shadowed_flag_is_warned_about_on_stderr_of_a_real_call(home: Home, recorder: Recorder) -> None:
    named = write(home.cwd / "named.json", base_url=recorder.base_url)
    run = home.run("generate", "a cat", "--config", str(named), "--base-url", "https://flag.invalid/v1")
    assert run.code == 0, run.stderr
    (warning,) = [line for line in run.stderr.splitlines() if line.startswith("warning: ")]
    assert "--base-url is not used" in warning and str(named) in warning
    assert len(recorder.requests) == 1


def test_a_named_file_leaves_the_fields_it_does_not_set_to_the_flags(home: Home) -> None:
    named = write(home.cwd / "named.json", base_url=URLS["--config file"])
    run = dry_run(home, "--config", str(named), "--api-key", KEYS["--api-key"])
    assert run.json["url"].startswith(URLS["--config file"])
    assert run.json["headers"]["Authorization"].endswith("TWO2")
    assert shadow_warnings(run) == []


def test_with_a_named_file_no_other_file_is_read(home: Home) -> None:
    write(found_file(home), base_url=URLS["found file"], api_key=KEYS["found file"])
    named = write(home.cwd / "named.json")
    run = dry_run(home, "--config", str(named))
    assert run.json["url"].startswith(OFFICIAL)
    assert run.json["headers"] == {"Authorization": "Bearer (none)"}


PLACES = [
    "xdg/gpt-image-2/config.json",
    "home/.config/gpt-image-2/config.json",
    "home/.gpt-image-2-config.json",
    "home/.hermes/gpt-image-2-config.json",
]


@pytest.mark.parametrize("first", range(len(PLACES)))
def test_the_config_file_is_found_in_the_first_place_that_has_one(home: Home, first: int) -> None:
    root = home.root.parent
    for number in range(first, len(PLACES)):
        write(root / PLACES[number], base_url=f"https://place-{number}.example/v1")
    run = home.run("config", "--show", "--json", env={"XDG_CONFIG_HOME": str(root / "xdg")})
    assert run.json["active"] == str(root / PLACES[first])
    assert run.json["settings"]["base_url"] == {
        "value": f"https://place-{first}.example/v1",
        "source": str(root / PLACES[first]),
    }
    assert run.json["looked_in"] == [str(root / place) for place in PLACES]


def test_a_relative_xdg_folder_is_ignored_as_its_standard_says(home: Home) -> None:
    write(home.cwd / "xdg" / "gpt-image-2" / "config.json", base_url="https://relative.example/v1")
    run = home.run("config", "--show", "--json", env={"XDG_CONFIG_HOME": "xdg"})
    assert run.json["active"] is None


def test_a_plain_key_in_a_file_goes_before_a_variable_named_beside_it(home: Home) -> None:
    write(found_file(home), api_key=KEYS["found file"], api_key_env="MY_KEY")
    run = dry_run(home, env={**NO_KEYS, "MY_KEY": KEYS["OPENAI_API_KEY"]})
    assert run.json["headers"]["Authorization"].endswith("TRE3")


def test_a_variable_named_in_the_file_holds_the_key(home: Home, recorder: Recorder) -> None:
    write(found_file(home), base_url=recorder.base_url, api_key_env="MY_KEY")
    run = home.run("generate", "a cat", env={**NO_KEYS, "MY_KEY": KEYS["found file"]})
    assert run.code == 0, run.stderr
    assert recorder.only.header("authorization") == f"Bearer {KEYS['found file']}"


# config --show


def test_show_works_without_any_config_and_names_the_places(home: Home) -> None:
    run = home.run("config", "--show", env=NO_KEYS)
    assert run.code == 0, run.stderr
    assert run.stdout.startswith("Active config: none\n")
    assert all(str(home.root.parent / place) in run.stdout for place in PLACES[1:])
    assert f"{OFFICIAL}  (default)" in run.stdout
    assert "(none)" in run.stdout


def test_config_alone_shows(home: Home) -> None:
    assert home.run("config").stdout == home.run("config", "--show").stdout != ""


SHOWN: List[Tuple[Dict[str, Any], Dict[str, Optional[str]], str]] = [
    ({"api_key": KEY}, NO_KEYS, "{file}"),
    ({"api_key_env": "MY_KEY"}, {**NO_KEYS, "MY_KEY": KEY}, "MY_KEY, named by api_key_env in {file}"),
    ({}, {**NO_KEYS, "GPT_IMAGE2_API_KEY": KEY}, "GPT_IMAGE2_API_KEY"),
    ({}, {**NO_KEYS, "OPENAI_API_KEY": KEY}, "OPENAI_API_KEY"),
]


@pytest.mark.parametrize(("fields", "env", "source"), SHOWN, ids=lambda value: str(value)[:40])
@pytest.mark.parametrize("as_json", [True, False])
def test_show_names_the_source_of_the_key_and_masks_it(
    home: Home, fields: Dict[str, Any], env: Dict[str, Optional[str]], source: str, as_json: bool
) -> None:
    file = write(found_file(home), **fields)
    source = source.format(file=file)
    run = home.run("config", "--show", *(["--json"] if as_json else []), env=env)
    assert run.code == 0, run.stderr
    assert KEY not in run.stdout + run.stderr
    if as_json:
        assert run.json["settings"]["api_key"] == {"value": f"{KEY[:3]}…{KEY[-4:]}", "source": source}
    else:
        assert f"{KEY[:3]}…{KEY[-4:]}  ({source})" in run.stdout
        assert f"Active config: {file}" in run.stdout


def test_show_masks_a_short_key_wholly(home: Home) -> None:
    run = home.run("config", "--show", "--json", env={**NO_KEYS, "GPT_IMAGE2_API_KEY": "abc12345"})
    assert run.json["settings"]["api_key"]["value"] == "****"


def test_show_names_the_source_of_the_base_url_from_the_environment(home: Home) -> None:
    run = home.run("config", "--show", "--json", base_url="https://environment.example/v1")
    assert run.json["settings"]["base_url"]["source"] == "GPT_IMAGE2_BASE_URL"


def test_show_of_a_named_file_shows_that_file(home: Home) -> None:
    named = write(home.cwd / "named.json", base_url=URLS["--config file"])
    run = home.run("config", "--show", "--json", "--config", "named.json")
    assert run.json["active"] == run.json["settings"]["base_url"]["source"] == str(named)


# A key belongs to a host


@pytest.mark.parametrize("by", ["environment", "flag", "file"])
def test_the_official_key_alone_does_not_go_to_another_host(home: Home, recorder: Recorder, by: str) -> None:
    args = ["--base-url", recorder.base_url] if by == "flag" else []
    if by == "file":
        write(found_file(home), base_url=recorder.base_url)
    env = {**NO_KEYS, "OPENAI_API_KEY": KEY}
    run = home.run(
        "generate", "a cat", *args, env=env, base_url=recorder.base_url if by == "environment" else None
    )
    assert run.code == 3
    assert recorder.requests == []
    assert "OPENAI_API_KEY" in run.stderr and "GPT_IMAGE2_API_KEY" in run.stderr
    assert len(run.stderr.splitlines()) == 1


def test_the_official_key_goes_to_another_host_where_the_config_says_so(
    home: Home, recorder: Recorder
) -> None:
    write(found_file(home), base_url=recorder.base_url, api_key_env="OPENAI_API_KEY")
    run = home.run("generate", "a cat", env={**NO_KEYS, "OPENAI_API_KEY": KEY})
    assert run.code == 0, run.stderr
    assert recorder.only.header("authorization") == f"Bearer {KEY}"


@pytest.mark.parametrize(
    "url",
    [
        "https://other.invalid/v1",
        "http://relay.example/v1",
        "https://relay.example:8443/v1",
        "https://relay.example.evil.invalid/v1",
        "https://evil-relay.example/v1",
    ],
)
def test_a_files_key_is_not_sent_to_another_host_than_the_file_states(home: Home, url: str) -> None:
    write(found_file(home), base_url="https://relay.example/v1", api_key=KEY)
    shown = dry_run(home, "--base-url", url)
    assert shown.json["headers"] == {"Authorization": "Bearer (none)"}
    refused = home.run("generate", "a cat", "--base-url", url, env=NO_KEYS)
    assert refused.code == 3
    assert "https://relay.example/v1" in refused.stderr and url in refused.stderr


def test_a_files_key_goes_to_another_path_of_its_host(home: Home) -> None:
    write(found_file(home), base_url="https://relay.example/v1", api_key=KEY)
    run = dry_run(home, "--base-url", "https://RELAY.example:443/openai/v2")
    assert run.json["headers"]["Authorization"].endswith(KEY[-4:])


def test_a_template_config_keeps_the_official_key_from_the_host_of_an_environment_variable(
    home: Home,
) -> None:
    write(found_file(home), api_key_env="OPENAI_API_KEY")
    settings = load_settings(
        {"HOME": str(home.root), "OPENAI_API_KEY": KEY, "GPT_IMAGE2_BASE_URL": "https://other.invalid/v1"}
    )
    assert settings.base_url == "https://other.invalid/v1"
    assert settings.api_key is None
    with pytest.raises(ConfigError, match="belongs to"):
        settings.require_key()


@pytest.mark.parametrize(
    "url",
    [
        "http://api.openai.com/v1",
        "https://api.openai.com.evil.invalid/v1",
        "https://api.openai.com:444/v1",
        "https://evil.invalid/api.openai.com/v1",
    ],
)
def test_what_only_looks_like_the_official_host_does_not_get_the_official_key(home: Home, url: str) -> None:
    settings = load_settings({"HOME": str(home.root), "OPENAI_API_KEY": KEY}, base_url=url)
    assert settings.api_key is None


def test_a_key_over_plain_http_is_warned_about_but_not_on_loopback(home: Home) -> None:
    far = dry_run(home, "--base-url", "http://relay.example/v1", "--api-key", KEY)
    near = dry_run(home, "--base-url", "http://127.0.0.1:9/v1", "--api-key", KEY)
    assert any("unencrypted" in text for text in far.json["warnings"])
    assert not any("unencrypted" in text for text in near.json["warnings"])


def test_azure_takes_the_key_in_a_header_of_its_own(home: Home) -> None:
    run = dry_run(home, "--base-url", "https://mine.openai.azure.com/openai/v1", "--api-key", KEY)
    assert run.json["headers"] == {"api-key": f"{KEY[:3]}…{KEY[-4:]}"}


# OPENAI_BASE_URL and OPENAI_API_KEY are a pair

RELAY = "https://relay.example/v1"
PAIR: Dict[str, Optional[str]] = {
    "GPT_IMAGE2_API_KEY": None,
    "OPENAI_API_KEY": KEYS["OPENAI_API_KEY"],
    "OPENAI_BASE_URL": RELAY,
}
MASKED = f"Bearer sk-…{KEYS['OPENAI_API_KEY'][-4:]}"


def test_the_pair_of_the_sdks_is_used_as_a_pair_and_shown_so(home: Home) -> None:
    run = dry_run(home, env=PAIR)
    assert run.json["url"] == RELAY + "/images/generations"
    assert (run.json["headers"], run.json["warnings"]) == ({"Authorization": MASKED}, [])
    shown = home.run("config", "--show", "--json", env=PAIR).json["settings"]
    assert shown["base_url"] == {"value": RELAY, "source": "OPENAI_BASE_URL"}
    assert shown["api_key"]["source"] == "OPENAI_API_KEY"


def test_a_file_that_names_only_the_key_of_the_pair_leaves_the_pair_together(home: Home) -> None:
    write(found_file(home), api_key_env="OPENAI_API_KEY")
    run = dry_run(home, env=PAIR)
    assert run.json["url"].startswith(RELAY) and run.json["headers"] == {"Authorization": MASKED}


@pytest.mark.parametrize("url", [OFFICIAL, "https://flag.example/v1", "http://127.0.0.1:9/v1"])
@pytest.mark.parametrize("by", ["flag", "file", "environment"])
def test_the_key_of_the_pair_goes_nowhere_but_to_its_own_host(home: Home, url: str, by: str) -> None:
    args = ["--base-url", url] if by == "flag" else []
    env = {**PAIR, "GPT_IMAGE2_BASE_URL": url} if by == "environment" else PAIR
    if by == "file":
        write(found_file(home), base_url=url)
    run = dry_run(home, *args, env=env)
    assert run.json["url"].startswith(url) and run.json["headers"] == {"Authorization": "Bearer (none)"}
    refused = home.run("generate", "a cat", *args, env=env)
    assert refused.code == 3 and RELAY in refused.stderr


def test_the_key_of_the_pair_goes_to_its_host_when_a_flag_names_that(home: Home) -> None:
    assert dry_run(home, "--base-url", RELAY, env=PAIR).json["headers"] == {"Authorization": MASKED}


@pytest.mark.parametrize("by", ["--api-key", "GPT_IMAGE2_API_KEY", "file"])
def test_with_another_key_the_base_url_of_the_pair_is_not_used_and_that_is_said(home: Home, by: str) -> None:
    args = ["--api-key", KEYS["--api-key"]] if by == "--api-key" else []
    env = {**PAIR, "GPT_IMAGE2_API_KEY": KEYS["GPT_IMAGE2_API_KEY"]} if by == "GPT_IMAGE2_API_KEY" else PAIR
    if by == "file":
        write(found_file(home), api_key=KEYS["found file"])
    run = dry_run(home, *args, env=env)
    assert run.json["url"].startswith(OFFICIAL) and run.json["headers"] != {"Authorization": MASKED}
    (warning,) = shadow_warnings(run)
    assert warning.startswith("OPENAI_BASE_URL is not used")


def test_a_file_that_takes_the_key_of_the_pair_to_another_host_is_warned_about(home: Home) -> None:
    write(found_file(home), base_url=OFFICIAL, api_key_env="OPENAI_API_KEY")
    (warning,) = shadow_warnings(dry_run(home, env=PAIR))
    assert warning.startswith("OPENAI_BASE_URL is not used") and str(found_file(home)) in warning


# What is wrong in a value


@pytest.mark.parametrize("quotes", ['""', "''", "\u201c\u201d", '"'])
@pytest.mark.parametrize("by", ["GPT_IMAGE2_API_KEY", "--api-key", "file"])
def test_a_key_in_quotes_is_refused_before_anything_is_sent_and_the_quotes_are_told(
    home: Home, recorder: Recorder, quotes: str, by: str
) -> None:
    key = quotes[0] + KEY + quotes[1:]
    env: Dict[str, Optional[str]] = dict(NO_KEYS)
    args: List[str] = []
    if by == "file":
        write(found_file(home), api_key=key)
    elif by == "--api-key":
        args = ["--api-key", key]
    else:
        env[by] = key
    run = home.run("generate", "a cat", *args, env=env, base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (3, [])
    assert "quotes" in run.stderr and "cmd.exe" in run.stderr and KEY not in run.stderr


@pytest.mark.parametrize(
    "url", ["https://m\u00fcnchen.example/v1", "https://1.2.3.4.5/v1", "https://a..b/v1"]
)
def test_a_base_url_whose_host_can_be_read_in_two_ways_is_refused(home: Home, url: str) -> None:
    run = home.run("generate", "a cat", base_url=url)
    assert run.code == 3 and "base URL from GPT_IMAGE2_BASE_URL" in run.stderr


# Without a home folder


@pytest.fixture
def nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system knows no home folder of this user."""
    pytest.importorskip("pwd")

    def unknown(uid: int) -> Any:
        raise KeyError(uid)

    monkeypatch.setattr("pwd.getpwuid", unknown)


@pytest.mark.usefixtures("nobody")
@pytest.mark.parametrize("env", [{}, {"HOME": ""}, {"HOME": "not/absolute"}])
def test_without_a_home_folder_settings_are_found_where_they_still_can_be(
    home: Home, env: Dict[str, str]
) -> None:
    settings = load_settings({**env, "OPENAI_API_KEY": KEY})
    assert (settings.base_url, settings.api_key) == (OFFICIAL, KEY)
    write(home.root / "gpt-image-2" / "config.json", base_url=RELAY, api_key=KEY)
    assert load_settings({**env, "XDG_CONFIG_HOME": str(home.root)}).base_url == RELAY


@pytest.mark.usefixtures("nobody")
def test_a_home_folder_that_is_needed_and_missing_is_told(home: Home) -> None:
    with pytest.raises(ConfigError, match="no home folder"):
        home_folder({})
    with pytest.raises(ConfigError, match="no home folder"):
        state_folder({"HOME": ""})
    assert state_folder({"XDG_STATE_HOME": str(home.root)}) == home.root / "gpt-image-2"
