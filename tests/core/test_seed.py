"""Every row of the document that the project grew from works as it is written there."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List

import pytest
from harness import KEY, SCRIPT, Home
from pictures import jpeg, png, webp
from servers import Recorder, images

OFFICIAL = "https://api.openai.com/v1"
TEMPLATE = {"base_url": OFFICIAL, "api_key_env": "OPENAI_API_KEY"}


def write_config(path: Path, **fields: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fields), encoding="utf-8")
    path.chmod(0o600)
    return path


def shell(home: Home, command: str) -> subprocess.CompletedProcess:
    """Runs a line of the document as a person types it, in a folder that holds the script."""
    shutil.copy(str(SCRIPT), str(home.cwd / "gpt_image2.py"))
    programs = home.cwd.parent / "bin"
    if not programs.exists():
        programs.mkdir()
        (programs / "python3").write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "$@"\n')
        (programs / "python3").chmod(0o755)
    env = {**home.env, "PATH": f"{programs}{os.pathsep}{home.env['PATH']}"}
    return subprocess.run(["/bin/sh", "-c", command], env=env, cwd=str(home.cwd), capture_output=True)


def test_the_quick_start_works_as_written(home: Home, recorder: Recorder) -> None:
    del home.env["GPT_IMAGE2_API_KEY"]
    home.env["OPENAI_API_KEY"] = KEY
    (home.cwd / "input.png").write_bytes(png())

    init = shell(home, "python3 gpt_image2.py config --init")
    assert init.returncode == 0, init.stderr
    path = home.config_home / "gpt-image-2" / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    assert config == TEMPLATE
    path.write_text(json.dumps({**config, "base_url": recorder.base_url}), encoding="utf-8")

    generate = shell(
        home, 'python3 gpt_image2.py generate "A cute cat on a windowsill" -o ~/cat.png --quality low'
    )
    edit = shell(home, 'python3 gpt_image2.py edit input.png "Change the sofa to green" -o ~/output.png')

    size_kb = max(1, round(len(png(1024, 1024)) / 1024))
    assert generate.stdout.decode() == f"Saved: {home.root}/cat.png ({size_kb} KB)\n", generate.stderr
    assert edit.stdout.decode() == f"Saved: {home.root}/output.png ({size_kb} KB)\n", edit.stderr
    assert (home.root / "cat.png").read_bytes() == (home.root / "output.png").read_bytes() == png(1024, 1024)
    first, second = recorder.requests
    assert (first.method, first.path) == ("POST", "/v1/images/generations")
    assert first.json == {
        "model": "gpt-image-2",
        "prompt": "A cute cat on a windowsill",
        "quality": "low",
    }
    assert (second.method, second.path) == ("POST", "/v1/images/edits")
    assert second.texts() == {"model": "gpt-image-2", "prompt": "Change the sofa to green"}
    assert [(part.name, part.data) for part in second.files()] == [("image", png())]


def test_a_generation_without_options_sends_model_and_prompt_to_the_endpoint_with_a_bearer_key(
    home: Home, recorder: Recorder
) -> None:
    run = home.run("generate", "a cat", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    request = recorder.only
    assert request.json == {"model": "gpt-image-2", "prompt": "a cat"}
    assert request.header("authorization") == f"Bearer {KEY}"
    assert request.header("content-type") == "application/json"


def test_an_edit_is_multipart_with_a_bearer_key_and_never_sends_response_format(
    home: Home, recorder: Recorder
) -> None:
    (home.cwd / "in.png").write_bytes(png())
    run = home.run("edit", "in.png", "a cat", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    request = recorder.only
    assert request.header("authorization") == f"Bearer {KEY}"
    assert str(request.header("content-type")).startswith("multipart/form-data; boundary=")
    assert {part.name for part in request.parts} == {"model", "prompt", "image"}


def test_the_default_output_is_in_the_home_folder(home: Home, recorder: Recorder) -> None:
    run = home.run("generate", "a cat", base_url=recorder.base_url)
    assert run.saved == [home.root / "gpt-image2-output.png"]
    assert run.saved[0].read_bytes() == png(1024, 1024)
    assert list(home.cwd.iterdir()) == []


OPTIONS: List[Any] = [
    (["--quality", "low"], {"quality": "low"}),
    (["--quality", "medium"], {"quality": "medium"}),
    (["--quality", "high"], {"quality": "high"}),
    (["--quality", "auto"], {"quality": "auto"}),
    (["--size", "1024x1024"], {"size": "1024x1024"}),
    (["--size", "1536x1024"], {"size": "1536x1024"}),
    (["--size", "1024x1536"], {"size": "1024x1536"}),
    (["--size", "auto"], {"size": "auto"}),
    (["--format", "png"], {"output_format": "png"}),
    (["--format", "jpeg"], {"output_format": "jpeg"}),
    (["--format", "jpg"], {"output_format": "jpeg"}),
    (["--format", "webp"], {"output_format": "webp"}),
    (["--n", "1"], {"n": 1}),
    (["--n", "10"], {"n": 10}),
    (["--moderation", "low"], {"moderation": "low"}),
    (["--moderation", "auto"], {"moderation": "auto"}),
    (["--model", "gpt-image-2-2026-04-21"], {"model": "gpt-image-2-2026-04-21"}),
    (["--background", "transparent"], {"background": "transparent"}),
    (["--background", "opaque"], {"background": "opaque"}),
    (
        ["--output-compression", "40", "--format", "webp"],
        {"output_compression": 40, "output_format": "webp"},
    ),
    (["--compression", "0", "--format", "jpeg"], {"output_compression": 0, "output_format": "jpeg"}),
    (["--user", "user-7"], {"user": "user-7"}),
    (["--param", "safety_identifier=abc"], {"safety_identifier": "abc"}),
    (["--param", "flag=true", "--param", "count=3"], {"flag": True, "count": 3}),
    (["--param", "list=[1, 2]"], {"list": [1, 2]}),
]


@pytest.mark.parametrize(("args", "fields"), OPTIONS, ids=lambda value: " ".join(map(str, value)))
def test_each_option_becomes_its_field_of_a_generation(
    home: Home, recorder: Recorder, args: List[str], fields: Dict[str, Any]
) -> None:
    recorder.answer = lambda request: images(*[png(1024, 1024)] * request.json.get("n", 1))
    run = home.run("generate", "a cat", "-o", "cat.png", *args, base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert recorder.only.json == {"model": "gpt-image-2", "prompt": "a cat", **fields}


@pytest.mark.parametrize(("args", "fields"), OPTIONS, ids=lambda value: " ".join(map(str, value)))
def test_each_option_becomes_its_field_of_an_edit(
    home: Home, recorder: Recorder, args: List[str], fields: Dict[str, Any]
) -> None:
    recorder.answer = lambda request: images(*[png(1024, 1024)] * int(request.texts().get("n", 1)))
    (home.cwd / "in.png").write_bytes(png())
    run = home.run("edit", "in.png", "a cat", "-o", "cat.png", *args, base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
    assert recorder.only.texts() == {"model": "gpt-image-2", "prompt": "a cat", **texts}


@pytest.mark.parametrize("flag", ["-o", "--output"])
def test_both_names_of_the_output_flag_save_there(home: Home, recorder: Recorder, flag: str) -> None:
    run = home.run("generate", "a cat", flag, "there.png", base_url=recorder.base_url)
    assert run.saved == [home.cwd / "there.png"]


def test_options_may_stand_before_the_prompt(home: Home, recorder: Recorder) -> None:
    run = home.run("generate", "--quality", "low", "-o", "cat.png", "a cat", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert recorder.only.json["prompt"] == "a cat"


@pytest.mark.parametrize(("args", "seconds"), [([], "600.000"), (["--timeout", "7.5"], "7.500")])
def test_the_timeout_is_curls_max_time(home: Home, recorder: Recorder, args: List[str], seconds: str) -> None:
    programs = home.cwd.parent / "bin"
    programs.mkdir()
    seen = home.cwd.parent / "curl-stdin"
    curl = programs / "curl"
    curl.write_text(f'#!/bin/sh\ntee "{seen}" | exec "{shutil.which("curl")}" "$@"\n')
    curl.chmod(0o755)
    env = {"PATH": f"{programs}{os.pathsep}{home.env['PATH']}"}
    run = home.run("generate", "a cat", *args, base_url=recorder.base_url, env=env)
    assert run.code == 0, run.stderr
    lines = seen.read_text(encoding="utf-8").splitlines()
    assert f'max-time = "{seconds}"' in lines
    assert any(line.startswith("connect-timeout = ") for line in lines)
    assert any(line.startswith("keepalive-time = ") for line in lines)


def test_an_explicit_config_file_is_used(home: Home, recorder: Recorder) -> None:
    config = write_config(
        home.cwd / "mine.json", base_url=recorder.base_url, api_key="sk-from-the-file-000000"
    )
    run = home.run("generate", "a cat", "--config", str(config), env={"GPT_IMAGE2_API_KEY": None})
    assert run.code == 0, run.stderr
    assert recorder.only.header("authorization") == "Bearer sk-from-the-file-000000"


def test_base_url_and_key_may_come_by_flag_and_the_key_is_warned_about(
    home: Home, recorder: Recorder
) -> None:
    run = home.run("generate", "a cat", "--base-url", recorder.base_url, "--api-key", "sk-by-flag-0000000000")
    assert run.code == 0, run.stderr
    assert recorder.only.header("authorization") == "Bearer sk-by-flag-0000000000"
    warnings = [line for line in run.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1 and "ps" in warnings[0] and "--api-key" in warnings[0]


def test_further_images_come_by_repeated_image_flags(home: Home, recorder: Recorder) -> None:
    inputs = [png(noise=b"1"), jpeg(), webp(), png(noise=b"4")]
    for number, data in enumerate(inputs):
        (home.cwd / f"in-{number}").write_bytes(data)
    more = [text for number in (1, 2, 3) for text in ("--image", f"in-{number}")]
    run = home.run("edit", "in-0", "join them", *more, base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    files = recorder.only.files()
    assert [part.data for part in files] == inputs
    assert [part.name for part in files] == ["image[]"] * 4
    assert [part.content_type for part in files] == ["image/png", "image/jpeg", "image/webp", "image/png"]


def test_all_images_may_come_by_image_flags(home: Home, recorder: Recorder) -> None:
    for name in ("a.png", "b.png"):
        (home.cwd / name).write_bytes(png(noise=name.encode()))
    run = home.run("edit", "--image", "a.png", "--image", "b.png", "join", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert [part.filename for part in recorder.only.files()] == ["a.png", "b.png"]
    assert recorder.only.texts()["prompt"] == "join"


def test_sixteen_images_may_be_sent(home: Home, recorder: Recorder) -> None:
    names = [f"{number}.png" for number in range(16)]
    for name in names:
        (home.cwd / name).write_bytes(png(noise=name.encode()))
    more = [text for name in names[1:] for text in ("--image", name)]
    run = home.run("edit", names[0], "join", *more, base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert [part.filename for part in recorder.only.files()] == names


def test_a_mask_is_sent_beside_the_image(home: Home, recorder: Recorder) -> None:
    (home.cwd / "in.png").write_bytes(png())
    (home.cwd / "mask.png").write_bytes(png(alpha=True))
    run = home.run("edit", "in.png", "a cat", "--mask", "mask.png", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    files = {part.name: part for part in recorder.only.files()}
    assert files["image"].data == png()
    assert (files["mask"].data, files["mask"].filename) == (png(alpha=True), "mask.png")


def test_an_input_image_may_come_from_standard_input(home: Home, recorder: Recorder) -> None:
    run = home.run("edit", "-", "a cat", base_url=recorder.base_url, stdin=jpeg())
    assert run.code == 0, run.stderr
    (part,) = recorder.only.files()
    assert (part.data, part.filename, part.content_type) == (jpeg(), "image.jpg", "image/jpeg")


def test_an_input_image_may_come_from_an_address_and_the_key_does_not_go_there(
    home: Home, recorder: Recorder
) -> None:
    api = recorder.answer

    def answer(request: Any) -> Any:
        return api(request) if request.method == "POST" else images()._replace(body=png(noise=b"net"))

    recorder.answer = answer
    run = home.run("edit", f"{recorder.root}/pics/a%20cat.png?x=1", "a hat", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    fetched, sent = recorder.requests
    assert (fetched.method, fetched.path) == ("GET", "/pics/a%20cat.png?x=1")
    assert KEY not in repr(fetched)
    (part,) = sent.files()
    assert (part.data, part.filename) == (png(noise=b"net"), "a cat.png")


@pytest.mark.parametrize(("size", "kilobytes"), [(150, 1), (1024, 1), (2048, 2), (3000, 3), (10_240, 10)])
def test_the_saved_line_counts_in_units_of_1024_bytes(
    home: Home, recorder: Recorder, size: int, kilobytes: int
) -> None:
    picture = png(8, 8, noise=b"n")
    picture = png(8, 8, noise=b"n" * (size - len(picture) + 1)) if size > len(picture) else picture
    recorder.answer = lambda request: images(picture)
    run = home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url)
    assert run.stdout == f"Saved: {home.cwd}/cat.png ({kilobytes} KB)\n"


def test_status_and_elapsed_time_are_told_on_stderr(home: Home, recorder: Recorder) -> None:
    run = home.run("generate", "a cat", base_url=recorder.base_url)
    assert re.search(r"^HTTP 200 in \d+\.\d s", run.stderr, re.MULTILINE)


def test_the_python_integration_example_finds_the_path_on_stdout(home: Home, recorder: Recorder) -> None:
    prompt, output_path = 'A "quoted" prompt; $(rm -rf x) `y`\n& more', str(home.cwd / "output.png")
    result = subprocess.run(
        [sys.executable, str(SCRIPT), "generate", prompt, "-o", output_path, "--quality", "low"],
        capture_output=True,
        text=True,
        timeout=600,
        env={**home.env, "GPT_IMAGE2_BASE_URL": recorder.base_url},
    )
    assert re.findall(r"^Saved: (.*) \(\d+ KB\)$", result.stdout, re.MULTILINE) == [output_path]
    assert recorder.only.json["prompt"] == prompt


def test_a_copy_under_another_name_works_like_the_script(home: Home, recorder: Recorder) -> None:
    program = home.cwd.parent / "gpt-image2"
    shutil.copy(str(SCRIPT), str(program))
    done = subprocess.run(
        [str(program), "generate", "a cat", "-o", "cat.png"],
        env={**home.env, "GPT_IMAGE2_BASE_URL": recorder.base_url},
        cwd=str(home.cwd),
        stdout=subprocess.PIPE,
    )
    assert (done.returncode, done.stdout.startswith(b"Saved: ")) == (0, True)


# The config command


def test_config_init_writes_the_template_for_this_user_alone(home: Home) -> None:
    run = home.run("config", "--init")
    path = home.config_home / "gpt-image-2" / "config.json"
    assert run.code == 0, run.stderr
    assert run.stdout == f"Created: {path}\n"
    assert json.loads(path.read_text(encoding="utf-8")) == TEMPLATE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_config_init_goes_to_the_xdg_folder_where_one_is_set(home: Home) -> None:
    run = home.run("config", "--init", env={"XDG_CONFIG_HOME": str(home.cwd / "xdg")})
    assert run.stdout == f"Created: {home.cwd}/xdg/gpt-image-2/config.json\n"


def test_config_init_goes_to_the_path_that_is_named(home: Home) -> None:
    run = home.run("config", "--init", "--config", "deep/er/mine.json")
    path = home.cwd / "deep" / "er" / "mine.json"
    assert run.stdout == f"Created: {path}\n"
    assert json.loads(path.read_text(encoding="utf-8")) == TEMPLATE


def test_config_init_refuses_to_overwrite_and_force_overwrites(home: Home) -> None:
    path = write_config(home.config_home / "gpt-image-2" / "config.json", base_url="https://relay.example/v1")
    before = path.read_bytes()
    refused = home.run("config", "--init")
    assert refused.code == 2
    assert refused.stderr.startswith("error: ") and "--force" in refused.stderr
    assert path.read_bytes() == before
    path.chmod(0o644)
    forced = home.run("config", "--init", "--force")
    assert forced.code == 0, forced.stderr
    assert json.loads(path.read_text(encoding="utf-8")) == TEMPLATE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_config_show_after_init_works_before_the_key_is_set(home: Home) -> None:
    home.run("config", "--init")
    run = home.run("config", "--show", env={"GPT_IMAGE2_API_KEY": None})
    assert run.code == 0, run.stderr
    assert OFFICIAL in run.stdout
    assert "(none)" in run.stdout and "OPENAI_API_KEY" in run.stdout and "not set" in run.stdout


def test_config_init_and_show_together_print_one_json_object(home: Home) -> None:
    run = home.run("config", "--init", "--show", "--json", env={"OPENAI_API_KEY": KEY})
    path = str(home.config_home / "gpt-image-2" / "config.json")
    assert run.code == 0, run.stderr
    assert run.json["ok"] is True
    assert run.json["created"] == run.json["active"] == path


def test_a_config_that_others_can_read_is_warned_about_with_the_command_to_run(
    home: Home, recorder: Recorder
) -> None:
    path = write_config(
        home.config_home / "gpt-image-2" / "config.json", base_url=recorder.base_url, api_key=KEY
    )
    for mode in (0o640, 0o604, 0o666):
        path.chmod(mode)
        run = home.run("generate", "a cat", "-o", "cat.png", env={"GPT_IMAGE2_API_KEY": None})
        assert run.code == 0, run.stderr
        (warning,) = [line for line in run.stderr.splitlines() if line.startswith("warning: ")]
        assert f"chmod 600 {path}" in warning
    path.chmod(0o600)
    run = home.run("generate", "a cat", "-o", "cat.png", env={"GPT_IMAGE2_API_KEY": None})
    assert "warning" not in run.stderr


def test_a_relay_that_wants_the_old_field_name_gets_it_by_config(home: Home, recorder: Recorder) -> None:
    write_config(
        home.config_home / "gpt-image-2" / "config.json", base_url=recorder.base_url, format_field="format"
    )
    recorder.answer = lambda request: images(jpeg(1024, 1024))
    run = home.run("generate", "a cat", "--format", "jpeg", "-o", "cat.jpg")
    assert run.code == 0, run.stderr
    assert recorder.only.json == {"model": "gpt-image-2", "prompt": "a cat", "format": "jpeg"}


def test_a_named_size_is_resolved_and_shown(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(png(2048, 1152))
    run = home.run("generate", "a cat", "--size", "2k", "-o", "cat.png", base_url=recorder.base_url)
    assert recorder.only.json["size"] == "2048x1152"
    assert "2k is 2048x1152" in run.stderr
    assert "warning" not in run.stderr


@pytest.mark.parametrize("slash", ["", "/", "//"])
def test_a_slash_at_the_end_of_the_base_url_changes_nothing(
    home: Home, recorder: Recorder, slash: str
) -> None:
    run = home.run("generate", "a cat", base_url=recorder.base_url + slash)
    assert run.code == 0, run.stderr
    assert recorder.only.path == "/v1/images/generations"
