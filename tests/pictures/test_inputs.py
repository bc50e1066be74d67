"""Inputs as people have them go through an edit: converted, said, and never changed in place."""

from __future__ import annotations

import os
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from canvases import Desk, edited_area, photo
from harness import KEY, SCRIPT, Home, install_line
from odd_files import H, W, odd_file
from painting import paint, sent_files
from PIL import Image
from servers import Answer, Recorder

from gpt_image2.pictures.files import open_picture

KINDS = {
    "heic": "is sent as png: it was heif",
    "avif": "it was avif",
    "gif": "the first of 2 frames",
    "bmp": "it was bmp",
    "tiff": "it was tiff",
    "jpg cmyk": "CMYK turned into RGB",
    "jpg rotated": "turned upright (EXIF orientation 6)",
    "png 16 colour": "16 bits a channel reduced to 8",
    "png palette": "palette turned into colours",
}


@pytest.fixture
def model(desk: Desk, recorder: Recorder, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """A model that paints, which the commands at the desk ask."""
    monkeypatch.setenv("GPT_IMAGE2_API_KEY", KEY)
    monkeypatch.setenv("GPT_IMAGE2_BASE_URL", recorder.base_url)
    paint(recorder)
    return recorder


@pytest.mark.parametrize("kind, said", KINDS.items(), ids=KINDS)
def test_a_file_of_any_kind_is_edited_and_put_back_outside_its_mask(
    desk: Desk, model: Recorder, kind: str, said: str
) -> None:
    path = odd_file(desk, kind)
    before = path.read_bytes()
    words = ("edit", path.name, "a sofa", "--area", "100,60,120,90", "--keep-outside", "-o", "out.png")
    told = desk.ok(*words)
    (image,) = told["images"]
    (warning,) = told["warnings"]
    assert warning.startswith(f"{path.name} is sent as ")
    assert said in warning
    assert (image["method"], image["changed_outside"]) == ("keep-outside", 0)
    assert image["derived_from"][1] == str(path)
    assert path.read_bytes() == before
    sent = sent_files(model.only)
    assert (sent["image"].mode, sent["image"].size) == ("RGB", (W, H))
    assert sent["image"].format in ("PNG", "JPEG")
    area = edited_area(np.asarray(sent["mask"]))
    assert area[60:150, 100:220].all() and area.sum() == 120 * 90
    assert not np.array_equal(desk.pixels("out.png")[80:130, 130:190], seen(path)[80:130, 130:190])
    outside = np.ones((H, W), bool)
    outside[60:150, 100:220] = False
    if kind != "png 16 colour":  # which Pillow alone reads otherwise
        assert np.array_equal(desk.pixels("out.png")[outside], seen(path)[outside])


def seen(path: Path) -> np.ndarray:
    return open_picture(str(path)).rgb


def test_a_mask_that_was_drawn_on_the_upright_picture_hits_the_right_place(
    desk: Desk, model: Recorder
) -> None:
    odd_file(desk, "jpg rotated")
    drawn = np.zeros((H, W), np.uint8)
    drawn[20:60, 200:300] = 255
    desk.save("drawn.png", drawn)
    told = desk.ok("edit", "in.jpg", "a sofa", "--mask", "drawn.png", "-o", "out.png")
    assert "drawn.png was read so: white is edited" in str(told["warnings"])
    sent = sent_files(model.only)
    assert sent["image"].size == sent["mask"].size == (W, H)
    area = edited_area(np.asarray(sent["mask"]))
    assert np.array_equal(area, drawn == 255)
    assert np.abs(np.asarray(sent["image"])[area].astype(int) - photo(W, H)[area]).mean() < 8


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
@pytest.mark.parametrize("words", [("--area", "1,1,9,9"), ()], ids=["an area", "nothing"])
def test_a_file_that_is_cut_off_is_not_sent(
    desk: Desk, model: Recorder, kind: str, words: tuple[str, ...]
) -> None:
    path = desk.save(f"in.{kind}", photo(W, H))
    path.write_bytes(path.read_bytes()[:-2000])
    assert "cannot read input image" in desk.run("edit", path.name, "a sofa", *words, "-o", "out.png").error
    assert model.requests == []


def test_what_stands_behind_the_end_of_a_picture_is_no_reason_to_make_it_anew(
    desk: Desk, model: Recorder
) -> None:
    path = desk.save("in.png", photo(W, H))
    path.write_bytes(path.read_bytes() + b"of some program")
    assert desk.ok("edit", path.name, "a sofa", "-o", "out.png")["warnings"] == []
    (sent,) = (part for part in model.only.files() if part.name == "image[]" or part.name == "image")
    assert sent.data == path.read_bytes()


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
def test_what_the_api_takes_is_sent_byte_for_byte_and_pillow_is_not_loaded(
    home: Home, recorder: Recorder, kind: str
) -> None:
    Image.fromarray(photo(W, H)).save(home.cwd / f"in.{kind}")
    code = (
        "import sys\n"
        "from gpt_image2.core.cli import main\n"
        "code = main(sys.argv[1:])\n"
        "print([name for name in ('PIL', 'numpy', 'gpt_image2.pictures') if name in sys.modules])\n"
        "sys.exit(code)\n"
    )
    words = [sys.executable, "-c", code, "edit", f"in.{kind}", "a sofa", "-o", "out.png"]
    env = {"PYTHONPATH": os.environ.get("PYTHONPATH")}
    run = home.run_program(*words, base_url=recorder.base_url, env=env)
    assert run.stdout.endswith("[]\n"), run.stderr
    assert recorder.only.files()[0].data == (home.cwd / f"in.{kind}").read_bytes()


def test_more_pixels_than_the_api_draws_are_sent_smaller_with_their_mask(desk: Desk, model: Recorder) -> None:
    Image.new("RGB", (4800, 1600), (9, 99, 200)).save(desk.path("in.png"), compress_level=1)
    desk.ok("mask", "in.png", "--rect", "0,0,50%,50%", "-o", "mask.png")
    told = desk.ok("edit", "in.png", "a sofa", "--mask", "mask.png", "--size", "square", "-o", "out.png")
    assert "scaled from 4800x1600 to 3840x1280" in told["warnings"][0]
    sent = sent_files(model.only)
    assert sent["image"].size == sent["mask"].size == (3840, 1280)


def test_a_decompression_bomb_is_refused(desk: Desk, model: Recorder) -> None:
    header = struct.pack(">4sIIBBBBB", b"IHDR", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = desk.save("bomb.png", photo(W, H)).read_bytes()
    data = data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]
    desk.path("bomb.png").write_bytes(data)
    assert "may be a decompression bomb" in desk.run("edit", "bomb.png", "a sofa", "-o", "out.png").error
    assert model.requests == []


def test_a_picture_that_is_drawn_on_is_sent_as_it_is(desk: Desk, model: Recorder) -> None:
    """A markup belongs to it, in the size of its own."""
    path = odd_file(desk, "jpg rotated")
    Image.new("RGBA", (W, H), (0, 0, 0, 0)).save(desk.path("strokes.png"))
    words = ("edit", "in.jpg", "a sofa", "--markup", "strokes.png", "--model", "gpt-image-2.5-flare")
    assert desk.ok(*words, "-o", "out.png")["warnings"] == []
    assert model.only.files()[0].data == path.read_bytes()


def test_a_fetched_picture_and_one_from_standard_input_are_converted_too(
    desk: Desk, model: Recorder, home: Home
) -> None:
    data = odd_file(desk, "bmp").read_bytes()
    answer = model.answer

    def serve(request: object) -> Answer:
        is_get = getattr(request, "method", "") == "GET"
        return Answer(body=data) if is_get else answer(request)  # pyright: ignore[reportArgumentType]

    model.answer = serve  # pyright: ignore[reportAttributeAccessIssue]
    told = desk.ok("edit", f"{model.root}/photo.bmp", "a sofa", "-o", "out.png")
    assert "photo.bmp is sent as png: it was bmp" in told["warnings"][0]
    assert model.requests[-1].files()[0].filename == "photo.png"
    again = desk.ok("history", "redo", "1", "-o", "again.png")
    assert again["images"][0]["path"] == str(desk.path("again.png"))


def test_a_converted_file_is_edited_again_and_one_that_has_changed_is_refused(
    desk: Desk, model: Recorder
) -> None:
    odd_file(desk, "heic")
    desk.ok("edit", "in.heic", "a sofa", "-o", "out.png")
    desk.ok("history", "redo", "1", "-o", "again.png")
    one, two = (request.files()[0] for request in model.requests)
    assert one == two
    past = desk.ok("history", "show", "1")["request"]["inputs"][0]
    assert (past["source"], past["path"]) == (str(desk.path("in.heic")), "")
    Image.new("RGB", (W, H)).save(desk.path("in.heic"), "PNG")
    assert "has changed since" in desk.run("history", "redo", "1", "-o", "third.png").error
    assert len(model.requests) == 2


def test_a_batch_takes_files_of_any_kind_and_the_batch_api_only_what_it_can_send(
    desk: Desk, model: Recorder
) -> None:
    odd_file(desk, "heic")
    desk.path("jobs.jsonl").write_text('{"prompt": "a sofa", "image": "in.heic"}\n', encoding="utf-8")
    done = desk.run("batch", "run", "jobs.jsonl", "--out-dir", "out", "--json")
    assert done.code == 0, done.stderr
    assert sent_files(model.only)["image"].format == "PNG"
    refused = desk.run("batch", "submit", "jobs.jsonl", "--dry-run").error
    assert "in.heic is heic" in refused


# Masks


def mask_file(folder: Path, kind: str) -> Path:
    """A mask as programs write it: a rectangle of 40x40 at 30,10."""
    drawn = np.zeros((H, W), np.uint8)
    drawn[10:50, 30:70] = 255
    path = folder / f"mask.{'jpg' if kind == 'jpeg' else 'png'}"
    image = Image.fromarray(drawn)
    if kind == "opaque rgba":
        image = Image.merge("RGBA", [image] * 3 + [Image.new("L", image.size, 255)])
    elif kind == "palette":
        image = image.convert("P")
    image.save(path)
    return path


@pytest.mark.parametrize("kind", ["grey", "opaque rgba", "jpeg", "palette"])
def test_a_black_and_white_mask_is_converted_and_how_it_was_read_is_said(
    desk: Desk, model: Recorder, kind: str
) -> None:
    desk.save("room.png", photo(W, H))
    mask = mask_file(desk.folder, kind)
    told = desk.ok("edit", "room.png", "a sofa", "--mask", mask.name, "-o", "out.png")
    assert "white is edited (its border is black" in told["warnings"][0]
    alpha = np.asarray(sent_files(model.only)["mask"])[..., 3]
    assert (alpha[12:48, 32:68] < 64).all()
    assert (alpha < 128).sum() <= 42 * 42


@pytest.mark.parametrize("kind", ["grey", "opaque rgba", "jpeg", "palette"])
def test_without_the_extra_the_error_names_the_command_that_converts_a_mask(
    home: Home, recorder: Recorder, kind: str
) -> None:
    home.script = SCRIPT
    Image.fromarray(photo(W, H)).save(home.cwd / "my room.png")
    mask = mask_file(home.cwd, kind)
    words = ("edit", "my room.png", "a sofa", "--mask", mask.name, "-o", "out.png")
    run = home.run(*words, base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, [])
    (line,) = run.stderr.splitlines()
    assert f" mask 'my room.png' --from {mask.name} -o mask.png (it needs pip install" in line


MODES = {"grey": "LA", "colour": "RGBA", "palette": "P", "one bit": "1"}


def alpha_file(path: Path, mode: str, clear: str) -> None:
    """A PNG with alpha in which nothing, something or all is transparent."""
    alpha = np.full((H, W), 255, np.uint8)
    if clear != "none":
        alpha[10:50, 30:70] = 0
    if clear == "all":
        alpha[:] = 0
    if mode in ("LA", "RGBA"):
        image = Image.fromarray(photo(W, H)).convert(mode)
        image.putalpha(Image.fromarray(alpha))
        image.save(path)
        return
    image = Image.fromarray((alpha == 0).astype(np.uint8), "P" if mode == "P" else "L")
    image.putpalette([0, 0, 0, 255, 255, 255, 9, 9, 9])
    image.save(path, transparency=bytes([255, 0, 0]), bits=8 if mode == "P" else 1)


@pytest.mark.parametrize("kind", MODES)
@pytest.mark.parametrize("clear", ["none", "some", "all"])
def test_what_is_transparent_in_a_mask_is_seen_whatever_png_it_is(
    home: Home, recorder: Recorder, kind: str, clear: str
) -> None:
    home.script = SCRIPT
    Image.fromarray(photo(W, H)).save(home.cwd / "room.png")
    alpha_file(home.cwd / "mask.png", MODES[kind], clear)
    words = ("edit", "room.png", "a sofa", "--mask", "mask.png", "-o", "out.png")
    run = home.run(*words, base_url=recorder.base_url)
    if clear == "none":
        assert (run.code, recorder.requests) == (2, [])
        assert "has no transparent pixel, so nothing would be edited" in run.stderr
    else:
        assert run.code == 0, run.stderr
        assert ("everything may be edited" in run.stderr) == (clear == "all")


# Without the extra


@pytest.mark.parametrize("kind", ["heic", "avif", "bmp", "tiff", "gif"])
def test_without_the_extra_the_error_names_the_format_and_what_to_run(
    desk: Desk, home: Home, recorder: Recorder, kind: str
) -> None:
    home.script = SCRIPT
    path = odd_file(desk, kind)
    run = home.run("edit", str(path), "a sofa", "-o", "out.png", base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, [])
    (line,) = run.stderr.splitlines()
    assert f"is {kind}; install what converts it: {install_line('pictures')}; or save" in line


@pytest.mark.parametrize("kind", ["jpg cmyk", "jpg rotated", "png palette", "png 16 colour"])
def test_without_the_extra_what_the_api_takes_goes_out_as_it_is(
    desk: Desk, home: Home, recorder: Recorder, kind: str
) -> None:
    home.script = SCRIPT
    path = odd_file(desk, kind)
    run = home.run("edit", str(path), "a sofa", "-o", "out.png", base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    assert recorder.only.files()[0].data == path.read_bytes()
