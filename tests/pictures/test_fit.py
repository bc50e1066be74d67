from __future__ import annotations

import numpy as np
import pytest
from canvases import Desk, photo
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gpt_image2.core.api.covering import covering_size
from gpt_image2.core.api.sizes import size_problem
from gpt_image2.pictures.sizes import parse_weight


@pytest.fixture
def wide(desk: Desk) -> Desk:
    desk.save("wide.png", photo(1200, 640))
    return desk


def test_an_exact_size_is_cropped_about_the_middle_without_a_change_of_pixels(wide: Desk) -> None:
    told = wide.ok("fit", "wide.png", "--exact", "1200x630", "-o", "out.png")
    assert (told["width"], told["height"], told["method"]) == (1200, 630, "crop")
    assert np.array_equal(wide.pixels("out.png"), wide.pixels("wide.png")[5:635])
    assert wide.path("wide.png").exists()


@pytest.mark.parametrize("size", [(300, 250), (50, 800), (2000, 100), (1, 1)])
@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_every_way_of_fitting_gives_exactly_the_size(wide: Desk, fit: str, size: tuple[int, int]) -> None:
    wide.ok("fit", "wide.png", "--exact", "{}x{}".format(*size), "--fit", fit, "-o", "out.png")
    assert wide.pixels("out.png").shape[1::-1] == size


def test_padding_is_clear_or_of_the_colour_asked_for(wide: Desk) -> None:
    wide.ok("fit", "wide.png", "--exact", "1200x800", "--fit", "pad", "-o", "out.png")
    out = wide.pixels("out.png")
    assert (out[:80, :, 3] == 0).all()
    assert np.array_equal(out[80:720, :, :3], wide.pixels("wide.png"))
    words = ["--exact", "1200x800", "--fit", "pad", "--pad-color", "#102030"]
    wide.ok("fit", "wide.png", *words, "-o", "out.png")
    assert (wide.pixels("out.png")[:80] == (0x10, 0x20, 0x30)).all()


def test_a_jpeg_gets_white_where_it_was_clear(wide: Desk) -> None:
    told = wide.ok("fit", "wide.png", "--exact", "1200x800", "--fit", "pad", "-o", "out.jpg")
    assert wide.pixels("out.jpg")[:70].min() >= 250
    assert any("jpeg has no transparency" in note for note in told["notes"])


@pytest.mark.parametrize("name", ["out.jpg", "out.webp"])
def test_the_best_quality_under_a_weight_is_chosen_and_said(wide: Desk, name: str) -> None:
    told = wide.ok("fit", "wide.png", "--under", "60KB", "-o", name)
    assert 30_000 < wide.path(name).stat().st_size <= 60_000
    assert 20 <= told["quality"] < 95
    better = wide.ok("fit", "wide.png", "--under", "120KB", "-o", f"better.{name}")
    assert better["quality"] > told["quality"]


def test_what_is_light_enough_loses_nothing(wide: Desk) -> None:
    told = wide.ok("fit", "wide.png", "--under", "9MB", "-o", "out.webp")
    assert told["quality"] is None
    with Image.open(wide.path("out.webp")) as image:
        assert np.array_equal(np.asarray(image), wide.pixels("wide.png"))


def test_a_picture_is_only_converted_where_no_size_is_asked_for(wide: Desk) -> None:
    told = wide.ok("fit", "wide.png", "-o", "out.jpg")
    assert (told["method"], told["images"][0]["format"]) == ("converted", "jpeg")


WRONG = {
    "png that cannot be so light": (["--under", "20KB", "-o", "out.png"], "more than 20; png loses nothing"),
    "jpeg that cannot be so light": (["--under", "1KB", "-o", "out.jpg"], "more than 1; scale it down"),
    "no size": (["--exact", "wide", "-o", "out.png"], "is not understood"),
    "no pixels": (["--exact", "0x10", "-o", "out.png"], "cannot be a picture's size"),
    "far too many pixels": (["--exact", "99999x99999", "-o", "out.png"], "cannot be a picture's size"),
    "no weight": (["--under", "light", "-o", "out.png"], "is not understood"),
    "nothing at all": (["--under", "0KB", "-o", "out.png"], "less than any picture has"),
    "no format": (["-o", "out.xyz"], "no extension that can be written"),
    "itself": (["-o", "wide.png"], "is an input as well"),
}


@pytest.mark.parametrize("words, said", WRONG.values(), ids=WRONG)
def test_what_cannot_be_fitted_is_one_line_and_no_file(wide: Desk, words: list[str], said: str) -> None:
    assert said in wide.run("fit", "wide.png", *words).error
    assert wide.names() == ["wide.png"]


@pytest.mark.parametrize(
    "wished, legal",
    [
        ((1200, 630), (1200, 640)),
        ((1024, 1024), (1024, 1024)),
        ((1080, 1920), (1088, 1920)),
        ((300, 250), (896, 736)),
        ((3840, 2160), (3840, 2160)),
    ],
)
def test_the_legal_size_that_covers_a_wished_one_is_known(
    wished: tuple[int, int], legal: tuple[int, int]
) -> None:
    assert covering_size(*wished) == legal


@settings(max_examples=40)
@given(st.integers(1, 5000), st.integers(1, 5000))
def test_property_a_covering_size_is_legal_and_covers_what_the_limits_allow(width: int, height: int) -> None:
    found = covering_size(width, height)
    assert size_problem(*found) is None
    if (
        max(width, height) <= 3840
        and 16 * 16 < width * height <= 8_000_000
        and max(width, height) <= 3 * min(width, height)
    ):
        assert found[0] >= width
        assert found[1] >= height


@pytest.mark.parametrize(
    "text, size", [("300KB", 300_000), ("1.5 MB", 1_500_000), ("2KiB", 2048), ("900", 900)]
)
def test_a_weight_is_said_in_kb_of_a_thousand_bytes(text: str, size: int) -> None:
    assert parse_weight(text) == size


@pytest.mark.parametrize("text", ["300", "0", "0.2KB", "KB", "-5KB"])
def test_a_weight_that_no_picture_has_is_refused_before_anything_is_paid(text: str, desk: Desk) -> None:
    error = desk.run("generate", "a cat", f"--under={text}", "-o", "cat.jpg").error
    assert "weight" in error and "as 300KB" in error
