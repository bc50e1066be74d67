from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from canvases import Desk, edited_area, photo
from PIL import Image

W, H = 320, 240


@pytest.fixture
def painted(desk: Desk) -> np.ndarray:
    """A photo on the desk, and what is to be edited of it."""
    desk.save("photo.png", photo(W, H))
    there = np.zeros((H, W), bool)
    there[60:150, 100:220] = True
    return there


def drawn(inside: np.ndarray, how: str) -> Image.Image:
    """A mask as some program writes it."""
    grey = np.where(inside, 255, 0).astype(np.uint8)
    if how == "white":
        return Image.fromarray(grey)
    if how == "black":
        return Image.fromarray(255 - grey)
    if how == "one bit":
        return Image.fromarray(grey).convert("1")
    if how == "opaque rgba":
        return Image.fromarray(grey).convert("RGBA")
    layer = np.zeros((*inside.shape, 4), np.uint8)
    layer[..., 0] = 200
    layer[..., 3] = grey if how == "painted" else 255 - grey
    return Image.fromarray(layer)


READ = {
    "white": ("white", [], "white is edited (its border is black"),
    "one bit": ("one bit", [], "white is edited"),
    "opaque rgba": ("opaque rgba", [], "white is edited"),
    "black": ("black", [], "black is edited (its border is white"),
    "alpha": ("alpha", [], "what is transparent is edited"),
    "painted": ("painted", ["--read-as", "painted"], "what is painted is edited (as told)"),
    "white as told": ("white", ["--read-as", "white"], "white is edited (as told)"),
}


@pytest.mark.parametrize("how, words, said", READ.values(), ids=READ)
def test_a_mask_of_another_program_is_recognised_and_how_is_said(
    desk: Desk, painted: np.ndarray, how: str, words: list[str], said: str
) -> None:
    desk.save("other.png", drawn(painted, how))
    done = desk.run("mask", "photo.png", "--from", "other.png", *words, "-o", "mask.png")
    assert done.code == 0, done.stderr
    assert said in done.stderr
    assert np.array_equal(edited_area(desk.pixels("mask.png")), painted)


def test_a_reading_can_be_overridden(desk: Desk, painted: np.ndarray) -> None:
    desk.save("other.png", drawn(painted, "white"))
    desk.ok("mask", "photo.png", "--from", "other.png", "--read-as", "black", "-o", "mask.png")
    assert np.array_equal(edited_area(desk.pixels("mask.png")), ~painted)


def test_the_noise_of_a_jpeg_is_no_part_of_a_mask(desk: Desk, painted: np.ndarray) -> None:
    desk.save("other.jpg", drawn(painted, "white"), quality=70)
    desk.ok("mask", "photo.png", "--from", "other.jpg", "-o", "mask.png")
    alpha = desk.pixels("mask.png")[..., 3]
    assert (alpha[:50] == 255).all()
    assert (alpha[70:140, 110:210] == 0).all()


def test_a_mask_of_another_size_but_the_same_shape_is_scaled(desk: Desk, painted: np.ndarray) -> None:
    desk.save("other.png", drawn(painted, "white").resize((W * 2, H * 2)))
    done = desk.run("mask", "photo.png", "--from", "other.png", "-o", "mask.png")
    assert "was scaled from 640x480 to 320x240" in done.stderr
    assert (edited_area(desk.pixels("mask.png")) == painted).mean() > 0.99


def test_a_mask_for_another_picture_is_refused(desk: Desk, painted: np.ndarray) -> None:
    desk.save("other.png", drawn(painted.T, "white"))
    said = desk.run("mask", "photo.png", "--from", "other.png", "-o", "mask.png").error
    assert "is 240x320, the picture 320x240" in said
    assert desk.names() == ["other.png", "photo.png"]


def test_a_photo_is_not_taken_for_a_mask(desk: Desk, painted: np.ndarray) -> None:
    desk.save("other.png", photo(W, H, seed=5))
    said = desk.run("mask", "photo.png", "--from", "other.png", "-o", "mask.png").error
    assert "is no mask" in said


def test_alpha_is_not_read_where_there_is_none(desk: Desk, painted: np.ndarray) -> None:
    desk.save("other.png", drawn(painted, "white"))
    words = ["--from", "other.png", "--read-as", "alpha"]
    assert "has no alpha channel" in desk.run("mask", "photo.png", *words, "-o", "mask.png").error


def test_a_mask_is_drawn_on_the_picture_as_it_is_seen(desk: Desk) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side, the top to the right
    seen = np.zeros((320, 240, 3), np.uint8)
    seen[:40, :60] = (250, 20, 20)
    desk.save("photo.jpg", np.rot90(seen), quality=95, subsampling=0, exif=exif)
    done = desk.run("mask", "photo.jpg", "--color", "#fa1414", "-o", "mask.png", "--overlay", "look.png")
    assert "turned upright (EXIF orientation 6)" in done.stderr
    found = edited_area(desk.pixels("mask.png"))
    assert found.shape == (320, 240)
    assert found[5:35, 5:55].all()
    assert found.sum() < 45 * 65
    assert desk.pixels("look.png").shape == (320, 240, 3)


def test_a_mask_drawn_on_the_picture_as_it_is_stored_is_told_so(desk: Desk) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    desk.save("photo.jpg", photo(W, H), exif=exif)
    desk.save("other.png", drawn(np.eye(H, W, dtype=bool), "white"))
    said = desk.run("mask", "photo.jpg", "--from", "other.png", "-o", "mask.png").error
    assert "it fits the picture as it is stored, but that is seen turned" in said


def test_an_overlay_tints_what_is_edited_and_nothing_else(desk: Desk, painted: np.ndarray) -> None:
    words = ["--rect", "100,60,120,90", "-o", "mask.png", "--overlay", "look.png"]
    told = desk.ok("mask", "photo.png", *words)
    assert [Path(image["path"]).name for image in told["images"]] == ["mask.png", "look.png"]
    before, look = desk.pixels("photo.png"), desk.pixels("look.png")
    assert np.array_equal(look[~painted], before[~painted])
    assert (look[painted] != before[painted]).any(axis=-1).mean() > 0.95


@pytest.mark.parametrize("level, said", [(0, "would edit nothing"), (255, "would edit everything")])
@pytest.mark.parametrize("command", ["compose a.png a.png -o out.png", "check a.png --against a.png"])
def test_an_edit_in_a_mask_of_nothing_or_everything_is_refused(
    desk: Desk, command: str, level: int, said: str
) -> None:
    desk.save("a.png", photo())
    desk.save("mask.png", np.full((240, 320), level, np.uint8))
    assert said in desk.run(*command.split(), "--mask", "mask.png").error
    assert not desk.path("out.png").exists()
