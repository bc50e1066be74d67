from __future__ import annotations

import numpy as np
import pytest
from canvases import Desk, photo
from PIL import Image, ImageCms

from gpt_image2.pictures.registration import find_shift

W, H = 512, 384
LEFT, TOP, RIGHT, BOTTOM = 150, 100, 400, 300
MASK = ["--rect", f"{LEFT},{TOP},{RIGHT - LEFT},{BOTTOM - TOP}"]
#: What the model painted into the mask.
NEW = photo(RIGHT - LEFT, BOTTOM - TOP, seed=9)


def edited(
    right: int = 0, down: int = 0, gain: float = 1.0, lift: float = 0.0, noise: float = 4.0
) -> np.ndarray:
    """What a model makes of the source: other content in the mask and a little around it, all of it noisy,
    toned and shifted."""
    margin = 24
    wide = photo(W + 2 * margin, H + 2 * margin, seed=1).astype(np.float32)
    place = np.s_[margin + TOP - 3 : margin + BOTTOM + 3, margin + LEFT - 3 : margin + RIGHT + 3]
    wide[place] = np.asarray(Image.fromarray(NEW).resize((RIGHT - LEFT + 6, BOTTOM - TOP + 6)))
    seen = wide[margin - down : margin - down + H, margin - right : margin - right + W]
    grain = np.random.default_rng(2).normal(0, noise, seen.shape)
    return np.clip(seen + lift + grain, 0, 255).astype(np.uint8)


@pytest.fixture
def edit_desk(desk: Desk) -> Desk:
    desk.save("source.png", photo(W + 48, H + 48, seed=1)[24 : 24 + H, 24 : 24 + W])
    desk.ok("mask", "source.png", *MASK, "-o", "mask.png")
    return desk


def outside() -> np.ndarray:
    there = np.ones((H, W), bool)
    there[TOP:BOTTOM, LEFT:RIGHT] = False
    return there


def composed(desk: Desk, *words: object, out: str = "out.png") -> dict[str, object]:
    return desk.ok("compose", "source.png", "edit.png", "--mask", "mask.png", "-o", out, *words)


@pytest.mark.parametrize("right, down", [(0, 0), (2, 0), (-3, 5), (8, -8)])
def test_a_shifted_edit_is_moved_back_and_outside_the_mask_every_byte_is_the_sources(
    edit_desk: Desk, right: int, down: int
) -> None:
    edit_desk.save("edit.png", edited(right, down))
    told = composed(edit_desk)
    assert told["shift_px"] == pytest.approx([right, down], abs=0.2)
    assert told["changed_outside"] == 0
    assert told["method"] == "keep-outside"
    source, out = edit_desk.pixels("source.png"), edit_desk.pixels("out.png")
    assert np.array_equal(out[outside()], source[outside()])
    middle = np.s_[TOP + 20 : BOTTOM - 20, LEFT + 20 : RIGHT - 20]
    wished = edited(0, 0, noise=0)[middle].astype(int)
    assert np.abs(out[middle] - wished).mean() < 6, "the new content is where it belongs"


def test_the_tone_of_an_edit_is_matched_along_the_seam(edit_desk: Desk) -> None:
    edit_desk.save("edit.png", edited(lift=12, noise=2))
    told = composed(edit_desk)
    out = edit_desk.pixels("out.png").astype(int)
    wished = edited(noise=0).astype(int)
    ring = np.s_[TOP + 8 : TOP + 18, LEFT + 8 : RIGHT - 8]
    assert np.abs(out[ring] - wished[ring]).mean() < 3
    assert told["tone_levels"] == pytest.approx(12, abs=2)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_an_edit_of_another_size_is_scaled_to_the_source(edit_desk: Desk, factor: float) -> None:
    image = Image.fromarray(edited(noise=1))
    edit_desk.save("edit.png", image.resize((int(W * factor), int(H * factor)), Image.Resampling.LANCZOS))
    told = composed(edit_desk)
    assert told["changed_outside"] == 0
    assert any("scaled from" in note for note in told["notes"])
    assert edit_desk.pixels("out.png").shape == (H, W, 3)


NOT_COMPOSED = {
    "another picture": (lambda: photo(W, H, seed=50), "does not show the same outside the mask"),
    "shifted too far": (lambda: edited(20, 0), "shifted by 20 and 0 pixels, more than 8"),
    "another shape": (lambda: edited()[:, : W // 2], "another shape than 512x384"),
    "blank": (lambda: np.full((H, W, 3), 240, np.uint8), "does not show the same outside the mask"),
}


@pytest.mark.parametrize("edit, said", NOT_COMPOSED.values(), ids=NOT_COMPOSED)
def test_what_cannot_be_registered_is_saved_as_it_came_with_the_reason(
    edit_desk: Desk, edit: object, said: str
) -> None:
    edit_desk.save("edit.png", edit())
    done = edit_desk.run("compose", "source.png", "edit.png", "--mask", "mask.png", "-o", "out.png", "--json")
    assert done.code == 10
    assert said in done.json["reason"]
    assert done.json["ok"] is False
    assert done.json["composed"] is False
    assert "warning: not composed" in done.stderr
    assert edit_desk.path("out.png").read_bytes() == edit_desk.path("edit.png").read_bytes()


def test_a_plain_source_has_nothing_to_register_and_is_composed(desk: Desk) -> None:
    desk.save("source.png", np.full((H, W, 3), 200, np.uint8))
    desk.ok("mask", "source.png", *MASK, "-o", "mask.png")
    edit = np.full((H, W, 3), 203, np.uint8)
    edit[TOP:BOTTOM, LEFT:RIGHT] = NEW
    desk.save("edit.png", edit)
    told = composed(desk)
    assert (told["shift_px"], told["changed_outside"]) == ([0, 0], 0)


def test_a_webp_keeps_every_byte_outside_too_and_a_jpeg_says_that_it_does_not(edit_desk: Desk) -> None:
    edit_desk.save("edit.png", edited())
    assert composed(edit_desk, out="out.webp")["changed_outside"] == 0
    with Image.open(edit_desk.path("out.webp")) as image:
        assert np.array_equal(np.asarray(image)[outside()], edit_desk.pixels("source.png")[outside()])
    told = composed(edit_desk, out="out.jpg")
    assert told["changed_outside"] > 1000
    assert any("pixels outside the mask" in warning for warning in told["warnings"])


def test_a_soft_mask_is_kept_outside_its_softest_part(edit_desk: Desk) -> None:
    edit_desk.ok("mask", "source.png", *MASK, "--grow", "10", "--feather", "20", "-o", "mask.png")
    edit_desk.save("edit.png", edited(2, 2))
    assert composed(edit_desk)["changed_outside"] == 0
    kept = edit_desk.pixels("mask.png")[..., 3] == 255
    assert np.array_equal(edit_desk.pixels("out.png")[kept], edit_desk.pixels("source.png")[kept])


@pytest.mark.parametrize("size", [3, 9])
def test_a_mask_narrower_than_the_seam_still_shows_the_edit(edit_desk: Desk, size: int) -> None:
    words = ["--rect", f"{LEFT + 30},{TOP + 30},{size},150"]
    edit_desk.ok("mask", "source.png", *words, "-o", "mask.png")
    edit_desk.save("edit.png", edited())
    composed(edit_desk)
    changed = (edit_desk.pixels("out.png") != edit_desk.pixels("source.png")).any(axis=-1)
    assert changed[TOP + 40 : TOP + 170, LEFT + 30 : LEFT + 30 + size].mean() > 0.8


def test_a_source_with_transparency_keeps_it_outside(edit_desk: Desk) -> None:
    source = np.dstack([edit_desk.pixels("source.png"), np.full((H, W), 255, np.uint8)])
    source[:60, :, 3] = 90
    edit_desk.save("source.png", source)
    edit_desk.save("edit.png", edited())
    assert composed(edit_desk)["changed_outside"] == 0
    assert np.array_equal(edit_desk.pixels("out.png")[outside()], source[outside()])


def test_the_colour_profile_of_the_source_is_kept(edit_desk: Desk) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    with Image.open(edit_desk.path("source.png")) as image:
        edit_desk.save("source.png", image.copy(), icc_profile=profile)
    edit_desk.save("edit.png", edited())
    assert composed(edit_desk)["changed_outside"] == 0
    with Image.open(edit_desk.path("out.png")) as image:
        assert image.info["icc_profile"] == profile


def test_a_turned_photo_is_composed_as_it_is_seen(desk: Desk) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = photo(300, 400, seed=4)
    desk.save("source.png", np.rot90(seen), exif=exif)
    desk.ok("mask", "source.png", "--rect", "100,100,80,80", "-o", "mask.png")
    edit = seen.copy()
    edit[100:180, 100:180] = 255 - edit[100:180, 100:180]
    desk.save("edit.png", edit)
    assert composed(desk)["changed_outside"] == 0
    kept = np.ones((400, 300), bool)
    kept[100:180, 100:180] = False
    assert np.array_equal(desk.pixels("out.png")[kept], seen[kept])


def test_neither_source_nor_edit_is_ever_written_to(edit_desk: Desk) -> None:
    edit_desk.save("edit.png", edited())
    for name in ("source.png", "edit.png", "mask.png"):
        done = edit_desk.run("compose", "source.png", "edit.png", "--mask", "mask.png", "-o", name)
        assert "is an input as well" in done.error


def test_a_shift_is_found_to_a_fifth_of_a_pixel() -> None:
    large = Image.fromarray(photo(1600, 1200, seed=3))
    one = large.crop((40, 40, 1560, 1160)).reduce(4)
    two = large.crop((38, 43, 1558, 1163)).reduce(4)  # by half a pixel and three quarters
    shift = find_shift(one, two, np.full((one.height, one.width), 255, np.uint8))
    assert (shift.right, shift.down) == pytest.approx((0.5, -0.75), abs=0.2)


def test_the_edit_fades_in_from_the_edge_of_its_mask(desk: Desk) -> None:
    desk.save("source.png", np.full((H, W, 3), 60, np.uint8))
    desk.ok("mask", "source.png", *MASK, "-o", "mask.png")
    edit = np.full((H, W, 3), 60, np.uint8)
    edit[TOP:BOTTOM, LEFT:RIGHT] = 220
    desk.save("edit.png", edit)
    composed(desk, "--seam", "16")
    row = desk.pixels("out.png")[200, LEFT - 1 : LEFT + 20, 0].astype(int)
    assert row[0] == 60
    assert row[1] < 80, "at the edge it has hardly begun"
    assert row[-1] == 220
    assert (np.diff(row) >= 0).all()
    assert np.diff(row).max() < 30
