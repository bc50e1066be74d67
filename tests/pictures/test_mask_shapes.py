from __future__ import annotations

import json

import numpy as np
import pytest
from canvases import Desk, edited_area, photo
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from gpt_image2.core.base.errors import UsageError
from gpt_image2.pictures import make_mask, open_picture
from gpt_image2.pictures.shapes import parse_box, parse_plan, plan_of

W, H = 320, 240


@pytest.fixture
def photo_desk(desk: Desk) -> Desk:
    desk.save("photo.png", photo(W, H))
    return desk


def area(desk: Desk, *words: object) -> np.ndarray:
    """What the mask of these shapes edits."""
    desk.ok("mask", "photo.png", *words, "-o", "mask.png")
    return edited_area(desk.pixels("mask.png"))


def box(left: int, top: int, width: int, height: int) -> np.ndarray:
    there = np.zeros((H, W), bool)
    there[max(0, top) : max(0, top + height), max(0, left) : max(0, left + width)] = True
    return there


@pytest.mark.parametrize(
    "words", ["80,60,160,120", "25%,25%,50%,50%", "0.25,0.25,0.5,.5", "80px,25%,0.5,120"]
)
def test_a_rectangle_is_said_in_pixels_percent_or_fractions(photo_desk: Desk, words: str) -> None:
    assert np.array_equal(area(photo_desk, "--rect", words), box(80, 60, 160, 120))


def test_zero_and_one_beside_a_fraction_are_fractions_and_alone_they_are_pixels(photo_desk: Desk) -> None:
    assert np.array_equal(area(photo_desk, "--rect", "0,0,0.5,1"), box(0, 0, 160, 240))
    assert np.array_equal(area(photo_desk, "--rect", "0,0,1,1"), box(0, 0, 1, 1))


def test_an_ellipse_fills_its_box_as_pillow_and_geometry_have_it(photo_desk: Desk) -> None:
    found = area(photo_desk, "--ellipse", "40,20,200,150")
    ys, xs = np.mgrid[0:H, 0:W] + 0.5
    assert np.array_equal(found, ((xs - 140) / 100) ** 2 + ((ys - 95) / 75) ** 2 <= 1)
    assert found.any(axis=0).sum() == 200
    assert found.any(axis=1).sum() == 150


@pytest.mark.parametrize("corners", [["10,10", "300,30", "150,220"], ["10,10 300,30 150,220"]])
def test_a_polygon_is_what_its_edges_enclose(photo_desk: Desk, corners: list[str]) -> None:
    found = area(photo_desk, "--polygon", *corners)
    large = Image.new("L", (W * 8, H * 8))
    ImageDraw.Draw(large).polygon([(80, 80), (2400, 240), (1200, 1760)], fill=255)
    truth = np.asarray(large.resize((W, H), Image.Resampling.BOX))
    assert found[truth == 255].all()
    assert not found[truth == 0].any()
    assert found.sum() == pytest.approx(truth.sum() / 255, rel=0.002)


def test_a_polygon_that_crosses_itself_has_its_middle_free(photo_desk: Desk) -> None:
    star = ["160,20", "220,220", "60,90", "260,90", "100,220"]
    found = area(photo_desk, "--polygon", *star)
    assert found[40, 160]
    assert not found[120, 160]


def test_shapes_are_combined_in_their_order(photo_desk: Desk) -> None:
    found = area(
        photo_desk,
        *("--rect", "0,0,200,200", "--subtract", "--rect", "50,50,50,50", "--rect", "60,60,10,10"),
        *("--intersect", "--rect", "0,0,300,150"),
    )
    assert np.array_equal(found, box(0, 0, 200, 150) & ~box(50, 50, 50, 50) | box(60, 60, 10, 10))


def test_what_is_subtracted_first_leaves_everything_else(photo_desk: Desk) -> None:
    assert np.array_equal(area(photo_desk, "--subtract", "--rect", "0,0,50,50"), ~box(0, 0, 50, 50))
    assert np.array_equal(area(photo_desk, "--rect", "0,0,50,50", "--invert"), ~box(0, 0, 50, 50))


def test_growing_is_by_a_disc_and_shrinking_its_opposite(photo_desk: Desk) -> None:
    ys, xs = np.mgrid[0:H, 0:W]
    across = np.maximum(np.maximum(100 - xs, xs - 139), 0)
    down = np.maximum(np.maximum(80 - ys, ys - 109), 0)
    assert np.array_equal(
        area(photo_desk, "--rect", "100,80,40,30", "--grow", "12"), across**2 + down**2 <= 144
    )
    assert np.array_equal(area(photo_desk, "--rect", "100,80,40,30", "--grow=-5px"), box(105, 85, 30, 20))
    assert np.array_equal(area(photo_desk, "--rect", "100,80,40,30", "--grow", "5%").any(axis=0).sum(), 64)


def test_a_mask_at_the_edge_of_the_picture_is_not_shrunk_there(photo_desk: Desk) -> None:
    assert np.array_equal(area(photo_desk, "--rect", "0,0,50,240", "--grow=-10"), box(0, 0, 40, 240))


def test_a_feather_is_a_ramp_of_its_width_about_the_edge(photo_desk: Desk) -> None:
    photo_desk.ok("mask", "photo.png", "--rect", "100,0,100,240", "--feather", "20", "-o", "mask.png")
    edit = 255 - photo_desk.pixels("mask.png")[..., 3].astype(int)
    row = edit[120]
    assert not row[:90].any()
    assert (row[110:190] == 255).all()
    assert (np.diff(row[85:115]) >= 0).all()
    assert abs(int(row[99]) + int(row[100]) - 255) <= 2
    assert 14 <= ((row[80:120] > 0) & (row[80:120] < 255)).sum() <= 20


def test_a_colour_is_found_within_its_tolerance(desk: Desk) -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:, :20] = (10, 200, 30)
    picture[:, 20:40] = (10, 180, 30)
    desk.save("photo.png", picture)
    assert np.array_equal(area(desk, "--color", "#0ac81e", "--tolerance", "5")[0], np.arange(60) < 20)
    assert np.array_equal(area(desk, "--color", "rgb(10,200,30)", "--tolerance", "20")[0], np.arange(60) < 40)


def test_the_difference_of_two_pictures_is_a_mask(photo_desk: Desk) -> None:
    other = photo_desk.pixels("photo.png").copy()
    other[30:60, 40:90] ^= 128
    photo_desk.save("other.png", other)
    assert np.array_equal(area(photo_desk, "--difference", "other.png"), box(40, 30, 50, 30))


def test_the_json_names_the_share_and_the_shapes_which_make_the_same_mask_again(photo_desk: Desk) -> None:
    words = ["--rect", "10%,10%,0.5,50", "--subtract", "--polygon", "0,0", "99,0", "0,99", "--grow", "3"]
    told = photo_desk.ok("mask", "photo.png", *words, "--feather", "2%", "-o", "one.png")
    edit = 1 - photo_desk.pixels("one.png")[..., 3] / 255
    assert told["share"] == pytest.approx(edit.mean(), abs=1e-4)
    assert (told["width"], told["height"]) == (W, H)
    photo_desk.ok("mask", "photo.png", "--shapes", json.dumps(told["mask"]), "-o", "two.png")
    photo_desk.path("shapes.json").write_text(json.dumps(told["mask"]), "utf-8")
    photo_desk.ok("mask", "photo.png", "--shapes", "shapes.json", "-o", "three.png")
    assert (
        photo_desk.path("one.png").read_bytes()
        == photo_desk.path("two.png").read_bytes()
        == photo_desk.path("three.png").read_bytes()
    )


LENGTHS = st.one_of(
    st.integers(-500, 500).map(str),
    st.integers(-500, 500).map(lambda number: f"{number}px"),
    st.floats(-150, 150, allow_nan=False).map(lambda number: f"{number:.3f}%"),
    st.floats(0, 1).map(lambda number: f"{number:.4f}"),
)


@given(st.lists(st.lists(LENGTHS, min_size=2, max_size=2), min_size=3, max_size=8))
def test_property_the_json_form_of_any_polygon_comes_back_the_same(corners: list[list[str]]) -> None:
    plan = plan_of({"shapes": [{"polygon": corners, "op": "intersect"}], "grow": "3%"})
    assert parse_plan(json.dumps(plan.as_json())) == plan


def test_a_plan_that_nests_without_end_is_no_json() -> None:
    with pytest.raises(UsageError, match="no JSON"):
        parse_plan("[" * 200_000)


def test_a_shape_that_reaches_beyond_the_picture_is_cut_there_and_that_is_said(photo_desk: Desk) -> None:
    done = photo_desk.run("mask", "photo.png", "--rect=-20,-20,60,60", "-o", "mask.png")
    assert "rect -20px,-20px,60px,60px reaches beyond the picture" in done.stderr
    assert np.array_equal(edited_area(photo_desk.pixels("mask.png")), box(0, 0, 40, 40))


def test_a_picture_larger_than_what_is_sent_gets_a_mask_of_the_size_that_is_sent(desk: Desk) -> None:
    desk.save("photo.png", np.zeros((600, 5000, 3), np.uint8))
    told = desk.ok("mask", "photo.png", "--rect", "0,0,50%,50%", "-o", "mask.png")
    assert (told["width"], told["height"]) == (3840, 460)
    assert told["share"] == pytest.approx(0.25, abs=0.002)


def test_a_mask_that_is_too_intricate_is_made_coarser_until_it_is_under_4_mb(desk: Desk) -> None:
    rng = np.random.default_rng(3)
    noise = rng.integers(0, 256, (1800, 2600), dtype=np.uint8)
    desk.save("photo.png", Image.new("RGB", (2600, 1800)))
    desk.save("noise.png", noise, compress_level=1)
    told = desk.ok("mask", "photo.png", "--from", "noise.png", "--read-as", "white", "-o", "mask.png")
    assert desk.path("mask.png").stat().st_size < 4 * 1024 * 1024
    assert any("to stay under 4 MB" in note for note in told["notes"])


WRONG = {
    "outside": (["--rect", "400,0,10,10"], "lies outside the picture, which is seen as 320x240"),
    "too small to hold a pixel": (["--ellipse", "10.1px,10.1px,0.2px,0.2px"], "lies outside"),
    "no area": (["--rect", "0,0,0,10"], "has no area"),
    "too few numbers": (["--rect", "0,0,5"], "needs X,Y,W,H"),
    "no numbers": (["--rect", "a,b,c,d"], "is not understood"),
    "no finite number": (["--rect", "0,0,1e999,nan"], "is not understood"),
    "two corners": (["--polygon", "0,0", "5,5"], "needs three corners"),
    "no shape": ([], "the mask has no shape"),
    "nothing behind --subtract": (["--rect", "0,0,5,5", "--subtract"], "--subtract is followed by no shape"),
    "empty": (["--rect", "0,0,9,9", "--subtract", "--rect", "0,0,20,20"], "the mask is empty"),
    "shrunk to nothing": (["--rect", "0,0,9,9", "--grow=-50"], "the mask is empty after growing it by -50px"),
    "full": (["--rect", "0,0,100%,100%"], "the mask is full"),
    "grown to all": (["--rect", "10,10,300,220", "--grow", "90%"], "the mask is full after growing"),
    "feathered away": (["--rect", "10,10,4,4", "--feather", "80"], "no pixel left that is edited wholly"),
    "a negative feather": (["--rect", "10,10,4,4", "--feather=-2"], "is negative"),
    "no colour": (["--color", "greenish"], "is no colour"),
    "a colour that is not there": (["--color", "#ff00ff", "--tolerance", "0"], "is nowhere in the picture"),
    "a tolerance beyond": (["--color", "#ff00ff", "--tolerance", "300"], "is not from 0 to 255"),
    "no JSON": (["--shapes", "{"], "it is no JSON"),
    "JSON without shapes": (["--shapes", "{}"], "it has no shapes"),
    "JSON with a field of its own": (["--shapes", '[{"rect": [0, 0, 9, 9], "mode": 1}]'], "a field 'mode'"),
    "an extension for photos": (["--rect", "0,0,5,5", "-o", "mask.jpg"], "a mask must be png"),
    "the input as output": (["--rect", "0,0,5,5", "-o", "photo.png"], "is an input as well"),
    "the overlay on the mask": (["--rect", "0,0,5,5", "--overlay", "./mask.png"], "is an input as well"),
}


@pytest.mark.parametrize("words, said", WRONG.values(), ids=WRONG)
def test_a_mask_that_cannot_be_is_one_line_and_no_file(photo_desk: Desk, words: list[str], said: str) -> None:
    before = photo_desk.path("photo.png").read_bytes()
    assert said in photo_desk.run("mask", "photo.png", "-o", "mask.png", *words).error
    assert photo_desk.names() == ["photo.png"]
    assert photo_desk.path("photo.png").read_bytes() == before


def test_the_library_gives_the_same_as_frozen_results(photo_desk: Desk) -> None:
    picture = open_picture(str(photo_desk.path("photo.png")))
    mask = make_mask(picture, plan_of([parse_box("0,0,50%,100%", "rect").as_json()]))
    assert mask.share == 0.5
    with pytest.raises(AttributeError):
        mask.area = np.zeros(0)  # type: ignore[misc]
    with pytest.raises(UsageError, match="no shapes"):
        plan_of({"shapes": []})
