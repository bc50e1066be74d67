"""A markup guides an edit: checked against the first image as it is shown, before anything is paid for."""

from __future__ import annotations

import json
from typing import Dict, List, Tuple

import pytest
from harness import Home
from pictures import jpeg, png
from servers import Recorder

from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.batch.job import job_key

MARKUP = ["--model", "gpt-image-2.5-flare"]


def test_a_markup_is_sent_beside_the_image_and_sent_again(home: Home, recorder: Recorder) -> None:
    (home.cwd / "in.png").write_bytes(png())
    (home.cwd / "drawn.png").write_bytes(png(alpha=True))
    args = ("edit", "in.png", "a hat", "--markup", "drawn.png", "-o", "hat.png", *MARKUP)
    run = home.run(*args, base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    past = home.run("history", "--json").json["requests"][0]
    assert past["mask"] is None and past["markup"]["path"] == str(home.cwd / "drawn.png")
    home.run("history", "redo", "1", base_url=recorder.base_url)
    assert [[part.name for part in request.files()] for request in recorder.requests] == [
        ["image", "markup"],
        ["image", "markup"],
    ]


REFUSED: Dict[str, Tuple[bytes, bytes, List[str], str]] = {
    "no transparent pixel": (png(), png(alpha=True, opaque=True), MARKUP, "no transparent pixel"),
    "no alpha": (png(), png(), MARKUP, "no transparent pixel"),
    "no png": (png(), jpeg(), MARKUP, "is jpeg, not png"),
    "another size": (png(), png(48, 64, alpha=True), MARKUP, "is 48x64, the first image 64x48"),
    "the size before turning": (jpeg(orientation=6), png(alpha=True), MARKUP, "the first image 48x64"),
    "with a mask": (png(), png(alpha=True), [*MARKUP, "--mask", "drawn.png"], "cannot go together"),
    "by an older model": (png(), png(alpha=True), [], "--markup needs gpt-image-2.5-flare"),
}


@pytest.mark.parametrize(("image", "markup", "args", "words"), REFUSED.values(), ids=REFUSED.keys())
def test_a_markup_that_cannot_guide_is_never_sent(
    home: Home, recorder: Recorder, image: bytes, markup: bytes, args: List[str], words: str
) -> None:
    (home.cwd / "in.png").write_bytes(image)
    (home.cwd / "drawn.png").write_bytes(markup)
    run = home.run("edit", "in.png", "a hat", "--markup", "drawn.png", *args, base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, [])
    assert len(run.stderr.splitlines()) == 1 and words in run.stderr


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_markup_has_the_size_of_the_image_as_it_is_shown(
    home: Home, recorder: Recorder, orientation: int
) -> None:
    (home.cwd / "in.jpg").write_bytes(jpeg(orientation=orientation))
    size = (64, 48) if orientation < 5 else (48, 64)
    (home.cwd / "drawn.png").write_bytes(png(*size, alpha=True))
    args = ("edit", "in.jpg", "a hat", "--markup", "drawn.png", *MARKUP)
    assert home.run(*args, base_url=recorder.base_url).code == 0


def test_a_batch_checks_markups_before_it_sends_and_keeps_them_in_its_keys(
    home: Home, recorder: Recorder
) -> None:
    (home.cwd / "in.png").write_bytes(png())
    (home.cwd / "drawn.png").write_bytes(png(alpha=True))
    (home.cwd / "full.png").write_bytes(png(alpha=True, opaque=True))
    job = {"prompt": "a hat", "image": "in.png", "model": MARKUP[1]}
    jobs = [{**job, "markup": "full.png"}, {"prompt": "a hat", "markup": "drawn.png"}]
    (home.cwd / "bad.jsonl").write_text("\n".join(map(json.dumps, jobs)), encoding="utf-8")
    run = home.run("batch", "run", "bad.jsonl", "--json", base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, [])
    assert "no transparent pixel" in run.json["error"]["message"]
    assert "a markup and no image" in run.json["error"]["message"]
    (home.cwd / "good.jsonl").write_text(
        "\n".join(map(json.dumps, [job, {**job, "markup": "drawn.png"}])), encoding="utf-8"
    )
    for _ in range(2):
        assert home.run("batch", "run", "good.jsonl", base_url=recorder.base_url).code == 0
    assert sorted(len(request.files()) for request in recorder.requests) == [1, 2]
    refused = home.run("batch", "submit", "good.jsonl", "--dry-run", base_url=recorder.base_url)
    assert refused.code == 2 and "the Batch API takes no markup" in refused.stderr


def test_the_key_of_a_job_knows_its_markup_and_not_by_which_way_a_field_came() -> None:
    request = ImageRequest("a hat", safety_identifier="me", complexity="low")
    by_extra = ImageRequest("a hat", extra=(("complexity", "low"), ("safety_identifier", "me")))
    assert job_key(request, ["a"], None) == job_key(by_extra, ["a"], None)
    keys = [job_key(request, ["a"], None), job_key(request, ["a"], "b"), job_key(request, ["a"], None, "b")]
    assert len(set(keys)) == 3
