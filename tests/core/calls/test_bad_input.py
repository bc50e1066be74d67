"""Every bad input is one clear line and the documented exit code; nothing is sent, nothing is written."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional, Set

import pytest
from harness import KEY, Home
from pictures import jpeg, png, webp
from servers import Recorder

MB = 1024 * 1024
GENERATE: Dict[str, List[str]] = {
    "no prompt": [],
    "empty prompt": [""],
    "blank prompt": [" \n\t "],
    "over-long prompt": ["x" * 32_001],
    "over-long prompt of wide characters": ["画" * 32_001],
    "prompt that is no text": [os.fsdecode(b"caf\xe9")],
    "two prompts": ["a cat", "a dog"],
    "n of 0": ["a cat", "--n", "0"],
    "n of 11": ["a cat", "--n", "11"],
    "negative n": ["a cat", "--n", "-1"],
    "n that is no number": ["a cat", "--n", "two"],
    "illegal size": ["a cat", "--size", "1000x1000"],
    "size that is none": ["a cat", "--size", "huge"],
    "unknown format": ["a cat", "--format", "bmp"],
    "empty format": ["a cat", "--format", ""],
    "compression of png": ["a cat", "--output-compression", "50"],
    "compression of 101": ["a cat", "--format", "webp", "--output-compression", "101"],
    "transparent jpeg": ["a cat", "--format", "jpeg", "--background", "transparent"],
    "previews without a stream": ["a cat", "--partial-images", "1"],
    "too many previews": ["a cat", "--stream", "--partial-images", "4"],
    "empty model": ["a cat", "--model", ""],
    "param without a value": ["a cat", "--param", "x"],
    "param without a name": ["a cat", "--param", "=x"],
    "param with a flag of its own": ["a cat", "--param", "quality=low"],
    "param with a line break": ["a cat", "--param", "a\nb=1"],
    "output whose parent is a file": ["a cat", "-o", "file/cat.png"],
    "output folder below a file": ["a cat", "-o", "file/deep/"],
    "output that is a device": ["a cat", "-o", "/dev/full"],
    "empty output": ["a cat", "-o", ""],
    "no time": ["a cat", "--timeout", "0"],
    "next to no time": ["a cat", "--timeout", "0.0001"],
    "endless time": ["a cat", "--timeout", "inf"],
    "time that is no number": ["a cat", "--timeout", "nan"],
    "negative retries": ["a cat", "--retries", "-1"],
    "cost that is no number": ["a cat", "--max-cost", "nan"],
    "endless download": ["a cat", "--max-download", "inf"],
    "download that is no number": ["a cat", "--max-download", "nan"],
    "negative download": ["a cat", "--max-download", "-1"],
    "unknown flag": ["a cat", "--colour", "red"],
    "shortened flag": ["a cat", "--qual", "low"],
    "flag of edit": ["a cat", "--mask", "mask.png"],
    "flag without its value": ["a cat", "--quality"],
}
EDIT: Dict[str, List[str]] = {
    "no image and no prompt": [],
    "no prompt for the image": ["in.png"],
    "missing image": ["missing.png", "a cat"],
    "image below a file": ["file/in.png", "a cat"],
    "image of a name too long": ["x" * 300, "a cat"],
    "image of an unknown user": ["~nobody-here/in.png", "a cat"],
    "empty image": ["empty.png", "a cat"],
    "folder as image": ["folder", "a cat"],
    "text as image": ["text.png", "a cat"],
    "gif as image": ["pic.gif", "a cat"],
    "cut png signature": ["cut.png", "a cat"],
    "endless link as image": ["loop.png", "a cat"],
    "device as image": ["/dev/zero", "a cat"],
    "pipe as image": ["pipe", "a cat"],
    "image of 50 MB": ["big.png", "a cat"],
    "second image missing": ["in.png", "a cat", "--image", "missing.png"],
    "too many images": ["in.png", "a cat", *["--image", "in.png"] * 16],
    "empty prompt for the image": ["in.png", ""],
    "mask missing": ["in.png", "a cat", "--mask", "missing.png"],
    "mask of other dimensions": ["in.png", "a cat", "--mask", "small-mask.png"],
    "mask turned by 90 degrees": ["in.png", "a cat", "--mask", "turned-mask.png"],
    "mask without alpha": ["in.png", "a cat", "--mask", "in.png"],
    "mask that is webp": ["in.png", "a cat", "--mask", "mask.webp"],
    "mask that is jpeg": ["in.png", "a cat", "--mask", "mask.jpg"],
    "mask of 4 MB": ["in.png", "a cat", "--mask", "big-mask.png"],
    "empty mask": ["in.png", "a cat", "--mask", "empty.png"],
    "image and mask both from stdin": ["-", "a cat", "--mask", "-"],
    "nothing on stdin": ["-", "a cat"],
}
CONFIGS: Dict[str, Any] = {
    "empty file": b"",
    "no JSON": b'{\n  "base_url": "x",\n}',
    "no text": b"\xff\xfe",
    "an array": b"[]",
    "a string": b'"x"',
    "null": b"null",
    "nested without end": b"[" * 100_000,
    "number as base_url": {"base_url": 1},
    "null as api_key": {"api_key": None},
    "list as api_key_env": {"api_key_env": ["A"]},
    "boolean as format_field": {"format_field": True},
    "key with a line break": {"api_key": f"{KEY}\nX-Evil: 1"},
    "key with a carriage return": {"api_key": f"{KEY}\r"},
    "key with a blank": {"api_key": f"{KEY} x"},
    "key that is no ASCII": {"api_key": f"{KEY}ä"},
    "key of one blank": {"api_key": " "},
    "variable that is not set": {"api_key_env": "NOT_SET_ANYWHERE"},
    "base URL without scheme": {"base_url": "api.openai.com/v1"},
    "base URL of a file": {"base_url": "file:///etc/passwd"},
    "base URL with credentials": {"base_url": "https://me:hunter2@relay.example/v1"},
    "base URL with a line break": {"base_url": "https://relay.example/v1\nheader: x"},
    "base URL with a query": {"base_url": "https://relay.example/v1?x=1"},
    "base URL without host": {"base_url": "https:///v1"},
    "base URL with a bad port": {"base_url": "https://relay.example:x/v1"},
    "base URL with a blank": {"base_url": "https://relay.example/v 1"},
    "format field that is no name": {"format_field": "a\nb"},
}


def furnish(folder: Path) -> None:
    """The files that the bad inputs name."""
    (folder / "file").write_bytes(b"a file")
    (folder / "folder").mkdir()
    (folder / "in.png").write_bytes(png())
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_bytes(b"this is a text, not an image")
    (folder / "pic.gif").write_bytes(b"GIF89a" + b"\0" * 40)
    (folder / "cut.png").write_bytes(png()[:6])
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "small-mask.png").write_bytes(png(32, 48, alpha=True))
    (folder / "turned-mask.png").write_bytes(png(48, 64, alpha=True))
    (folder / "mask.webp").write_bytes(webp(alpha=True))
    (folder / "mask.jpg").write_bytes(jpeg())
    for name, data, size in (("big.png", png(), 50 * MB), ("big-mask.png", png(alpha=True), 4 * MB)):
        with (folder / name).open("wb") as file:
            file.write(data)
            file.truncate(size)
    if hasattr(os, "mkfifo"):
        os.mkfifo(str(folder / "pipe"))


def everything(home: Home) -> Set[str]:
    places = (home.root, home.cwd, home.tmp)
    return {f"{path} {path.lstat().st_mtime_ns}" for place in places for path in place.rglob("*")}


def assert_refused(
    home: Home,
    recorder: Recorder,
    args: List[str],
    code: int,
    env: Optional[Dict[str, Optional[str]]] = None,
) -> str:
    """Runs it in text and in JSON; the error's words."""
    before = everything(home)
    base_url = None if env and "GPT_IMAGE2_BASE_URL" in env else recorder.base_url
    text = home.run(*args, base_url=base_url, env=env)
    as_json = home.run(*args, "--json", base_url=base_url, env=env)
    assert (text.code, as_json.code) == (code, code), text.stderr
    assert text.stdout == ""
    (line,) = text.stderr.splitlines()
    assert line.startswith("error: ") and len(line) < 1500
    assert "internal" not in line and "Traceback" not in line
    assert as_json.json["ok"] is False
    error = as_json.json["error"]
    assert error["message"] and error["hint"], "it does not say what to do"
    assert as_json.stderr == "" and as_json.json["billed"] == "no"
    assert recorder.requests == []
    assert everything(home) == before
    return line


@pytest.mark.parametrize("args", GENERATE.values(), ids=GENERATE.keys())
def test_a_bad_generation_is_refused(home: Home, recorder: Recorder, args: List[str]) -> None:
    furnish(home.cwd)
    assert_refused(home, recorder, ["generate", *args], 2)


@pytest.mark.parametrize("args", EDIT.values(), ids=EDIT.keys())
def test_a_bad_edit_is_refused(home: Home, recorder: Recorder, args: List[str]) -> None:
    furnish(home.cwd)
    assert_refused(home, recorder, ["edit", *args], 2)


@pytest.mark.parametrize("content", CONFIGS.values(), ids=CONFIGS.keys())
def test_a_bad_config_is_refused(home: Home, recorder: Recorder, content: Any) -> None:
    path = home.config_home / "gpt-image-2" / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    path.chmod(0o600)
    line = assert_refused(home, recorder, ["generate", "a cat"], 3)
    assert str(path) in line, "it does not name the file"
    assert KEY not in line and "hunter2" not in line


@pytest.mark.parametrize(
    ("content", "line", "field"),
    [
        ('{\n  "base_url": "https://x.example/v1",\n  "api_key": 5\n}', 3, "api_key"),
        ('{\n\n\n  "api_key_env": {}}', 4, "api_key_env"),
        ('{"base_url":\n  []}', 1, "base_url"),
    ],
)
def test_a_wrong_type_is_told_by_file_line_and_field(
    home: Home, recorder: Recorder, content: str, line: int, field: str
) -> None:
    path = home.cwd / "mine.json"
    path.write_text(content, encoding="utf-8")
    path.chmod(0o600)
    error = assert_refused(home, recorder, ["generate", "a cat", "--config", "mine.json"], 3)
    assert f"{path}, line {line}: field '{field}'" in error


def test_broken_json_is_told_by_file_and_line(home: Home, recorder: Recorder) -> None:
    path = home.cwd / "mine.json"
    path.write_text('{\n  "base_url": "x"\n  "api_key": "y"\n}', encoding="utf-8")
    path.chmod(0o600)
    error = assert_refused(home, recorder, ["generate", "a cat", "--config", "mine.json"], 3)
    assert f"{path}, line 3" in error


@pytest.mark.parametrize(
    "name", ["missing.json", "folder", "file/config.json", "x" * 300, "~nobody-here/c.json"]
)
def test_a_named_config_that_is_not_there_is_refused(home: Home, recorder: Recorder, name: str) -> None:
    furnish(home.cwd)
    assert_refused(home, recorder, ["generate", "a cat", "--config", name], 3)


def test_an_unknown_field_of_the_config_is_a_warning_with_its_line(home: Home, recorder: Recorder) -> None:
    path = home.cwd / "mine.json"
    path.write_text('{\n  "base_ulr": "x",\n  "comment": 7\n}', encoding="utf-8")
    path.chmod(0o600)
    run = home.run("generate", "a cat", "--config", "mine.json", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    warnings = [line for line in run.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 2
    assert "line 2" in warnings[0] and "'base_ulr'" in warnings[0]
    assert "line 3" in warnings[1] and "'comment'" in warnings[1]
    assert len(recorder.requests) == 1


@pytest.mark.parametrize(
    "url",
    [
        "api.openai.com/v1",
        "ftp://x.example/v1",
        "https://me:hunter2@x.example/v1",
        "http://",
        "-K/etc/passwd",
    ],
)
@pytest.mark.parametrize("by", ["flag", "environment"])
def test_a_base_url_that_cannot_be_one_is_refused(home: Home, recorder: Recorder, url: str, by: str) -> None:
    args = ["generate", "a cat"] + ([f"--base-url={url}"] if by == "flag" else [])
    env: Dict[str, Optional[str]] = {"GPT_IMAGE2_BASE_URL": url if by == "environment" else None}
    line = assert_refused(home, recorder, args, 3, env)
    assert "hunter2" not in line
    assert ("--base-url" if by == "flag" else "GPT_IMAGE2_BASE_URL") in line


@pytest.mark.parametrize("key", [f"{KEY}\nX-Evil: 1", f"{KEY}\r\n", "two words", "ключ"])
def test_a_key_of_the_environment_that_cannot_be_one_is_refused(
    home: Home, recorder: Recorder, key: str
) -> None:
    line = assert_refused(home, recorder, ["generate", "a cat"], 3, {"GPT_IMAGE2_API_KEY": key})
    assert "GPT_IMAGE2_API_KEY" in line and KEY not in line


def test_no_key_at_all_is_refused_with_the_ways_to_give_one(home: Home, recorder: Recorder) -> None:
    line = assert_refused(home, recorder, ["generate", "a cat"], 3, {"GPT_IMAGE2_API_KEY": None})
    assert "GPT_IMAGE2_API_KEY" in line


def test_an_unset_variable_of_the_config_is_named(home: Home, recorder: Recorder) -> None:
    path = home.cwd / "mine.json"
    path.write_text('{"api_key_env": "NOT_SET"}', encoding="utf-8")
    path.chmod(0o600)
    line = assert_refused(home, recorder, ["generate", "a cat", "--config", "mine.json"], 3)
    assert "export NOT_SET=" in line


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_image_is_refused(home: Home, recorder: Recorder) -> None:
    (home.cwd / "in.png").write_bytes(png())
    (home.cwd / "in.png").chmod(0)
    assert_refused(home, recorder, ["edit", "in.png", "a cat"], 2)


@pytest.mark.skipif(sys.platform != "linux", reason="needs a file that even root cannot read")
def test_an_image_that_even_root_cannot_read_is_refused(home: Home, recorder: Recorder) -> None:
    assert_refused(home, recorder, ["edit", "/proc/self/mem", "a cat"], 2)


def test_a_prompt_with_a_nul_is_refused(home: Home, recorder: Recorder) -> None:
    run = home.run("generate", "-", base_url=recorder.base_url, stdin=b"a\0cat")
    assert (run.code, recorder.requests) == (2, [])
    assert run.stderr == "error: the prompt has a NUL character in it; remove it\n"


def test_too_large_an_image_on_stdin_is_refused(home: Home, recorder: Recorder) -> None:
    run = home.run("edit", "-", "a cat", base_url=recorder.base_url, stdin=png() + b"\0" * (50 * MB))
    assert (run.code, recorder.requests) == (2, [])
    assert "50 MB" in run.stderr and len(run.stderr.splitlines()) == 1
    assert home.leftovers() == []


def test_an_image_just_under_the_limit_is_sent(home: Home, recorder: Recorder) -> None:
    with (home.cwd / "in.png").open("wb") as file:
        file.write(png())
        file.truncate(50 * MB - 1)
    run = home.run("edit", "in.png", "a cat", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert len(recorder.only.files()[0].data) == 50 * MB - 1


def test_an_input_address_that_cannot_be_fetched_is_told_and_nothing_is_sent(
    home: Home, recorder: Recorder
) -> None:
    from servers import Answer

    recorder.answer = lambda request: Answer(404, b"gone")
    run = home.run("edit", f"{recorder.root}/gone.png", "a cat", base_url=recorder.base_url)
    assert run.code == 7
    assert run.stderr.startswith("error: cannot fetch") and "404" in run.stderr
    assert [request.method for request in recorder.requests] == ["GET"]


@pytest.mark.parametrize(
    "args", [["config", "--colour"], ["config", "extra"], ["config", "--init", "--config", "file/x"]]
)
def test_a_bad_config_command_is_one_line(home: Home, args: List[str]) -> None:
    furnish(home.cwd)
    run = home.run(*args)
    assert run.code in (2, 8)
    assert run.stderr.startswith("error: ") and len(run.stderr.splitlines()) == 1
