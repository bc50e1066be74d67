from __future__ import annotations

import numpy as np
import pytest
from canvases import photo
from PIL import Image

from gpt_image2.core.api.sizes import size_problem
from gpt_image2.core.base.errors import UsageError
from gpt_image2.pictures.extend import extended, margins_to, parse_margins
from gpt_image2.pictures.files import Picture


def picture(width: int = 1000, height: int = 800) -> Picture:
    image = Image.fromarray(photo(width, height))
    return Picture("a.png", image, "png", image.size, 1)


@pytest.mark.parametrize(
    "text", ["left=25%,right=25%", "left=100", "all=10%", "bottom=30%,left=33", "top=0.5", "right=17px"]
)
def test_the_picture_stays_where_it_was_on_a_legal_canvas_whose_rest_is_to_be_painted(text: str) -> None:
    source = picture()
    canvas = extended(source, parse_margins(text, source.size))
    assert size_problem(*canvas.image.size) is None
    left, top = canvas.place
    inside = np.s_[top : top + 800, left : left + 1000]
    assert np.array_equal(np.asarray(canvas.image)[inside], np.asarray(source.image))
    added = np.ones(canvas.area.shape, bool)
    added[inside] = False
    assert (canvas.area[added] == 255).all()
    assert 0.8 < (canvas.area[inside] == 0).mean() < 1, "but for a strip at the seam nothing of it is painted"


@pytest.mark.parametrize(
    "text, size", [("16:9", (1422, 800)), ("1:1", (1000, 1000)), ("1536x1024", (1536, 1024))]
)
def test_a_ratio_or_a_size_is_reached_by_equal_parts(text: str, size: tuple[int, int]) -> None:
    margins = margins_to(text, (1000, 800))
    assert (1000 + margins["left"] + margins["right"], 800 + margins["top"] + margins["bottom"]) == size
    assert abs(margins["left"] - margins["right"]) <= 1


@pytest.mark.parametrize("left", [200, 2400], ids=["as it is", "made smaller"])
def test_what_is_transparent_stays_so_on_the_canvas(left: int) -> None:
    pixels = np.dstack([photo(1600, 1400), np.full((1400, 1600), 255, np.uint8)])
    pixels[300:900, 400:1200, 3] = 0
    pixels[900:, 400:1200, 3] = 90
    image = Image.fromarray(pixels)
    canvas = extended(Picture("a.png", image, "png", image.size, 1), {"left": left})
    x, y = canvas.place
    scale = canvas.kept_size[0] / 1600
    alpha = np.asarray(canvas.image)[..., 3]
    found = [alpha[y + round(down * scale), x + round(800 * scale)] for down in (100, 600, 1100)]
    assert found == [255, 0, 90]
    assert (alpha[:, : x or 1] == 255).all()


@pytest.mark.parametrize("left", [300, 835, 1500, 3000])
def test_a_canvas_beyond_the_limits_is_made_smaller_as_a_whole(left: int) -> None:
    canvas = extended(picture(3000, 2162), {"left": left})
    assert size_problem(*canvas.image.size) is None
    width, height = canvas.kept_size
    assert width / height == pytest.approx(3000 / 2162, abs=0.01)
    assert canvas.image.width > 3700 or canvas.image.width * canvas.image.height > 7_000_000


@pytest.mark.parametrize("text", ["left", "up=5", "left=x", "left=0", "all=-5"])
def test_margins_that_cannot_be_are_refused(text: str) -> None:
    source = picture()
    with pytest.raises(UsageError):
        extended(source, parse_margins(text, source.size))


@pytest.mark.parametrize("text", ["0:1", "wide", "500x500", "16:"])
def test_a_goal_that_cannot_be_reached_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot be extended"):
        margins_to(text, (1000, 800))
