from __future__ import annotations

from collections import deque

import numpy as np
import pytest
from canvases import Desk, photo
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from gpt_image2.pictures.check import checkerboard_score
from gpt_image2.pictures.regions import enclosed

W, H = 320, 240


def verdicts(desk: Desk, *words: object) -> tuple[int, dict[str, dict]]:
    """The exit code, and the verdicts by their names."""
    done = desk.run("check", *words, "--json")
    return done.code, {verdict["name"]: verdict for verdict in done.json["checks"]}


def disc(radius: float = 80) -> np.ndarray:
    """A disc on a clear ground, its edge smooth."""
    ys, xs = np.mgrid[0:H, 0:W] + 0.5
    alpha = np.clip(radius - np.hypot(xs - W / 2, ys - H / 2) + 0.5, 0, 1)
    return np.dstack([photo(W, H), np.rint(alpha * 255).astype(np.uint8)])


def board(cell: int, light: int = 255, dark: int = 204) -> np.ndarray:
    """A painted checkerboard with a disc on it, a little noisy."""
    ys, xs = np.mgrid[0:H, 0:W]
    grey = np.where((xs // cell + ys // cell) % 2, dark, light)[..., None].repeat(3, axis=2)
    ball = disc()
    share = ball[..., 3:] / 255
    noise = np.random.default_rng(1).normal(0, 2, grey.shape)
    return np.clip(ball[..., :3] * share + grey * (1 - share) + noise, 0, 255).astype(np.uint8)


def test_a_size_holds_or_not_and_the_exit_code_says_so(desk: Desk) -> None:
    desk.save("a.png", photo(W, H))
    assert desk.run("check", "a.png", "--size", "320x240").stdout == "ok: size: it is 320x240\n"
    done = desk.run("check", "a.png", "--size", "240x320")
    assert (done.code, done.stdout) == (10, "FAIL: size: it is 320x240, not 240x320\n")


def test_a_weight_is_counted_in_thousands_of_bytes(desk: Desk) -> None:
    size = desk.save("a.png", photo(W, H)).stat().st_size
    assert verdicts(desk, "a.png", "--max-kb", size / 1000)[0] == 0
    assert verdicts(desk, "a.png", "--max-kb", (size - 1) / 1000)[0] == 10


def test_a_transparent_background_holds_and_is_measured(desk: Desk) -> None:
    picture = disc()
    desk.save("a.png", picture)
    code, found = verdicts(desk, "a.png", "--alpha")
    assert code == 0
    figures = found["transparency"]["figures"]
    assert figures["clear_share"] == pytest.approx((picture[..., 3] <= 8).mean(), abs=1e-5)
    assert figures["holes"] == 0
    assert found["border"]["figures"]["touched_share"] == 0


def test_holes_within_are_counted(desk: Desk) -> None:
    picture = disc()
    picture[100:110, 150:160, 3] = 0
    picture[130:140, 150:170, 3] = 0
    desk.save("a.png", picture)
    figures = verdicts(desk, "a.png", "--alpha")[1]["transparency"]["figures"]
    assert figures["holes"] == 2
    assert figures["holes_share"] == pytest.approx(300 / (W * H), abs=1e-6)


def test_a_picture_without_alpha_or_with_an_opaque_one_fails(desk: Desk) -> None:
    desk.save("a.png", photo(W, H))
    desk.save("b.png", disc(radius=1000))
    for name, said in (("a.png", "no alpha channel"), ("b.png", "almost nothing is clear")):
        code, found = verdicts(desk, name, "--alpha")
        assert code == 10
        assert said in found["transparency"]["detail"]
        assert not found["border"]["ok"]


@pytest.mark.parametrize("cell", [4, 7, 16, 31])
@pytest.mark.parametrize("greys", [(255, 204), (240, 225), (120, 80)])
def test_a_painted_checkerboard_is_seen(desk: Desk, cell: int, greys: tuple[int, int]) -> None:
    desk.save("a.png", board(cell, *greys))
    assert not verdicts(desk, "a.png", "--alpha")[1]["checkerboard"]["ok"]


@pytest.mark.parametrize("cell", [8, 21, 32])
@pytest.mark.parametrize("rim", [20, 60])
def test_a_painted_checkerboard_is_seen_in_a_narrow_rim(cell: int, rim: int) -> None:
    ys, xs = np.mgrid[0:1024, 0:1024]
    card = np.where((xs // cell + ys // cell) % 2, 204, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    card[rim:-rim, rim:-rim] = (250, 246, 236)
    assert checkerboard_score(Image.fromarray(card)) > 0.75


@pytest.mark.parametrize("seed", range(5))
def test_what_is_no_checkerboard_is_not_taken_for_one(seed: int) -> None:
    grey = photo(W, H, seed).mean(axis=2).astype(np.uint8)
    ys, xs = np.mgrid[0:H, 0:W]
    stripes = np.where(xs // (4 + seed) % 2, 250, 200).astype(np.uint8)
    bricks = np.where((xs + ys // 10 % 2 * 10) % 20 < 2, 120, 200).astype(np.uint8)
    slanted = np.where((xs + ys) // (5 + seed) % 2, 230, 190).astype(np.uint8)
    for image in (photo(W, H, seed), grey, np.full((H, W), 200 + seed, np.uint8), stripes, bricks, slanted):
        assert checkerboard_score(Image.fromarray(image)) < 0.5


def test_an_edit_is_checked_against_its_source_and_mask(desk: Desk) -> None:
    source = photo(W, H)
    edit = source.copy()
    edit[60:120, 80:160] = 255 - edit[60:120, 80:160]
    desk.save("source.png", source)
    desk.ok("mask", "source.png", "--rect", "80,60,80,60", "-o", "mask.png")
    words = ["edit.png", "--against", "source.png", "--mask", "mask.png"]
    desk.save("edit.png", edit)
    code, found = verdicts(desk, *words)
    assert (code, found["outside"]["figures"]["changed"]) == (0, 0)
    edit[10, 10, 0] ^= 1
    desk.save("edit.png", edit)
    code, found = verdicts(desk, *words, "--map", "map.png")
    assert (code, found["outside"]["figures"]["changed"]) == (10, 1)
    assert desk.pixels("map.png").shape == (H, W, 3)
    assert verdicts(desk, *words, "--tolerance", "1")[0] == 0
    desk.save("edit.png", source)
    assert not verdicts(desk, *words)[1]["inside"]["ok"], "nothing was edited"


def test_a_heat_map_glows_where_something_changed(desk: Desk) -> None:
    source = np.full((H, W, 3), 40, np.uint8)
    edit = source.copy()
    edit[60:120, 80:160] = 250
    edit[200:210, 10:20] += 20
    desk.save("source.png", source)
    desk.save("edit.png", edit)
    assert desk.run("check", "edit.png", "--against", "source.png", "--map", "map.png").code == 10
    glow = desk.pixels("map.png").astype(int).sum(axis=2)
    assert glow[90, 120] > glow[205, 15] > glow[20, 200]


def test_an_edit_of_another_size_does_not_hold(desk: Desk) -> None:
    desk.save("source.png", photo(W, H))
    desk.save("edit.png", photo(W * 2, H * 2))
    code, found = verdicts(desk, "edit.png", "--against", "source.png")
    assert (code, found["same"]["detail"]) == (10, "it is 640x480, the source 320x240")


WRONG = {
    "missing": (["none.png", "--alpha"], "is missing"),
    "a folder": ([".", "--alpha"], "is a folder"),
    "no picture": (["text.png", "--alpha"], "it is not a picture of a known format"),
    "a drawing": (["drawing.png", "--alpha"], "it is svg"),
    "a broken photo of a phone": (["photo.heic", "--alpha"], "begins as heic or avif, and is broken"),
    "empty": (["empty.png", "--alpha"], "it is empty"),
    "truncated": (["half.png", "--alpha"], "cannot read picture half.png"),
    "a bomb": (["bomb.png", "--alpha"], "may be a decompression bomb"),
    "nothing asked": (["a.png"], "nothing to check"),
    "a mask alone": (["a.png", "--mask", "a.png"], "need --against"),
    "no size": (["a.png", "--size", "big"], "is not understood"),
}


@pytest.mark.parametrize("words, said", WRONG.values(), ids=WRONG)
def test_what_cannot_be_checked_is_one_line_and_exit_code_2(desk: Desk, words: list[str], said: str) -> None:
    whole = desk.save("a.png", photo(W, H)).read_bytes()
    desk.path("half.png").write_bytes(whole[: len(whole) // 2])
    desk.path("text.png").write_bytes(b"a text, and no picture")
    desk.path("drawing.png").write_bytes(b"<?xml version='1.0'?>\n<svg xmlns='x'></svg>")
    desk.path("photo.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(400))
    desk.path("empty.png").touch()
    if "bomb.png" in words:
        desk.save("bomb.png", Image.new("1", (20_000, 5_000)))
    assert said in desk.run("check", *words).error


@given(arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_property_enclosed_is_what_a_flood_from_the_border_does_not_reach(inside: np.ndarray) -> None:
    height, width = inside.shape
    reached = np.zeros_like(inside)
    queue = deque(
        (y, x)
        for y in range(height)
        for x in range(width)
        if inside[y, x] and (y in (0, height - 1) or x in (0, width - 1))
    )
    while queue:
        y, x = queue.popleft()
        if 0 <= y < height and 0 <= x < width and inside[y, x] and not reached[y, x]:
            reached[y, x] = True
            queue.extend([(y + 1, x), (y - 1, x), (y, x + 1), (y, x - 1)])
    found, count = enclosed(inside)
    assert np.array_equal(found, inside & ~reached)
    assert (count > 0) == found.any()
