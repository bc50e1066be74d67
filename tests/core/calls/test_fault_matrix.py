"""Every fault of the sandbox, for every kind of request: what is paid, sent, saved, said and left behind."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, Iterator, List, NamedTuple

import pytest
from harness import KEY, SANDBOX_PYTHON, Home, Sandbox
from pictures import png

KINDS = ("generate", "edit", "stream")
ASKED = {"generate": 3, "edit": 1, "stream": 1}


class Ending(NamedTuple):
    """How a run must end."""

    code: int
    billed: str
    hits: int
    saved: int


class Row(NamedTuple):
    """The endings under one fault, and the error's code where there is one."""

    generate: Ending
    edit: Ending
    stream: Ending
    error: str = ""


def every(code: int, billed: str, hits: int, error: str = "") -> Row:
    """The same ending for every kind of request: all images saved with code 0, none otherwise."""
    endings = [Ending(code, billed, hits, ASKED[kind] if code == 0 else 0) for kind in KINDS]
    return Row(*endings, error)


LOST = Ending(7, "maybe", 1, 0)  # the connection went after the request; nothing came
NOTHING = Ending(6, "maybe", 1, 0)  # an answer without an image
TWO = Ending(9, "yes", 1, 2)  # two of three
NO_IMAGE = every(6, "maybe", 1, "no_image")
ONE, THREE = Ending(0, "yes", 1, 1), Ending(0, "yes", 1, 3)

EXPECTED: Dict[str, Row] = {
    # fault                 generate, n=3        edit     stream
    "cut-last": Row(TWO, LOST, LOST, "truncated"),
    "cut-tail": every(0, "yes", 1),
    "reset": every(7, "maybe", 1, "connection_lost"),
    "stall": every(7, "maybe", 1, "timeout"),
    "dribble": every(0, "yes", 1),
    "keepalive-whitespace": every(0, "yes", 1),
    "sse-cut": every(7, "maybe", 1, "truncated"),
    "http-500": every(6, "maybe", 1, "server_error"),
    "http-503-once": every(0, "yes", 2),
    "http-524": every(6, "maybe", 1, "gateway_cut"),
    "html-200": every(6, "maybe", 1, "html_page"),
    "redirect": every(6, "no", 1, "redirect"),
    "rate-once": every(0, "yes", 2),
    "rate-long": every(4, "no", 1, "rate_limit_exceeded"),
    "quota": every(4, "no", 1, "insufficient_quota"),
    "billing": every(4, "no", 1, "billing_hard_limit_reached"),
    "auth": every(3, "no", 1, "invalid_api_key"),
    "verify": every(3, "no", 1, "organization_not_verified"),
    "region": every(3, "no", 1, "unsupported_country_region_territory"),
    "moderation": every(5, "no", 1, "moderation_blocked"),
    "moderation-output": every(5, "maybe", 1, "moderation_blocked"),
    "model-missing": every(6, "no", 1, "model_not_found"),
    "unknown-parameter": every(6, "no", 1, "unknown_parameter"),
    "refuse-stream": Row(THREE, ONE, Ending(0, "yes", 2, 1)),
    "error-200": every(6, "maybe", 1, "server_error"),
    "empty": Row(NOTHING, NOTHING, LOST),
    "empty-body": every(6, "maybe", 1, "empty_answer"),
    "fewer": Row(TWO, NOTHING, LOST),
    "drift": every(0, "yes", 1),
    "drift-far": every(0, "yes", 1),
    "checkerboard": every(0, "yes", 1),
    "wrong-size": every(0, "yes", 1),
    "wrong-format": every(0, "yes", 1),
    "bad-base64": every(6, "maybe", 1, "not_an_image"),
    "not-an-image": every(6, "maybe", 1, "not_an_image"),
    "escaped": every(0, "yes", 1),
    "url": every(0, "yes", 1),
    "url-flaky": every(0, "yes", 1),
    "url-dead": every(7, "yes", 1, "download_failed"),
    "data-uri": every(0, "yes", 1),
    "sse-error": every(6, "maybe", 1, "server_error"),
    "ignore-stream": every(0, "yes", 1),
    "force-stream": every(0, "yes", 1),
    # Images in other places: all of them, or the one for which there is a place.
    **dict.fromkeys(
        (
            *("shape-strings", "shape-image-url", "shape-image-url-object", "shape-images", "shape-output"),
            *("shape-images-lists", "shape-inline-data", "shape-response", "shape-chat-markdown"),
            *("shape-chat-markdown-data", "shape-chat-address", "shape-chat-images", "shape-chat-parts"),
            *("shape-stream-chat", "shape-stream-chat-data", "shape-stream-item", "shape-stream-end"),
            *("shape-stream-twice", "shape-stream-open"),
        ),
        every(0, "yes", 1),
    ),
    **dict.fromkeys(
        (
            *("shape-object", "shape-b64", "shape-url", "shape-image-body", "shape-octet-body"),
            "shape-data-uri-body",
        ),
        Row(Ending(9, "yes", 1, 1), ONE, ONE, "fewer_images"),
    ),
    "shape-stream-previews": NO_IMAGE,
    "shape-response-failed": every(5, "maybe", 1, "moderation_blocked"),
    "shape-response-incomplete": every(5, "maybe", 1, "moderation_blocked"),
    "shape-refusal": every(5, "maybe", 1, "moderation_blocked"),
    "shape-refusal-text": every(5, "maybe", 1, "moderation_blocked"),
    "shape-message": every(5, "maybe", 1, "moderation_blocked"),
    "shape-revised-prompt": every(5, "maybe", 1, "moderation_blocked"),
    # Answers that are tasks
    **dict.fromkeys(
        ("task-hidden", "task-429", "task-503", "task-reset", "task-html"),
        every(0, "yes", 1),
    ),
    "task-lost": every(7, "maybe", 1, "task_pending"),
    "task-stuck": every(7, "maybe", 1, "task_pending"),
    "task-failed": every(5, "maybe", 1, "moderation_blocked"),
    "task-refunded": every(5, "no", 1, "moderation_blocked"),
    "task-cancelled": every(6, "maybe", 1, "api_error"),
    "task-empty": NO_IMAGE,
}
ENDLESS = ("stall", "task-lost", "task-stuck")
DIALECTS = ("location", "apimart", "replicate", "poll-url", "object", "jobs")
#: Tasks wait between two looks: they have a test of their own, and what is no answer of the API has no edits.
RUNS = [
    (fault, kind)
    for fault in sorted(EXPECTED)
    for kind in KINDS
    if not fault.startswith("task-") and not (kind == "edit" and fault.startswith("shape-"))
]


def listed_faults() -> List[str]:
    """The names of the sandbox's own table."""
    lines = subprocess.run(
        [SANDBOX_PYTHON, "-m", "gpt_image2.sandbox", "--list-faults"],
        stdout=subprocess.PIPE,
        check=True,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    ).stdout.decode()
    return [line.split()[0] for line in lines.splitlines()]


def test_every_fault_of_the_sandbox_has_its_row_in_the_table() -> None:
    assert sorted(EXPECTED) == sorted(listed_faults())


@pytest.mark.parametrize(("fault", "kind"), RUNS)
def test_under_a_fault_nothing_delivered_is_lost_and_nothing_is_sent_twice_in_silence(
    fault: str, kind: str, home: Home, sandbox: Sandbox, prompt: str
) -> None:
    assert_ending(fault, kind, home, sandbox, prompt, sandbox.fault(fault))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_task_is_had_or_explained_in_every_dialect(
    dialect: str, tmp_path: Path, sandbox: Sandbox, prompt: str
) -> None:
    def run(number: int, fault: str) -> None:
        (tmp_path / fault).mkdir()
        base_url = f"{sandbox.root}/tasks/{dialect}:0/fault/{fault}/v1"
        kind = KINDS[number % len(KINDS)]
        assert_ending(fault, kind, Home(tmp_path / fault), sandbox, f"{prompt} {fault}", base_url)

    faults = [name for name in sorted(EXPECTED) if name.startswith("task-")]
    with ThreadPoolExecutor(len(faults)) as pool:
        list(pool.map(run, range(DIALECTS.index(dialect), 99), faults))


def assert_ending(fault: str, kind: str, home: Home, sandbox: Sandbox, prompt: str, base_url: str) -> None:
    """Runs a command against a fault, and holds its ending against the table."""
    row = EXPECTED[fault]
    expected: Ending = getattr(row, kind)
    run = home.run(*arguments(kind, fault, prompt, home), base_url=base_url)
    answer, log = run.json, sandbox.log(prompt)

    got = Ending(run.code, answer["billed"], log["hits"], len(answer["images"]))
    assert got == expected, f"{fault}, {kind}: {run.stderr}"
    assert log["images_delivered"] == len(answer["images"])
    assert answer["attempts"] == log["hits"]
    assert answer["ok"] is (run.code == 0)
    paths = [Path(image["path"]) for image in answer["images"]]
    assert sorted(home.cwd.glob("cat*")) == sorted(paths)
    assert all(path.stat().st_size == image["bytes"] for path, image in zip(paths, answer["images"]))
    if row.error and run.code:
        assert answer["error"]["code"] == row.error, f"{fault}, {kind}: {run.stderr}"
        assert answer["error"]["message"]
    assert not any(download["key_sent"] for download in log["downloads"])
    assert list(where_the_key_is(home, run.stdout + run.stderr)) == []
    assert home.leftovers() == []


def arguments(kind: str, fault: str, prompt: str, home: Home) -> List[str]:
    """The command line of a run."""
    common = ["--json", "-o", "cat.png", "--quality", "low", "--size", "1024x640"]
    if fault in ENDLESS:
        common += ["--timeout", "2"]
    if kind == "edit":
        (home.cwd / "in.png").write_bytes(png())
        return ["edit", "in.png", prompt, *common]
    return ["generate", prompt, *common, *(["--stream"] if kind == "stream" else ["--n", "3"])]


def where_the_key_is(home: Home, output: str) -> Iterator[str]:
    """Every place where the key, or a long part of it, can be found."""
    secret = KEY[len("sk-") : -4]
    if secret in output:
        yield "the output"
    for folder in (home.root, home.cwd, home.tmp):
        for path in folder.rglob("*"):
            if path.is_file() and secret.encode() in path.read_bytes():
                yield str(path)


@pytest.mark.parametrize("fault", ["cut-tail", "data-uri", "escaped", "force-stream", "sse-error", "url"])
def test_a_streamed_edit_is_kept_like_any_other(
    fault: str, home: Home, sandbox: Sandbox, prompt: str
) -> None:
    arguments_of_edit = [*arguments("edit", fault, prompt, home), "--stream"]
    run = home.run(*arguments_of_edit, base_url=sandbox.fault(fault))
    log = sandbox.log(prompt)
    assert (run.code, run.json["billed"], log["hits"], len(run.json["images"])) == EXPECTED[fault].stream
    assert log["images_delivered"] == len(run.json["images"])
    assert home.leftovers() == []


def test_what_is_no_image_is_kept_aside_as_it_came(home: Home, sandbox: Sandbox, prompt: str) -> None:
    run = home.run("generate", prompt, "-o", "cat.png", "--json", base_url=sandbox.fault("not-an-image"))
    assert run.code == 6
    (kept,) = home.rescued.glob("*not-an-image.bin")
    assert kept.read_bytes().startswith(b"This is not an image.")
    assert str(kept) in run.json["error"]["hint"]
    assert not (home.cwd / "cat.png").exists()


def test_base64_with_a_fault_in_it_is_kept_aside_with_its_fault(
    home: Home, sandbox: Sandbox, prompt: str
) -> None:
    run = home.run("generate", prompt, "-o", "cat.png", "--json", base_url=sandbox.fault("bad-base64"))
    assert run.code == 6
    (kept,) = home.rescued.glob("*bad-base64.txt")
    text = kept.read_bytes()
    assert text.startswith(b"iVBORw0KGgo") and b"!*?%" in text and len(text) % 4 == 0
    assert str(kept) in run.json["error"]["hint"]


@pytest.mark.parametrize("size", ["wrong-size", "wrong-format"])
def test_an_image_that_is_not_what_was_asked_for_is_saved_with_a_warning_and_the_truth(
    size: str, home: Home, sandbox: Sandbox, prompt: str
) -> None:
    run = home.run(
        "generate", prompt, "-o", "cat.png", "--json", "--size", "1024x640", base_url=sandbox.fault(size)
    )
    (image,) = run.json["images"]
    expected = ("png", 512, 320) if size == "wrong-size" else ("jpeg", 1024, 640)
    assert (image["format"], image["width"], image["height"]) == expected
    assert any("asked for" in warning for warning in run.json["warnings"])
