"""Prompts and config files in the encodings that shells write, and standard input that is closed."""

from __future__ import annotations

import json
import os
from typing import List

import pytest
from harness import KEY, Home
from pictures import png
from servers import Recorder, images

ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"]
ON_POSIX = pytest.mark.skipif(os.name == "nt", reason="a shell closes standard input")


def written(text: str, encoding: str) -> bytes:
    """As PowerShell's `>` and `Out-File` write it, with a mark."""
    return (b"\xfe\xff" if encoding == "utf-16-be" else b"") + text.encode(encoding)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("by_file", [True, False])
def test_a_prompt_is_read_in_the_encoding_that_its_mark_names(
    encoding: str, by_file: bool, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda _: images(png())
    data = written("a lion, łódź\r\n", encoding)
    (home.cwd / "prompt.txt").write_bytes(data)
    words: List[str] = ["--prompt-file", "prompt.txt"] if by_file else ["-"]
    run = home.run("generate", *words, "-o", "a.png", base_url=recorder.base_url, stdin=data)
    assert run.code == 0, run.stderr
    assert recorder.only.json["prompt"] == "a lion, łódź"


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_config_file_is_read_in_the_encoding_that_its_mark_names(
    encoding: str, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda _: images(png())
    config = home.cwd / "config.json"
    config.write_bytes(written(json.dumps({"base_url": recorder.base_url, "api_key": KEY}), encoding))
    config.chmod(0o600)
    run = home.run("generate", "a lion", "-o", "a.png", "--config", str(config))
    assert run.code == 0, run.stderr


def test_what_is_neither_is_refused_with_its_name(home: Home) -> None:
    (home.cwd / "prompt.txt").write_bytes(b"\xff\xfea")
    run = home.run("generate", "--prompt-file", "prompt.txt", "-o", "a.png")
    assert run.code == 2 and "prompt.txt" in run.stderr and "UTF-16" in run.stderr


@ON_POSIX
@pytest.mark.parametrize(
    "words",
    [
        ["generate", "-", "-o", "a.png"],
        ["generate", "--prompt-file", "-", "-o", "a.png"],
        ["edit", "-", "a hat", "-o", "a.png"],
        ["batch", "run", "-", "--out-dir", "out"],
        ["batch", "submit", "-", "--out-dir", "out"],
    ],
)
def test_standard_input_that_is_closed_is_an_error_with_a_cure(
    words: List[str], home: Home, recorder: Recorder
) -> None:
    run = home.run_program(
        "sh", "-c", 'exec "$@" <&-', "sh", *home.command(*words), base_url=recorder.base_url
    )
    assert run.code == 2, run.stderr
    assert "standard input, which is closed" in run.stderr and "name a file" in run.stderr
    assert recorder.requests == []
