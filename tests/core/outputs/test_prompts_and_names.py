"""Whatever a prompt or a file name holds arrives at the server as it was given."""

from __future__ import annotations

import json
import os
import sys
from typing import List

import pytest
from harness import Home
from pictures import jpeg, png
from servers import Recorder

from gpt_image2.core.wire.curl_config import form_filename

PROMPTS = [
    "@/etc/passwd",
    "</etc/passwd",
    "<x",
    "@-",
    "a;type=text/html",
    'say "hi"',
    "it's $HOME `id` $(id) %PATH% !x",
    "back\\slash \\n \\\\ \\",
    'quote at the end"',
    "two\nlines",
    "two\r\nlines\r\n\r\nand more\r",
    "tab\tand\vvertical\fform",
    "bell\x07 escape\x1b[31m delete\x7f",
    "猫がソファにいる",
    "a cat 🐈‍⬛ family 👨‍👩‍👧",
    "e\u0301 and é, \u202eright to left, \ufeff, \u2028",
    '--boundary\r\nContent-Disposition: form-data; name="model"\r\n\r\nother',
    '{"model": "other"}',
    "name=value&other=1",
    " spaces around ",
    "x" * 32_000,
    "画" * 32_000,
]


def ids(value: str) -> str:
    return ascii(value[:24])


@pytest.mark.parametrize("prompt", PROMPTS, ids=ids)
def test_a_prompt_arrives_unchanged_in_a_generation(home: Home, recorder: Recorder, prompt: str) -> None:
    run = home.run("generate", prompt, "-o", "cat.png", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert recorder.only.json == {"model": "gpt-image-2", "prompt": prompt}
    assert home.leftovers() == []


@pytest.mark.parametrize("prompt", PROMPTS, ids=ids)
def test_a_prompt_arrives_unchanged_in_an_edit(home: Home, recorder: Recorder, prompt: str) -> None:
    (home.cwd / "in.png").write_bytes(png())
    run = home.run("edit", "in.png", prompt, "-o", "cat.png", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert recorder.only.texts() == {"model": "gpt-image-2", "prompt": prompt}
    assert [part.data for part in recorder.only.files()] == [png()]


@pytest.mark.parametrize("prompt", ["-a cat", "--size", "-", "--help", "-5", "--", "-o"])
@pytest.mark.parametrize("command", ["generate", "edit"])
def test_a_prompt_that_looks_like_an_option_arrives_after_two_dashes(
    home: Home, recorder: Recorder, command: str, prompt: str
) -> None:
    (home.cwd / "in.png").write_bytes(png())
    inputs = ["in.png"] if command == "edit" else []
    stdin = b"from stdin"
    run = home.run(command, "-o", "cat.png", "--", *inputs, prompt, base_url=recorder.base_url, stdin=stdin)
    assert run.code == 0, run.stderr
    sent = recorder.only.json if command == "generate" else recorder.only.texts()
    assert sent["prompt"] == ("from stdin" if prompt == "-" else prompt)


def test_a_prompt_of_a_dash_is_read_from_standard_input(home: Home, recorder: Recorder) -> None:
    text = 'Eine "Katze"\nauf \\ dem Sofa 🐈\n'
    run = home.run("generate", "-", base_url=recorder.base_url, stdin=text.encode())
    assert run.code == 0, run.stderr
    assert recorder.only.json["prompt"] == text.rstrip("\n")


@pytest.mark.parametrize("data", [b"a cat\n", b"a cat\r\n", b"a cat", b"\xef\xbb\xbfa cat\n"])
def test_a_prompt_file_is_read_without_its_mark_and_last_line_break(
    home: Home, recorder: Recorder, data: bytes
) -> None:
    (home.cwd / "prompt.txt").write_bytes(data)
    run = home.run("generate", "--prompt-file", "prompt.txt", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert recorder.only.json["prompt"] == "a cat"


def test_a_prompt_file_of_an_edit_leaves_the_image_first(home: Home, recorder: Recorder) -> None:
    (home.cwd / "in.png").write_bytes(png())
    (home.cwd / "prompt.txt").write_bytes(b"zwei\nZeilen")
    run = home.run("edit", "in.png", "--prompt-file", "prompt.txt", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert recorder.only.texts()["prompt"] == "zwei\nZeilen"
    assert [part.filename for part in recorder.only.files()] == ["in.png"]


@pytest.mark.parametrize(
    ("args", "stdin"),
    [
        (["generate", "a cat", "--prompt-file", "prompt.txt"], b""),
        (["generate", "--prompt-file", "missing.txt"], b""),
        (["generate", "--prompt-file", "~nobody-here/missing.txt"], b""),
        (["generate", "--prompt-file", "."], b""),
        (["generate", "--prompt-file", "latin.txt"], b""),
        (["generate", "-"], b"\xff\xfe\x00"),
        (["generate", "-"], b"\n"),
        (["edit", "-", "-"], b"both"),
    ],
)
def test_a_prompt_that_cannot_be_read_is_one_line_and_nothing_is_sent(
    home: Home, recorder: Recorder, args: List[str], stdin: bytes
) -> None:
    (home.cwd / "prompt.txt").write_bytes(b"a cat")
    (home.cwd / "latin.txt").write_bytes(b"caf\xe9")
    run = home.run(*args, base_url=recorder.base_url, stdin=stdin)
    assert run.code == 2
    assert run.stderr.startswith("error: ") and len(run.stderr.splitlines()) == 1
    assert recorder.requests == []


@pytest.mark.parametrize(
    "value", ["@/etc/passwd", "</etc/passwd", 'a"b\\c', "two\nlines", ";type=x", "🎨", " x "]
)
def test_the_other_fields_of_an_edit_arrive_unchanged_too(home: Home, recorder: Recorder, value: str) -> None:
    (home.cwd / "in.png").write_bytes(png())
    run = home.run(
        "edit", "in.png", "a cat", "--user", value, "--param", f"x={value}", base_url=recorder.base_url
    )
    assert run.code == 0, run.stderr
    assert (recorder.only.texts()["user"], recorder.only.texts()["x"]) == (value, value)


FILE_NAMES = [
    "a;type=text-html.png",
    "a,b.png",
    ",.png",
    'say "hi".png',
    "it's.png",
    "back\\slash\\",
    'both\\".png',
    "two\nlines.png",
    "carriage\rreturn.png",
    '"; filename="other.png',
    "x;filename=other.png",
    "tab\there.png",
    "@at.png",
    "<less.png",
    "=equals.png",
    " spaces .png ",
    "画像 🎨.png",
    "100%.png",
    "-leading-dash.png",
    "{a,b}[1-3].png",
]


@pytest.mark.parametrize("name", FILE_NAMES, ids=ids)
@pytest.mark.skipif(os.name != "posix", reason="these names are not allowed")
def test_a_hostile_file_name_arrives_and_its_bytes_too(home: Home, recorder: Recorder, name: str) -> None:
    (home.cwd / name).write_bytes(png(noise=b"first"))
    folder = home.cwd / f"in {name}"
    folder.mkdir()
    (folder / name).write_bytes(jpeg())
    run = home.run(
        "edit",
        f"./{name}",
        "a cat",
        "--image",
        str(folder / name),
        "-o",
        "out.png",
        base_url=recorder.base_url,
    )
    assert run.code == 0, run.stderr
    files = recorder.only.files()
    assert [part.name for part in files] == ["image[]", "image[]"]
    assert [part.filename for part in files] == [name, name]
    assert [part.data for part in files] == [png(noise=b"first"), jpeg()]
    assert [part.content_type for part in files] == ["image/png", "image/jpeg"]


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
def test_a_file_name_that_is_no_text_arrives(home: Home, recorder: Recorder) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    (home.cwd / name).write_bytes(png())
    run = home.run("edit", name, "a cat", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert [(part.filename, part.data) for part in recorder.only.files()] == [(name, png())]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ('a"b', "a%22b"),
        ("a\r\nb\tc\x7f", "a%0D%0Ab%09c%7F"),
        ("a\\b;c,d%22", "a\\b;c,d%22"),
        ("猫 🎨", "猫 🎨"),
    ],
)
def test_a_file_name_is_encoded_by_us_since_older_curls_do_not(name: str, written: str) -> None:
    assert form_filename(name) == written


def test_a_hostile_name_of_a_mask_arrives(home: Home, recorder: Recorder) -> None:
    name = 'mask"; name="image;type=x,y.png'
    (home.cwd / "in.png").write_bytes(png())
    (home.cwd / name).write_bytes(png(alpha=True))
    run = home.run("edit", "in.png", "a cat", "--mask", name, base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert [(part.name, part.filename) for part in recorder.only.files()] == [
        ("image", "in.png"),
        ("mask", name),
    ]


def test_a_hostile_temp_folder_changes_nothing(home: Home, recorder: Recorder) -> None:
    folder = home.cwd.parent / 'te"mp;type=x, \\ 画'
    folder.mkdir()
    (home.cwd / "in.png").write_bytes(png())
    run = home.run("edit", "in.png", "a cat", base_url=recorder.base_url, env={"TMPDIR": str(folder)})
    assert run.code == 0, run.stderr
    assert recorder.only.texts()["prompt"] == "a cat"
    assert list(folder.iterdir()) == []


def test_the_json_body_is_utf_8_and_not_escaped(home: Home, recorder: Recorder) -> None:
    run = home.run("generate", "猫", base_url=recorder.base_url)
    assert run.code == 0
    assert "猫".encode() in recorder.only.body
    assert json.loads(recorder.only.body.decode("utf-8"))["prompt"] == "猫"
