"""What is on the pictures: theirs is the size, the format and the mask; outside of it nothing changes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from drawn import mask, photo
from PIL import Image, ImageChops
from sandbox_driving import Driver, as_file, opened

from gpt_image2.sandbox.drawing import fonts
from gpt_image2.sandbox.drawing.poster import poster


def _picture(response: Any) -> Image.Image:
    assert response.status_code == 200, response.text
    return opened(response.json()["data"][0]["b64_json"])


def _differing(one: Image.Image, other: Image.Image) -> tuple[int, int, int, int] | None:
    return ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getbbox()


def test_the_same_prompt_gives_the_same_picture(sandbox: Driver) -> None:
    one = poster("a quiet harbour", 0, (1024, 640), quality="medium")
    again = poster("a quiet harbour", 0, (1024, 640), quality="medium")
    assert one.tobytes() == again.tobytes()
    other = poster("a quiet harbour", 1, (1024, 640), quality="medium")
    assert one.tobytes() != other.tobytes()
    first, second = sandbox.generate().json(), sandbox.generate().json()
    assert first["data"] == second["data"]


@pytest.mark.parametrize("size", [(1024, 1024), (1376, 480), (480, 1376), (1536, 1024), (3840, 2160)])
@pytest.mark.parametrize("words", [1, 300])
def test_a_png_of_low_quality_is_the_poster_that_other_formats_show(
    sandbox: Driver, size: tuple[int, int], words: int
) -> None:
    prompt = f"{sandbox.prompt} " * words
    image = _picture(sandbox.generate(prompt=prompt, size="{}x{}".format(*size)))
    assert image.tobytes() == poster(prompt, 0, size, quality="low").tobytes()


def test_pictures_of_low_quality_differ_by_prompt_and_by_index(sandbox: Driver) -> None:
    prompts = [f"A lighthouse at night, number {number}" for number in range(4)]
    pictures = [_picture(sandbox.generate(prompt=prompt)).tobytes() for prompt in prompts]
    assert len(set(pictures)) == 4
    images = sandbox.generate(prompt=prompts[0], n=3).json()["data"]
    lands = [opened(image["b64_json"]).crop((0, 0, 1024, 512)).tobytes() for image in images]
    assert len(set(lands)) == 3


@pytest.mark.parametrize("output_format", ["png", "webp"])
def test_a_transparent_background_is_clear_at_the_corners(sandbox: Driver, output_format: str) -> None:
    image = _picture(sandbox.generate(background="transparent", output_format=output_format))
    assert image.mode == "RGBA"
    assert image.getpixel((0, 0))[3] == 0  # type: ignore[index]
    assert image.getpixel((512, 300))[3] == 255  # type: ignore[index]


def test_a_flat_colour_behind_the_picture_is_drawn_where_the_prompt_asks_for_it(sandbox: Driver) -> None:
    image = _picture(sandbox.generate(prompt="a fox on a solid green (#00ff00) background", quality="low"))
    assert {image.getpixel(place) for place in ((0, 0), (1023, 500), (500, 1023))} == {(0, 255, 0)}
    assert image.getpixel((512, 300)) != (0, 255, 0)


def test_an_edit_of_a_flat_background_swaps_it_where_one_sees_through_too(sandbox: Driver) -> None:
    white = _picture(sandbox.generate(prompt="a fox on a solid white (#ffffff) background"))
    files, prompt = (
        {"image": as_file(white)},
        "only the background changes: a solid black (#000000) background",
    )
    black = _picture(sandbox.edit(files, prompt=prompt))
    drifted = _picture(sandbox.edit(files, "drift", prompt=prompt))
    assert black.getpixel((0, 0)) == (0, 0, 0)
    card, disc = (300, 600), (737, 307)
    assert black.getpixel(card) == white.getpixel(card)
    through = [one - two for one, two in zip(white.getpixel(disc), black.getpixel(disc))]  # type: ignore[arg-type]
    assert through == pytest.approx([127] * 3, abs=2)
    assert _differing(drifted.crop((2, 2, 1024, 1024)), black.crop((0, 0, 1022, 1022))) is None


@pytest.mark.parametrize("endpoint", ["generate", "edit"])
def test_a_checkerboard_is_painted_where_a_fault_says_so(sandbox: Driver, endpoint: str) -> None:
    files = [{"image": as_file(photo(mode="RGBA"))}] if endpoint == "edit" else []
    image = _picture(getattr(sandbox, endpoint)(*files, "checkerboard", background="transparent"))
    assert image.mode == "RGB"
    if endpoint == "generate":
        counted = image.crop((0, 0, 1024, 10)).getcolors() or []
        assert {colour for _, colour in counted} == {(255, 255, 255), (204, 204, 204)}


def test_an_opaque_picture_has_no_alpha(sandbox: Driver) -> None:
    assert _picture(sandbox.generate(background="opaque")).mode == "RGB"


def test_compression_makes_a_file_smaller(sandbox: Driver) -> None:
    sizes = [
        len(sandbox.generate(output_format="jpeg", output_compression=level).json()["data"][0]["b64_json"])
        for level in (10, 90)
    ]
    assert sizes[0] < sizes[1]


@pytest.mark.parametrize(
    "prompt",
    [
        "一只猫在看报纸，水彩画风格",
        "🎉🦊❤️ party",
        "قطة صغيرة تجلس على النافذة",
        "word " * 6_400,
        "x" * 32_000,
        "line\nbreaks\tand \x00 control",
        "\U0010ffff\ud7ff",
    ],
)
def test_any_prompt_can_be_drawn(sandbox: Driver, prompt: str) -> None:
    assert _picture(sandbox.generate(prompt=prompt)).size == (1024, 1024)


def test_type_falls_back_to_a_box_for_what_no_font_has() -> None:
    text = "a\U0010ffff"
    assert fonts.legible(text) == "a□"


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (40, 300), (300, 40), (170, 170)])
def test_the_smallest_inputs_can_be_edited(sandbox: Driver, size: tuple[int, int]) -> None:
    assert _picture(sandbox.edit({"image": as_file(photo(size))})).size == size


def test_an_input_larger_than_the_model_draws_is_scaled_down(sandbox: Driver) -> None:
    response = sandbox.edit({"image": as_file(photo((5000, 2500)), "big.jpg")} | {}, output_format="jpeg")
    image = _picture(response)
    assert image.size == (3840, 1920)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_a_masked_edit_changes_the_hole_and_nothing_else(sandbox: Driver, mode: str) -> None:
    source, hole = photo((640, 480), mode), (200, 100, 439, 299)
    files = {"image": as_file(source), "mask": as_file(mask((640, 480), hole))}
    image = _picture(sandbox.edit(files, quality="medium"))
    assert _differing(image, source) == (200, 100, 440, 300)
    changed = ImageChops.difference(image.convert("RGB"), source.convert("RGB")).crop((200, 100, 440, 300))
    assert sum(any(pixel) for pixel in zip(*[iter(changed.tobytes())] * 3)) > 0.9 * 240 * 200


def test_a_mask_without_a_hole_changes_nothing(sandbox: Driver) -> None:
    source = photo()
    closed = Image.new("RGBA", source.size, (0, 0, 0, 255))
    image = _picture(sandbox.edit({"image": as_file(source), "mask": as_file(closed)}))
    assert _differing(image, source) is None


def test_an_edit_without_a_mask_changes_the_whole_and_keeps_what_is_on_it(sandbox: Driver) -> None:
    source = photo((640, 480))
    image = _picture(sandbox.edit({"image": as_file(source)}))
    assert _differing(image, source) == (0, 0, 640, 480)
    # The pattern is still there: light squares are still lighter than dark ones.
    grey, before = image.convert("L"), source.convert("L")
    lighter = before.getpixel((10, 10)) > before.getpixel((30, 10))  # type: ignore[operator]
    assert (grey.getpixel((10, 10)) > grey.getpixel((30, 10))) == lighter  # type: ignore[operator]


def test_further_inputs_can_be_seen(sandbox: Driver) -> None:
    one = _picture(sandbox.edit([("image", as_file(photo((640, 480))))]))
    two = _picture(sandbox.edit([("image[]", as_file(photo((640, 480))))] * 2))
    assert _differing(one.crop((400, 0, 640, 120)), two.crop((400, 0, 640, 120))) is not None


def test_a_resized_edit_scales_input_and_mask_alike(sandbox: Driver) -> None:
    source, hole = photo((512, 512)), (128, 128, 383, 383)
    files = {"image": as_file(source), "mask": as_file(mask((512, 512), hole))}
    image = _picture(sandbox.edit(files, size="1024x1024"))
    assert image.size == (1024, 1024)
    changed = _differing(image, source.resize((1024, 1024), Image.Resampling.BICUBIC))
    assert changed is not None
    assert all(abs(a - b) <= 8 for a, b in zip(changed, (256, 256, 768, 768)))


def test_an_input_with_alpha_keeps_it_and_one_asked_to_be_opaque_loses_it(sandbox: Driver) -> None:
    source = photo((320, 240), "RGBA")
    source.putpixel((0, 0), (0, 0, 0, 0))
    kept = sandbox.edit({"image": as_file(source)})
    assert json.loads(kept.text)["background"] == "transparent"
    assert _picture(kept).getpixel((0, 0))[3] == 0  # type: ignore[index]
    assert _picture(sandbox.edit({"image": as_file(source)}, background="opaque")).mode == "RGB"


def test_pictures_say_in_their_metadata_where_they_come_from(sandbox: Driver) -> None:
    assert "sandbox" in _picture(sandbox.generate()).info["Description"]
    assert b"sandbox" in _picture(sandbox.generate(output_format="jpeg")).info["comment"]
