"""Pictures as steps around a paid call: what is sent, what is saved, and what is said of it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from canvases import Desk, edited_area, photo
from harness import KEY, SCRIPT, Home, Sandbox, validator
from painting import paint, painted, sent_files
from PIL import Image
from servers import Recorder

W, H = 320, 240
#: The script, with the package in reach.
PROGRAM = (sys.executable, str(SCRIPT))
AREA = ("--area", "100,60,120,90")


@pytest.fixture
def model(desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A model that paints, which the commands at the desk ask."""
    monkeypatch.setenv("GPT_IMAGE2_API_KEY", KEY)
    monkeypatch.setenv("GPT_IMAGE2_BASE_URL", recorder.base_url)
    desk.save("room.png", photo(W, H))
    paint(recorder)
    return recorder


def outside() -> np.ndarray:
    area = np.ones((H, W), bool)
    area[60:150, 100:220] = False
    return area


def test_outside_the_mask_the_picture_is_that_of_the_source(desk: Desk, model: Recorder) -> None:
    paint(model, shift_px=2)
    told = desk.ok("edit", "room.png", "a sofa", *AREA, "--keep-outside", "-o", "out.png")
    (image,) = told["images"]
    assert image["path"] == str(desk.path("out.png"))
    assert image["method"] == "keep-outside"
    assert image["derived_from"] == [str(desk.path("out.model.png")), str(desk.path("room.png"))]
    assert (image["width"], image["height"], image["changed_outside"]) == (W, H, 0)
    made = desk.pixels("out.png")
    assert np.array_equal(made[outside()], photo(W, H)[outside()])
    inside = made[80:130, 130:190].astype(int) - photo(W, H)[80:130, 130:190]
    assert inside[..., 2].mean() > 30, "the edit is there"
    assert desk.path("out.model.png").read_bytes() == painted(model.only, shift_px=2)


def test_the_size_asked_for_is_a_legal_one_of_the_pictures_shape(desk: Desk, model: Recorder) -> None:
    desk.ok("edit", "room.png", "a sofa", *AREA, "--keep-outside", "-o", "out.png")
    assert model.only.texts()["size"] == "944x704"


def test_a_size_of_another_shape_is_refused_before_paying(desk: Desk, model: Recorder) -> None:
    words = ("edit", "room.png", "a sofa", *AREA, "--keep-outside", "--size", "1024x1024")
    assert "another shape" in desk.run(*words, "-o", "out.png").error
    desk.save("strip.png", photo(400, 100))
    words = ("edit", "strip.png", "a sofa", "--area", "0,0,50,50", "--keep-outside", "-o", "out.png")
    assert "no size that the API draws" in desk.run(*words).error
    assert model.requests == []


def test_a_picture_is_extended_and_stays_what_it_was(desk: Desk, model: Recorder) -> None:
    desk.save("room.png", photo(1024, 768))
    words = ("edit", "room.png", "a wider room", "--extend", "left=25%,right=256px", "-o", "wide.png")
    (image,) = desk.ok(*words)["images"]
    assert (image["width"], image["height"], image["method"]) == (1536, 768, "extend")
    assert np.array_equal(desk.pixels("wide.png")[:, 300:1236], photo(1024, 768)[:, 44:980])
    request = model.only
    assert (request.texts()["size"], request.texts()["prompt"]) == ("1536x768", "a wider room")
    sent = sent_files(request)
    assert sent["image"].size == sent["mask"].size == (1536, 768)
    area = edited_area(np.asarray(sent["mask"]))
    assert area[:, :256].all() and area[:, 1280:].all() and not area[:, 300:1236].any()


def test_the_transparency_of_a_picture_that_is_extended_is_sent_and_kept(desk: Desk, model: Recorder) -> None:
    pixels = np.dstack([photo(1024, 768), np.full((768, 1024), 255, np.uint8)])
    pixels[200:500, 300:700, 3] = 0
    pixels[500:600, 300:700, 3] = 120
    desk.save("sign.png", pixels)
    (image,) = desk.ok("edit", "sign.png", "a wider sign", "--extend", "left=256", "-o", "wide.png")["images"]
    assert (image["method"], image["changed_outside"]) == ("extend", 0)
    made = desk.pixels("wide.png")
    assert np.array_equal(made[:, 300:], pixels[:, 44:])
    assert (made[:, :250, 3] == 255).all()
    (sent, *_) = (Image.open(io.BytesIO(part.data)) for part in model.only.files())
    assert np.array_equal(np.asarray(sent)[..., 3][:, 256:], pixels[..., 3])


def test_a_picture_is_extended_to_a_ratio_and_cut_to_an_exact_size(desk: Desk, model: Recorder) -> None:
    desk.save("room.png", photo(1024, 768))
    words = ("edit", "room.png", "a wider room", "--to", "16:9", "--exact", "1280x720", "-o", "wide.png")
    (image,) = desk.ok(*words)["images"]
    assert (image["width"], image["height"], image["method"]) == (1280, 720, "extend + exact")
    assert model.only.texts()["size"] == "1376x768"


def test_an_exact_size_is_made_of_the_legal_one_that_covers_it(desk: Desk, model: Recorder) -> None:
    words = ("generate", "a cat", "--exact", "1200x630", "--under", "40KB", "-o", "page.jpg")
    (image,) = desk.ok(*words)["images"]
    assert model.only.json["size"] == "1200x640"
    assert (image["format"], image["width"], image["height"]) == ("jpeg", 1200, 630)
    assert image["bytes"] <= 40_000
    assert image["method"] == "exact + under"
    with Image.open(desk.path("page.model.png")) as sent:
        assert sent.size == (1200, 640)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_size_that_is_asked_for_stays_and_the_picture_is_fitted(
    desk: Desk, model: Recorder, fit: str
) -> None:
    words = ("generate", "a cat", "--size", "square", "--exact", "900x450", "--fit", fit, "-o", "cat.webp")
    (image,) = desk.ok(*words)["images"]
    assert model.only.json["size"] == "1024x1024"
    assert (image["format"], image["width"], image["height"]) == ("webp", 900, 450)


def test_a_weight_that_png_cannot_have_is_said_and_the_picture_saved_without(
    desk: Desk, model: Recorder
) -> None:
    paint(model, repaint=True)
    words = ("generate", "a cat", "--exact", "900x600", "--under", "9KB", "-o", "cat.png")
    told = desk.ok(*words)
    assert told["images"][0]["method"] == "exact"
    assert any("more than 9; png loses nothing" in warning for warning in told["warnings"])


def test_several_images_are_numbered_and_each_has_its_own_beside_it(desk: Desk, model: Recorder) -> None:
    told = desk.ok("generate", "a cat", "--n", "2", "--exact", "1200x630", "-o", "cat.png")
    assert [Path(image["path"]).name for image in told["images"]] == ["cat-1.png", "cat-2.png"]
    names = {"cat-1.png", "cat-2.png", "cat.model-1.png", "cat.model-2.png"}
    assert names <= set(desk.names())


def test_lines_name_the_finished_picture_and_stderr_what_the_model_sent(desk: Desk, model: Recorder) -> None:
    done = desk.run("generate", "a cat", "--exact", "1200x630", "-o", "cat.png")
    assert done.stdout.startswith(f"Saved: {desk.path('cat.png')} (")
    assert len(done.stdout.splitlines()) == 1
    assert f"what the model sent: {desk.path('cat.model.png')}\n" in done.stderr


def test_events_tell_of_both(desk: Desk, model: Recorder) -> None:
    done = desk.run("generate", "a cat", "--exact", "1200x630", "-o", "cat.png", "--events")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    for event in events:
        validator("events").validate(event)
    found = {event["event"]: event["image"]["path"] for event in events if "image" in event}
    assert found == {
        "model_image_saved": str(desk.path("cat.model.png")),
        "image_saved": str(desk.path("cat.png")),
    }


# Names


def test_what_has_a_name_is_treated_as_by_any_call(desk: Desk, model: Recorder) -> None:
    words = ("generate", "a cat", "--exact", "1200x630", "-o", "cat.png")
    for name in ("cat.png", "cat.model.png"):
        desk.path(name).write_bytes(b"mine")
    desk.ok(*words, "--no-clobber")
    assert [desk.path(name).read_bytes() for name in ("cat.png", "cat.model.png")] == [b"mine"] * 2
    assert {"cat-1.png", "cat.model-1.png"} <= set(desk.names())
    desk.ok(*words)
    assert desk.path("cat.png").read_bytes() != b"mine"
    assert desk.path("cat.model.png").read_bytes() == b"mine", "nobody asked for that name"


def test_the_default_name_moves_what_has_it_aside(
    desk: Desk, model: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(desk.path("house")))
    desk.path("house").mkdir()
    for _ in range(2):
        desk.ok("generate", "a cat", "--exact", "1200x630")
    names = {path.name for path in desk.path("house").glob("*.png")}
    assert names == {
        "gpt-image2-output.png",
        "gpt-image2-output.1.png",
        "gpt-image2-output.model.png",
        "gpt-image2-output.model-1.png",
    }


def test_a_folder_gets_both(desk: Desk, model: Recorder) -> None:
    (image,) = desk.ok("generate", "a cat", "--exact", "1200x630", "-o", "out/")["images"]
    stem = Path(image["path"]).stem
    assert sorted(path.name for path in desk.path("out").iterdir()) == [f"{stem}.model.png", f"{stem}.png"]


@pytest.mark.parametrize("name", ["room.png", "ROOM"])
def test_an_input_is_never_the_output(desk: Desk, model: Recorder, name: str) -> None:
    desk.path("ROOM").symlink_to("room.png")
    done = desk.run("edit", "room.png", "a sofa", *AREA, "--keep-outside", "-o", name)
    assert "is an input as well" in done.error
    assert model.requests == []


def test_a_file_that_came_while_the_call_ran_is_not_replaced(desk: Desk, model: Recorder) -> None:
    answer = model.answer

    def meanwhile(request: object) -> object:
        desk.path("cat.png").write_bytes(b"somebody else's")
        return answer(request)  # pyright: ignore[reportArgumentType]

    model.answer = meanwhile  # pyright: ignore[reportAttributeAccessIssue]
    told = desk.ok("generate", "a cat", "--exact", "1200x630", "-o", "cat.png")
    assert desk.path("cat.png").read_bytes() == b"somebody else's"
    assert told["images"][0]["path"] == str(desk.path("cat-1.png"))


def test_standard_output_gets_the_finished_picture(home: Home, sandbox: Sandbox, prompt: str) -> None:
    words = ["generate", prompt, "--exact", "1200x630", "-o", "-"]
    here = {"PYTHONPATH": os.environ.get("PYTHONPATH")}
    done = home.run_program(*PROGRAM, *words, base_url=sandbox.base_url, env=here)
    assert done.code == 0, done.stderr
    kept = list(home.rescued.glob("*.model.png"))
    assert len(kept) == len(list(home.rescued.iterdir())) == 1
    assert done.stdout.encode("utf-8", "surrogateescape").startswith(b"\x89PNG")


def test_a_name_that_says_another_format_is_told_of(desk: Desk, model: Recorder) -> None:
    told = desk.ok("generate", "a cat", "--exact", "1200x630", "-o", "cat.gif")
    assert told["images"][0]["format"] == "png"
    assert told["warnings"] == [f"{desk.path('cat.gif')} holds png data, whatever its name says"]


# What is refused before anything is sent

REFUSED = {
    "a mask is missing": (["--keep-outside"], "--keep-outside needs a mask"),
    "both ways to extend": (["--extend", "left=9%", "--to", "16:9"], "both say how far"),
    "nothing is added": (["--extend", "left=0"], "nothing is added"),
    "a side that is none": (["--extend", "north=9%"], "is no margin"),
    "extended to less": (["--to", "100x100"], "cannot be extended"),
    "extended in a size": (["--extend", "left=400", "--size", "2k"], "--extend chooses the size"),
    "an exact size that is none": (["--exact", "big"], "--exact 'big' cannot be"),
    "an exact size of nothing": (["--exact", "0x5"], "--exact '0x5' cannot be"),
    "an exact size for giants": (["--exact", "99999x99999"], "cannot be a picture's size"),
    "a fit without a size": (["--fit", "pad"], "--fit needs --exact"),
    "a fit that is none": (["--exact", "9x9", "--fit", "squeeze"], "invalid choice"),
    "a weight that is none": (["--under", "little"], "is not understood"),
    "drawings": (
        ["--exact", "9x9", "--format", "svg", "--model", "gpt-image-2.6-thunder"],
        "svg is not worked on",
    ),
    "no wait": (["--exact", "1200x630", "--no-wait"], "--no-wait ends before"),
    "a name too long": (["--exact", "9x9", "-o", "x" * 246 + ".png"], "too long"),
}


@pytest.mark.parametrize("more, words", REFUSED.values(), ids=REFUSED)
def test_wishes_that_cannot_be_are_one_line_before_anything_is_sent(
    desk: Desk, model: Recorder, more: list[str], words: str
) -> None:
    before = desk.names()
    assert words in desk.run("edit", "room.png", "a sofa", *more).error
    assert (model.requests, desk.names()) == ([], before)


def test_a_dry_run_shows_the_request_and_the_name_asked_for(desk: Desk, model: Recorder) -> None:
    before = desk.names()
    told = desk.ok("generate", "a cat", "--exact", "1200x630", "-o", "cat.png", "--dry-run")
    assert told["outputs"] == [str(desk.path("cat.png"))]
    assert '"size": "1200x640"' in told["body"]
    assert (model.requests, desk.names()) == ([], before)


# The history


def test_the_history_knows_what_a_finished_picture_was_made_from(desk: Desk, model: Recorder) -> None:
    desk.ok("edit", "room.png", "a sofa", *AREA, "--keep-outside", "-o", "out.png")
    desk.path("out.png").rename(desk.path("elsewhere.png"))
    told = desk.ok("history", "show", "elsewhere.png")
    picture = told["picture"]
    assert (picture["method"], picture["request"], picture["path"]) == (
        "keep-outside",
        1,
        str(desk.path("out.png")),
    )
    hashes = {Path(source["path"]).name: source["sha256"] for source in picture["sources"]}
    assert hashes == {name: sha256_at(desk, name) for name in ("out.model.png", "room.png")}
    request = told["request"]
    assert [image["path"] for image in request["images"]] == [str(desk.path("out.model.png"))]
    assert request["output"] == str(desk.path("out.png"))
    assert desk.ok("history", "show", "1")["request"]["derived"] == request["derived"] == [picture]
    lines = desk.run("history", "show", "elsewhere.png").stdout
    assert str(desk.path("room.png")) in lines
    assert str(desk.path("out.png")) in desk.run("history").stdout
    assert desk.ok("history", "--search", "out.png")["requests"][0]["id"] == 1


def test_what_offline_commands_make_is_in_the_history_too(desk: Desk, model: Recorder) -> None:
    desk.ok("edit", "room.png", "a sofa", *AREA, "-o", "out.png")
    desk.ok("fit", "out.png", "--exact", "100x80", "-o", "small.png")
    desk.ok("fit", "small.png", "--exact", "50x40", "-o", "smaller.png")
    told = desk.ok("history", "show", "smaller.png")
    assert (told["picture"]["request"], told["request"]["id"]) == (1, 1)
    desk.ok("fit", "room.png", "--exact", "60x60", "-o", "alone.png")
    told = desk.ok("history", "show", "alone.png")
    assert (told["picture"]["request"], told["request"]) == (None, None)
    desk.ok("fit", "room.png", "--exact", "70x70", "-o", "unseen.png", "--no-history")
    assert "no request" in desk.run("history", "show", "unseen.png").error
    assert desk.ok("history", "forget", "1")["forgotten"] == 1
    assert "no request" in desk.run("history", "show", "smaller.png").error
    assert desk.ok("history", "show", "alone.png")["picture"]["method"] == "crop"
    desk.ok("history", "forget", "--all", "--yes")
    assert "no request" in desk.run("history", "show", "alone.png").error


def test_a_ledger_that_cannot_be_used_stops_no_picture(
    desk: Desk, model: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(desk.path("state")))
    desk.path("state/gpt-image-2").mkdir(parents=True)
    desk.path("state/gpt-image-2/ledger.sqlite3").write_bytes(b"no database" * 100)
    told = desk.ok("edit", "room.png", "a sofa", *AREA, "--keep-outside", "-o", "out.png")
    assert told["images"][0]["method"] == "keep-outside"
    done = desk.run("fit", "room.png", "--exact", "60x60", "-o", "alone.png")
    assert done.code == 0
    assert "not in the history" in done.stderr


def test_a_picture_that_was_extended_is_made_again(desk: Desk, model: Recorder) -> None:
    desk.save("room.png", photo(1024, 768))
    desk.ok("edit", "room.png", "wider", "--extend", "left=256", "-o", "wide.png")
    (image,) = desk.ok("history", "redo", "wide.png")["images"]
    assert (image["width"], image["method"]) == (1280, "extend")
    one, two = (request.files() for request in model.requests)
    assert [part.data for part in one] == [part.data for part in two]


@pytest.mark.parametrize("changes", [(), ("--under", "20KB")])
def test_what_was_done_with_a_picture_is_done_again(
    changes: tuple[str, ...], desk: Desk, model: Recorder
) -> None:
    flags = ("--exact", "600x300", "--fit", "pad", "--under", "30KB")
    desk.ok("generate", "a card", *flags, "-o", "card.jpg")
    (image,) = desk.ok("history", "redo", "1", *changes)["images"]
    assert (image["method"], image["format"]) == ("exact + under", "jpeg")
    assert (image["width"], image["height"]) == (600, 300)
    assert image["bytes"] <= (20 if changes else 30) * 1024
    assert any("padded" in note for note in image["notes"])
    first, second = (json.loads(request.body) for request in model.requests)
    assert first == second
    past = desk.ok("history", "show", "1")["request"]["wishes"]
    assert past == {"exact": "600x300", "fit": "pad", "under": "30KB", "asked": {"size": None}}
    assert "600x300" in desk.run("history", "show", "1").stdout


def test_an_edit_whose_outside_was_kept_keeps_it_again(desk: Desk, model: Recorder) -> None:
    desk.ok("edit", "room.png", "a sofa", *AREA, "--keep-outside", "-o", "out.png")
    (image,) = desk.ok("history", "redo", "out.png", "--prompt", "a chair", "-o", "again.png")["images"]
    assert (image["method"], image["changed_outside"]) == ("keep-outside", 0)
    assert (image["width"], image["height"]) == (W, H)
    assert [request.texts()["prompt"] for request in model.requests] == ["a sofa", "a chair"]


def test_a_clear_background_is_asked_for_again_in_the_users_own_words(desk: Desk, model: Recorder) -> None:
    desk.ok("generate", "a stone", "--cutout", "--background", "opaque", "-o", "stone.png")
    desk.ok("history", "redo", "1", "-o", "again.png")
    first, second = (json.loads(request.body)["prompt"] for request in model.requests)
    assert first == second
    assert first.count("background") == second.count("background") > 0
    # what is given takes the place of what does not go with it
    desk.ok("history", "redo", "1", "--glass", "-o", "glass.png")
    assert desk.ok("history", "show", "3")["request"]["wishes"].keys() == {"glass", "asked"}


def sha256_at(desk: Desk, name: str) -> str:
    return hashlib.sha256(desk.path(name).read_bytes()).hexdigest()
