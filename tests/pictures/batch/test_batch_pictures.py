"""Jobs of a batch whose pictures are worked on: priced, sent and finished as single calls are."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from canvases import Desk, photo
from harness import KEY, SCRIPT, Home
from painting import paint, painted
from PIL import Image
from servers import Answer, Recorder, Request, images, refusal

import gpt_image2
from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.batch.job import job_key
from gpt_image2.core.commands.picture_flags import WISH_FIELDS, WISHES, PictureWishes, wishes_in
from gpt_image2.pictures.steps import Steps

AREA = {"areas": [{"rect": [100, 60, 120, 90]}]}


@pytest.fixture
def model(desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A model that paints, which the commands at the desk ask."""
    monkeypatch.setenv("GPT_IMAGE2_API_KEY", KEY)
    monkeypatch.setenv("GPT_IMAGE2_BASE_URL", recorder.base_url)
    desk.save("room.png", photo(320, 240))
    paint(recorder)
    return recorder


def batch(desk: Desk, *jobs: dict[str, Any], flags: tuple[str, ...] = (), code: int = 0) -> dict[str, Any]:
    """Runs jobs of one quality; what `--json` says."""
    lines = [json.dumps({"quality": "low", **job}) for job in jobs]
    desk.path("jobs.jsonl").write_text("\n".join(lines), encoding="utf-8")
    done = desk.run("batch", "run", "jobs.jsonl", "--out-dir", "out", "--json", *flags)
    assert done.code == code, done.stdout + done.stderr
    return done.json


def in_folder(desk: Desk) -> list[str]:
    return sorted(path.name for path in desk.path("out").iterdir() if path.suffix in (".png", ".jpg"))


def stone(ground: tuple[int, int, int]) -> bytes:
    """What a model draws that paints a checkerboard or a flat ground instead of a clear one."""
    pixels = np.full((256, 256, 3), ground, np.uint8)
    pixels[60:200, 60:200] = (120, 90, 70)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_every_wish_of_a_job_is_done_as_for_a_single_call(desk: Desk, model: Recorder) -> None:
    desk.save("hall.png", photo(1024, 768))
    jobs = (
        {"prompt": "a card", "exact": "600x315", "fit": "pad", "under": "30KB", "output": "card.jpg"},
        {"prompt": "a sofa", "image": "room.png", **AREA, "keep_outside": True, "id": "sofa"},
        {"prompt": "a hall", "image": "hall.png", "to": "16:9", "id": "hall"},
        {"prompt": "a lamp", "image": "room.png", "areas": "ellipse:0,0,50%,50%", "id": "lamp"},
    )
    told = batch(desk, *jobs)
    card, sofa, hall, lamp = (job["images"][0] for job in told["rows"])
    assert (card["format"], card["width"], card["height"], card["method"]) == (
        *("jpeg", 600, 315),
        "exact + under",
    )
    assert (sofa["method"], sofa["changed_outside"]) == ("keep-outside", 0)
    made = desk.pixels("out/sofa.png")
    assert np.array_equal(made[160:], photo(320, 240)[160:])
    assert (hall["method"], hall["width"], hall["height"]) == ("extend", 1376, 768)
    assert "method" not in lamp
    assert in_folder(desk) == [
        *("card.jpg", "card.model.png", "hall.model.png", "hall.png"),
        *("lamp.png", "sofa.model.png", "sofa.png"),
    ]
    sizes = (
        {request.texts()["prompt"]: request.texts()["size"] for request in model.requests[1:]} if 0 else {}
    )
    del sizes
    count = len(model.requests)
    again = batch(desk, *jobs)
    assert ([job["status"] for job in again["rows"]], len(model.requests)) == (["done"] * 4, count)
    batch(desk, {**jobs[0], "exact": "600x316"}, *jobs[1:])
    assert len(model.requests) == count + 1, "what is wished for tells a job from another"


def test_flags_are_the_wishes_of_jobs_that_have_none(desk: Desk, model: Recorder) -> None:
    told = batch(desk, {"prompt": "a"}, {"prompt": "b", "exact": "512x512"}, flags=("--exact", "600x315"))
    assert [job["images"][0]["width"] for job in told["rows"]] == [600, 512]


def test_a_transparent_background_of_a_job_is_looked_at(desk: Desk, model: Recorder) -> None:
    clear = np.zeros((256, 256, 4), np.uint8)
    clear[60:200, 60:200] = (120, 90, 70, 255)
    file = io.BytesIO()
    Image.fromarray(clear).save(file, "PNG")
    painted_ground = stone((255, 255, 255))
    model.answer = lambda request: images(
        file.getvalue() if request.json["prompt"] == "clear" else painted_ground
    )
    told = batch(
        desk,
        {"prompt": "clear", "background": "transparent"},
        {"prompt": "white", "background": "transparent"},
        {"prompt": "white too"},
    )
    is_clear, is_white, is_unasked = told["rows"]
    assert all(check["ok"] for check in is_clear["images"][0]["checks"])
    assert not all(check["ok"] for check in is_white["images"][0]["checks"])
    assert is_clear["warnings"] == is_unasked["warnings"] == []
    assert is_white["images"][0]["path"] in is_white["warnings"][0]
    assert "checks" not in is_unasked["images"][0]


def test_the_second_call_is_in_the_price_and_made_where_the_sum_covers_it(
    desk: Desk, model: Recorder
) -> None:
    sent: list[str] = []

    def answer(request: Request) -> Answer:
        prompt = str(request.json["prompt"])
        sent.append(prompt.partition("\n")[0])
        is_again = "solid pure green" in prompt
        return images(stone((0, 255, 0)) if is_again else painted(request, repaint=True))

    model.answer = answer
    jobs = [{"prompt": f"stone {number}", "cutout": True, "size": "1024x640"} for number in range(2)]
    price = {}
    for name, flags in (("one call", ()), ("both", ("--max-cost", "9"))):
        (share,) = batch(desk, *jobs, flags=("--dry-run", *flags))["by_quality"]
        price[name] = share["cost_usd"]["high"]
    assert price["both"] == pytest.approx(2 * price["one call"], rel=0.1)
    assert sent == []
    told = batch(desk, *jobs, flags=("--max-cost", str(price["both"] * 0.9)), code=9)
    assert sorted(sent) == ["stone 0", "stone 0"]
    assert [job["status"] for job in told["rows"]] == ["done", "not_started"]
    (image,) = told["rows"][0]["images"]
    assert image["method"] == "key"
    told = batch(desk, *jobs, code=0)
    assert sorted(sent) == ["stone 0", "stone 0", "stone 1"]
    assert any("was not made" in warning for warning in told["rows"][1]["warnings"])


def test_the_second_call_waits_where_the_server_asks_for_it(desk: Desk, model: Recorder) -> None:
    calls: list[str] = []

    def answer(request: Request) -> Answer:
        calls.append(request.path)
        if len(calls) == 2:
            return Answer(429, refusal(429, "slow down").body, headers=(("retry-after", "0"),))
        return images(stone((255, 255, 255) if len(calls) == 1 else (0, 0, 0)))

    model.answer = answer
    told = batch(desk, {"prompt": "a stone", "glass": True, "size": "1024x640"})
    assert len(calls) == 3
    assert told["rows"][0]["images"][0]["method"] == "pair"


def test_a_step_that_fails_leaves_the_picture_as_it_came_and_says_so(
    desk: Desk, model: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(Steps, "after", fail)
    told = batch(desk, {"prompt": "a", "exact": "600x315", "id": "a"}, {"prompt": "b", "id": "b"})
    first, second = told["rows"]
    assert (first["status"], second["status"], told["ok"]) == ("done", "done", True)
    assert any("could not be finished" in warning for warning in first["warnings"])
    assert second["warnings"] == []
    assert in_folder(desk) == ["a.png", "b.png"]


def test_only_the_missing_picture_of_a_job_is_made_again(desk: Desk, model: Recorder) -> None:
    job = {"prompt": "a", "exact": "600x315", "n": 3, "output": "a.png"}
    batch(desk, job)
    desk.path("out/a-2.png").unlink()
    count = len(model.requests)
    told = batch(desk, job)
    assert [Path(image["path"]).name for image in told["rows"][0]["images"]] == [
        "a-1.png",
        "a-2.png",
        "a-3.png",
    ]
    assert len(model.requests) == count + 1
    assert desk.pixels("out/a-2.png").shape[:2] == (315, 600)


def test_a_job_whose_run_was_killed_names_what_the_model_had_sent(desk: Desk, model: Recorder) -> None:
    job = {"prompt": "a", "exact": "600x315", "output": "a.png"}
    batch(desk, job)
    journal = desk.path("out/journal.jsonl")
    journal.write_text(journal.read_text().splitlines(keepends=True)[0])  # it was sent, and no more is known
    desk.path("out/a.png").unlink()
    told = batch(desk, job, code=9)
    assert told["rows"][0]["status"] == "ambiguous"
    assert "what the model sent is a.model.png" in told["rows"][0]["error"]["hint"]


WRONG = {
    "no mask": ({"image": "room.png", "keep_outside": True}, "needs a mask"),
    "outside": ({"image": "room.png", "areas": [{"rect": [900, 900, 9, 9]}]}, "lies outside"),
    "no image": ({"extend": "left=10%"}, "for edits"),
    "no shape": ({"image": "room.png", "areas": [{"circle": [1, 2, 3, 4]}]}, "areas must be"),
    "another type": ({"exact": 600}, "exact must be a text"),
    "no bool": ({"cutout": "yes"}, "cutout must be true or false"),
    "no choice": ({"exact": "600x315", "fit": "bend"}, "fit must be crop or pad or stretch"),
    "two methods": ({"cutout": True, "glass": True}, "two methods"),
    "a lookalike": ({"image": "room.png", "area": "0,0,9,9"}, "did you mean areas?"),
    "an address": ({"image": "http://127.0.0.1:9/a.png", "extend": "left=10%"}, "is an address"),
    "jpeg": ({"cutout": True, "output": "a.jpg"}, "jpeg has no transparency"),
    "an input": ({"image": "out/a.png", "exact": "600x315", "output": "a.png"}, "is an input as well"),
}


@pytest.mark.parametrize("job, said", WRONG.values(), ids=WRONG)
def test_what_cannot_be_done_is_refused_before_anything_is_sent(
    desk: Desk, model: Recorder, job: dict[str, Any], said: str
) -> None:
    desk.path("out").mkdir()
    desk.save("out/a.png", photo(320, 240))
    told = batch(desk, {"prompt": "fine"}, {"prompt": "a", **job}, code=2)
    assert told["error"]["code"] == "invalid_jobs"
    assert "line 2: " in told["error"]["message"] and said in told["error"]["message"]
    assert model.requests == []


@pytest.mark.parametrize("place", ["the Batch API", "beyond this machine"])
def test_where_pictures_are_not_worked_on_such_jobs_are_refused(
    desk: Desk, model: Recorder, place: str, tmp_path: Path
) -> None:
    desk.path("jobs.jsonl").write_text('{"prompt": "a", "exact": "600x315", "cutout": true}')
    words = {
        "the Batch API": ("submit", "jobs.jsonl", "--out-dir", "out"),
        "beyond this machine": ("run", "jobs.jsonl", "--out-dir", (tmp_path / "far").as_uri()),
    }[place]
    said = desk.run("batch", *words).error
    assert "not worked on, as --exact, --cutout would" in said
    assert model.requests == []


def test_a_job_of_plain_areas_is_run_by_the_bare_script(home: Home, recorder: Recorder) -> None:
    Image.fromarray(photo(320, 240)).save(home.cwd / "room.png")
    paint(recorder)
    job = {"prompt": "a lamp", "image": "room.png", "areas": [{"rect": ["0%", "0%", "50%", "50%"]}]}
    (home.cwd / "jobs.jsonl").write_text(json.dumps(job))
    words = ("python3", "-I", "-S", str(SCRIPT), "batch", "run", "jobs.jsonl", "--out-dir", "out")
    done = home.run_program(*words, base_url=recorder.base_url)
    assert done.code == 0, done.stderr
    (mask,) = (part for part in recorder.only.files() if part.name == "mask")
    alpha = np.asarray(Image.open(io.BytesIO(mask.data)))[..., 3]
    assert (alpha[10, 10], alpha[200, 300]) == (0, 255)


def test_the_batch_of_a_program_has_them_too(desk: Desk, model: Recorder, tmp_path: Path) -> None:
    room = Image.fromarray(photo(320, 240))
    jobs = [
        {"prompt": "a sofa", "image": room, **AREA, "keep_outside": True},
        {"prompt": "b", "exact": "600x315"},
    ]
    ended = gpt_image2.Client().batch(jobs, out_dir=tmp_path / "out")
    sofa, card = sorted(ended, key=lambda outcome: outcome.index)
    assert (sofa.status, card.status, card.images[0].width) == ("done", "done", 600)
    assert set(WISH_FIELDS) <= gpt_image2.Job.__annotations__.keys()


def test_each_wish_makes_another_job() -> None:
    request = ImageRequest("a")
    plain = job_key(request, [], None)
    samples = {"areas": "1,1,9,9", **{w.name: True if w.kind is bool else "x" for w in WISHES}, "fit": "pad"}
    keys = {
        name: job_key(request, [], None, wishes=wishes_in({"exact": "1x1", name: samples[name]}))
        for name in WISH_FIELDS
    }
    assert len({plain, *keys.values()}) == len(WISH_FIELDS) + 1
    assert job_key(request, [], None, wishes=None) == plain
    assert wishes_in({"cutout": False}, PictureWishes(cutout=True)) is None
