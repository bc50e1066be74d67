from __future__ import annotations

import numpy as np
import pytest
from canvases import Desk, Subject, photo, subject
from PIL import Image

from gpt_image2.pictures.cutouts.keying import colour_difference
from gpt_image2.pictures.grounds import KEYS

GREEN, BLACK, WHITE = (0, 255, 0), (0, 0, 0), (255, 255, 255)


@pytest.fixture(scope="module")
def truth() -> Subject:
    return subject()


def shifted(pixels: np.ndarray, right: float, down: float) -> np.ndarray:
    image, ground = Image.fromarray(pixels), tuple(int(level) for level in pixels[0, 0])
    place = (1, 0, -right, 0, 1, -down)
    return np.asarray(
        image.transform(image.size, Image.Transform.AFFINE, place, Image.Resampling.BICUBIC, fillcolor=ground)
    )


def keyed_by_distance(pixels: np.ndarray, key: tuple[int, int, int]) -> np.ndarray:
    """What other tools do: the distance to the key, smoothed; nothing is unmixed."""
    away = np.clip((np.sqrt(((pixels.astype(float) - key) ** 2).sum(axis=2)) - 30) / 90, 0, 1)
    alpha = away * away * (3 - 2 * away)
    return np.dstack([pixels, np.rint(alpha * 255).astype(np.uint8)])


def cut(desk: Desk, *words: object) -> np.ndarray:
    desk.ok("cutout", "one.png", *words, "-o", "cut.png")
    return desk.pixels("cut.png")


def on_each_key(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        name, [ground.rgb for ground in KEYS], ids=[ground.name for ground in KEYS]
    )


def test_the_table_of_errors_is_within_its_targets(desk: Desk, truth: Subject) -> None:
    rows: dict[str, np.ndarray] = {}
    for name, key in (("", GREEN), (", magenta", (255, 0, 255)), (", blue", (0, 0, 255)), (", white", WHITE)):
        desk.save("one.png", truth.on(key))
        rows[f"distance to the key{name}"] = keyed_by_distance(truth.on(key), key)
        rows[f"cutout by key{name}"] = cut(desk)
    desk.save("one.png", truth.on(BLACK, seed=1))
    for name, right, down in (("aligned", 0, 0), ("shifted by 1 px", 1, 0), ("shifted by 2 and 3 px", 2, -3)):
        desk.save("two.png", shifted(truth.on(WHITE, seed=2), right, down))
        rows[f"cutout by pair, {name}"] = cut(desk, "--pair", "two.png")
    errors = {
        name: (truth.alpha_error(rgba[..., 3]), truth.colour_error(rgba)) for name, rgba in rows.items()
    }
    print("\n| method | alpha | colour |\n|---|--:|--:|")
    for name, (alpha, colour) in errors.items():
        print(f"| {name} | {alpha:.1f} | {colour:.1f} |")
    assert errors["cutout by key"][0] <= 7
    assert errors["cutout by key, magenta"][0] <= 6
    assert errors["cutout by key, blue"][0] <= 13
    for name in ("", ", magenta", ", blue"):
        assert rows[f"cutout by key{name}"][..., 3][truth.alpha == 1].mean() > 254.5, (
            "what is opaque stays so"
        )
    assert errors["cutout by key"][0] < errors["distance to the key"][0] / 2
    assert errors["cutout by key"][1] < errors["distance to the key"][1] / 2
    assert all(alpha <= 2 for name, (alpha, _) in errors.items() if "pair" in name)


@on_each_key("key")
def test_soft_parts_of_any_colour_are_nearer_to_the_truth_than_by_the_colour_difference_alone(
    desk: Desk, key: tuple[int, int, int]
) -> None:
    strong = np.array(key) > 0
    colours = [
        colour
        for colour in np.random.default_rng(5).uniform(0, 255, (200, 3))
        if colour[strong].min() <= colour[~strong].max()  # nothing in it is of the key
    ][:30]
    band = np.zeros((24, 240))
    band[6:18] = np.clip(np.linspace(-0.2, 0.9, 240), 0, 1)
    veils = Subject(np.repeat(colours, 24, axis=0)[:, None] * np.ones((1, 240, 1)), np.tile(band, (30, 1)))
    picture = veils.on(key)
    desk.save("one.png", picture)
    plain = np.clip(1 - colour_difference(picture, np.array(key, np.float32)), 0, 1) * 255
    assert veils.alpha_error(cut(desk)[..., 3]) < veils.alpha_error(plain) * 0.8


def opposite(key: tuple[int, int, int]) -> np.ndarray:
    return np.where(np.array(key) > 0, 40, 255).astype(float)


def away_from_the_middle(size: int) -> np.ndarray:
    ys, xs = np.mgrid[0:size, 0:size] + 0.5
    return np.hypot(xs - size / 2, ys - size / 2)


@on_each_key("key")
def test_a_glow_of_the_keys_opposite_fades_all_the_way_around_something_opaque(
    desk: Desk, key: tuple[int, int, int]
) -> None:
    away = away_from_the_middle(240)
    glow, ball = np.clip(1.5 - away / 100, 0, 1) ** 1.5 * 0.8, np.clip(50.5 - away, 0, 1)
    alpha = ball + glow * (1 - ball)
    inside = photo(240, 240, seed=2) * 0.4 + np.array((70, 60, 65))
    share = (ball / np.maximum(alpha, 1e-6))[..., None]
    lamp = Subject(inside * share + opposite(key) * (1 - share), alpha)
    desk.save("one.png", lamp.on(key))
    out = cut(desk)
    assert lamp.alpha_error(out[..., 3]) <= 18
    assert out[..., 3][alpha == 1].mean() > 254


@on_each_key("key")
def test_fine_grey_hair_is_as_opaque_as_it_is(desk: Desk, key: tuple[int, int, int]) -> None:
    ys, xs = np.mgrid[0:240, 0:240] + 0.5
    alpha = np.zeros((240, 240))
    for turn in np.linspace(0.1, 3.0, 16):
        along, off = (
            (xs - 120) * np.cos(turn) - ys * np.sin(turn),
            (xs - 120) * np.sin(turn) + ys * np.cos(turn),
        )
        np.maximum(alpha, np.clip(1.3 - np.abs(off), 0, 1) * (np.abs(along) > 60) * (ys < 200), out=alpha)
    hair = Subject(np.full((240, 240, 3), 125.0), alpha)
    desk.save("one.png", hair.on(key))
    assert hair.alpha_error(cut(desk, "--holes", "keep")[..., 3]) <= 12


@on_each_key("key")
def test_something_grey_stays_opaque_beside_small_parts_of_the_keys_opposite(
    desk: Desk, key: tuple[int, int, int]
) -> None:
    alpha = np.clip((70 - away_from_the_middle(240)) / 12 + 0.5, 0, 1)
    rgb = photo(240, 240, seed=3) * 0.2 + np.array((100, 100, 100))
    for x in (20, 90, 120, 150):
        part = np.hypot(*(np.mgrid[0:240, 0:240] - np.array((110, x))[:, None, None])) < 8
        rgb[part], alpha[part] = opposite(key), 1
    robot = Subject(rgb, alpha)
    desk.save("one.png", robot.on(key))
    out = cut(desk)
    assert out[..., 3][alpha == 1].mean() > 254.5
    assert robot.alpha_error(out[..., 3]) <= 12, "its edge is as soft as it was"


@pytest.mark.parametrize("right, down", [(0.5, 0), (0.3, -0.7), (-7, 6)])
def test_a_shifted_pair_is_aligned_to_parts_of_a_pixel(
    desk: Desk, truth: Subject, right: float, down: float
) -> None:
    desk.save("one.png", truth.on(WHITE, seed=1))
    desk.save("two.png", shifted(truth.on(BLACK, seed=2), right, down))
    told = desk.ok("cutout", "one.png", "--pair", "two.png", "-o", "cut.png")
    assert told["shift_px"] == pytest.approx([right, down], abs=0.15)
    assert truth.alpha_error(desk.pixels("cut.png")[..., 3]) < 3


def not_fitting(truth: Subject) -> dict[str, tuple[np.ndarray, str]]:
    white = truth.on(WHITE, seed=2)
    ys, xs = np.mgrid[0:400, 0:400]
    bent = white[ys, np.clip(xs + np.rint(3 * np.sin(ys / 20)).astype(int), 0, 399)]
    anew = white.copy()
    anew[180:260, 130:220] = white[180:260, 124:214]
    return {
        "drawn anew": (bent, "do not fit"),
        "drawn anew in part": (anew, "a part of the two pictures does not fit"),
        "mirrored": (white[:, ::-1], "do not fit"),
        "shifted too far": (shifted(white, 14, 0), "do not fit"),
        "the same background": (truth.on(BLACK, seed=5), "have the same background"),
        "another size": (white[:200], "two sizes"),
        "no flat background": (np.random.default_rng(1).integers(0, 256, white.shape, np.uint8), "no flat"),
    }


@pytest.mark.parametrize("case", not_fitting(subject()))
def test_a_pair_that_does_not_fit_is_refused_and_never_delivered(
    desk: Desk, truth: Subject, case: str
) -> None:
    second, said = not_fitting(truth)[case]
    desk.save("one.png", truth.on(BLACK, seed=1))
    desk.save("two.png", second)
    assert said in desk.run("cutout", "one.png", "--pair", "two.png", "-o", "cut.png").error
    assert not desk.path("cut.png").exists()


def test_a_part_of_the_keys_colour_is_filled_and_a_real_hole_stays(desk: Desk) -> None:
    rgb = np.full((200, 200, 3), (180, 90, 60), np.float64)
    alpha = np.zeros((200, 200))
    alpha[40:160, 40:160] = 1
    rgb[60:80, 60:80] = (40, 190, 60)
    alpha[100:130, 100:130] = 0
    desk.save("one.png", Subject(rgb, alpha).on(GREEN))
    out = cut(desk)
    assert (out[60:80, 60:80, 3] == 255).all()
    assert (out[105:125, 105:125, 3] == 0).all()
    assert (cut(desk, "--holes", "fill")[105:125, 105:125, 3] == 255).all()
    assert (cut(desk, "--holes", "keep")[65:75, 65:75, 3] < 160).all()


def test_clear_pixels_have_no_colour_left_in_png_and_webp(desk: Desk, truth: Subject) -> None:
    desk.save("one.png", truth.on(GREEN))
    for name in ("cut.png", "cut.webp"):
        desk.ok("cutout", "one.png", "-o", name)
        with Image.open(desk.path(name)) as image:
            pixels = np.asarray(image.convert("RGBA"))
        assert (pixels[pixels[..., 3] == 0][:, :3] == 0).all()
        assert ((pixels[..., 3] == 0) == (desk.pixels("cut.png")[..., 3] == 0)).all()


def test_soft_pixels_have_nothing_of_the_key(desk: Desk, truth: Subject) -> None:
    desk.save("one.png", truth.on(GREEN))
    out = cut(desk).astype(int)
    soft = (out[..., 3] > 40) & (out[..., 3] < 215)
    spill = out[..., 1] - np.maximum(out[..., 0], out[..., 2])
    assert np.percentile(spill[soft], 99) <= 20


@pytest.mark.parametrize("key", [(0, 255, 0), (255, 0, 255), (0, 80, 255), (12, 235, 30)])
def test_the_key_is_sampled_from_the_border(desk: Desk, truth: Subject, key: tuple[int, int, int]) -> None:
    picture = truth.on(key)
    picture[:3, 100:250] = (120, 60, 30)  # the subject may touch the border
    desk.save("one.png", picture)
    found = desk.ok("cutout", "one.png", "-o", "cut.png")["key"]
    levels = [int(found[at : at + 2], 16) for at in (1, 3, 5)]
    assert levels == pytest.approx(key, abs=2)


def test_a_white_background_is_cut_too_with_a_word_about_its_soft_parts(desk: Desk) -> None:
    rgb, alpha = np.full((100, 100, 3), (200, 40, 40), np.float64), np.zeros((100, 100))
    alpha[20:80, 20:80] = 1
    desk.save("one.png", Subject(rgb, alpha).on(WHITE))
    told = desk.ok("cutout", "one.png", "-o", "cut.png")
    assert np.array_equal(desk.pixels("cut.png")[..., 3] > 128, alpha > 0.5)
    assert any("soft parts are guessed" in note for note in told["notes"])


@pytest.mark.parametrize("ground", [WHITE, BLACK])
@pytest.mark.parametrize("tone", [(90, 50, 70), (20, 10, 10), (120, 120, 120)])
def test_the_edges_of_something_opaque_have_no_halo_on_white_or_black(
    desk: Desk, ground: tuple[int, int, int], tone: tuple[int, int, int]
) -> None:
    ys, xs = np.mgrid[0:200, 0:200] + 0.5
    disc = np.clip(70 - np.hypot(xs - 100, ys - 100) + 0.5, 0, 1)
    ball = Subject(photo(200, 200, seed=2) * 0.5 + np.array(tone), disc)
    desk.save("one.png", ball.on(ground))
    out = cut(desk)
    assert ball.alpha_error(out[..., 3]) <= 8
    assert ball.colour_error(out) <= 8


def test_the_json_tells_what_the_check_of_a_cut_out_found(desk: Desk, truth: Subject) -> None:
    desk.save("one.png", truth.on(GREEN))
    told = desk.ok("cutout", "one.png", "-o", "cut.png")
    assert told["method"] == "key"
    assert {check["name"]: check["ok"] for check in told["checks"]} == {
        "transparency": True,
        "border": True,
        "checkerboard": True,
    }


WRONG = {
    "no flat background": ([], "the background is not flat"),
    "another key than there is": (["--key", "#ff00ff"], "of the border has the colour #ff00ff"),
    "two methods": (["--key", "auto", "--pair", "one.png"], "two methods"),
    "a jpeg": (["-o", "cut.jpg"], "jpeg has no transparency"),
}


@pytest.mark.parametrize("words, said", WRONG.values(), ids=WRONG)
def test_what_cannot_be_cut_out_is_one_line(desk: Desk, words: list[str], said: str) -> None:
    desk.save("one.png", np.random.default_rng(1).integers(0, 256, (80, 80, 3), np.uint8))
    assert said in desk.run("cutout", "one.png", "-o", "cut.png", *words).error
    assert desk.names() == ["one.png"]


def test_what_is_transparent_already_or_all_background_is_refused(desk: Desk, truth: Subject) -> None:
    desk.save("one.png", np.dstack([truth.on(GREEN), np.rint(truth.alpha * 255).astype(np.uint8)]))
    assert "transparent already" in desk.run("cutout", "one.png", "-o", "cut.png").error
    desk.save("one.png", np.full((50, 50, 3), GREEN, np.uint8))
    assert "nothing is left" in desk.run("cutout", "one.png", "-o", "cut.png").error
