"""What is shown before anything is sent, and what is refused or warned about by then."""

from __future__ import annotations

import json
from typing import List

import pytest
from harness import KEY, Home
from pictures import png
from servers import Recorder

MASKED = f"{KEY[:3]}…{KEY[-4:]}"


def test_a_dry_run_shows_the_request_and_its_cost_and_sends_and_writes_nothing(
    home: Home, recorder: Recorder
) -> None:
    run = home.run(
        "generate", "a cat", "-o", "new/folder/cat.png", "--quality", "low", "--size", "square", "--dry-run",
        base_url=recorder.base_url,
    )  # fmt: skip
    assert run.code == 0, run.stderr
    assert recorder.requests == []
    assert list(home.cwd.iterdir()) == [] == home.leftovers()
    assert list(home.root.iterdir()) == []
    lines = run.stdout.splitlines()
    assert lines[0] == f"POST {recorder.base_url}/images/generations"
    assert lines[1] == f"Authorization: Bearer {MASKED}"
    assert json.loads(lines[4]) == {
        "model": "gpt-image-2", "prompt": "a cat", "size": "1024x1024", "quality": "low"
    }  # fmt: skip
    assert "Estimated cost: $0.0059" in lines
    assert f"Output: {home.cwd}/new/folder/cat.png" in lines
    assert not any(line.startswith("Saved:") for line in lines)
    assert KEY not in run.stdout + run.stderr


def test_the_shown_body_is_the_very_body_that_is_sent(home: Home, recorder: Recorder) -> None:
    args = ["generate", 'a "cat" \\ 猫\n', "--format", "webp", "--compression", "50", "--param", "x=[1]"]
    shown = home.run(*args, "--dry-run", "--json", base_url=recorder.base_url).json["body"]
    home.run(*args, "-o", "cat.webp", base_url=recorder.base_url)
    assert recorder.only.body.decode("utf-8") == shown


def test_a_dry_run_of_an_edit_shows_its_parts(home: Home, recorder: Recorder) -> None:
    (home.cwd / "in.png").write_bytes(png())
    (home.cwd / "mask.png").write_bytes(png(alpha=True))
    run = home.run(
        "edit", "in.png", "a cat", "--mask", "mask.png", "--n", "2", "--dry-run", base_url=recorder.base_url
    )
    assert recorder.requests == []
    assert f"POST {recorder.base_url}/images/edits" in run.stdout
    for line in (
        "prompt=a cat",
        "n=2",
        f"image=@{home.cwd}/in.png (filename=in.png, image/png)",
        f"mask=@{home.cwd}/mask.png (filename=mask.png, image/png)",
        f"Output: {home.root}/gpt-image2-output-1.png",
        f"Output: {home.root}/gpt-image2-output-2.png",
    ):
        assert line in run.stdout.splitlines()
    assert "input images come on top" in run.stdout


def test_a_dry_run_says_how_much_of_the_picture_the_mask_gives_away(home: Home) -> None:
    (home.cwd / "in.png").write_bytes(png(8, 4))
    args = ("edit", "in.png", "a cat", "--dry-run")
    assert "Mask:" not in home.run(*args).stdout
    lines = home.run(*args, "--area", "0,0,4,2").stdout.splitlines()
    assert "Mask: 25.0% of 8x4 is to be edited" in lines


def test_a_dry_run_needs_no_key(home: Home) -> None:
    run = home.run("generate", "a cat", "--dry-run", env={"GPT_IMAGE2_API_KEY": None})
    assert run.code == 0
    assert "Bearer (none)" in run.stdout


def test_a_dry_run_without_the_variable_that_the_config_names_says_so(home: Home) -> None:
    home.run("config", "--init")
    run = home.run("generate", "a cat", "--dry-run", env={"GPT_IMAGE2_API_KEY": None})
    assert run.code == 0, run.stderr
    assert "warning: " in run.stderr and "OPENAI_API_KEY" in run.stderr


def test_a_key_in_the_prompt_is_masked_where_it_is_shown_and_sent_as_it_is(
    home: Home, recorder: Recorder
) -> None:
    shown = home.run("generate", f"draw {KEY}", "--dry-run", base_url=recorder.base_url)
    assert KEY not in shown.stdout + shown.stderr and MASKED in shown.stdout
    home.run("generate", f"draw {KEY}", base_url=recorder.base_url)
    assert recorder.only.json["prompt"] == f"draw {KEY}"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--quality", "ultra"], "xhigh"),
        (["--background", "plaid"], "plaid"),
        (["--moderation", "none"], "none"),
    ],
)
def test_what_is_not_known_of_a_model_that_is_not_is_warned_about_and_passed_through(
    home: Home, recorder: Recorder, args: List[str], words: str
) -> None:
    run = home.run("generate", "a cat", "--model", "gpt-image-9", *args, base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    of_model, of_value = [line for line in run.stderr.splitlines() if line.startswith("warning: ")]
    assert "gpt-image-9" in of_model and words in of_value
    assert recorder.only.json[args[0][2:]] == args[1]


@pytest.mark.parametrize("args", [["--quality", "lowest"], ["--background", "clear"], ["--moderation", "no"]])
def test_a_value_that_a_known_model_does_not_take_is_refused_before_anything_is_sent(
    home: Home, recorder: Recorder, args: List[str]
) -> None:
    run = home.run("generate", "a cat", *args, base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, [])
    assert args[1] in run.stderr and "auto, " in run.stderr


def test_the_cost_of_an_unknown_model_is_called_unknown(home: Home) -> None:
    run = home.run("generate", "a cat", "--model", "gpt-image-9", "--dry-run")
    assert "Estimated cost: unknown" in run.stdout


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (["--quality", "low", "--size", "square", "--max-cost", "0.0058"], 2),
        (["--quality", "low", "--size", "square", "--max-cost", "0.006"], 0),
        (["--quality", "low", "--size", "square", "--n", "2", "--max-cost", "0.006"], 2),
        (["--max-cost", "0.21"], 2),  # quality and size are the model's to choose
        (["--max-cost", "0.22"], 0),
        (["--model", "gpt-image-9", "--max-cost", "100"], 2),
        (["--max-cost", "0"], 2),
    ],
)
def test_a_request_that_may_cost_more_than_allowed_is_refused(
    home: Home, recorder: Recorder, args: List[str], code: int
) -> None:
    run = home.run("generate", "a cat", *args, base_url=recorder.base_url)
    assert (run.code, len(recorder.requests)) == (code, 0 if code else 1)
    if code:
        assert run.stderr.startswith("error: ") and "--max-cost" in run.stderr
