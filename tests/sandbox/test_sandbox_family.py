"""The sandbox knows each model of the family by its limits, and draws GIFs and SVGs."""

from __future__ import annotations

import base64
import io
from typing import Any
from xml.dom import minidom

import pytest
from drawn import mask, photo
from PIL import Image
from sandbox_driving import BEARER, Driver, as_data_url, as_file, error_of

FLARE = "gpt-image-2.6-flare"
GIF = {"model": FLARE, "output_format": "gif"}
SVG = {"model": FLARE, "output_format": "svg"}

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"output_format": "gif"}, "output_format", "Supported values are: 'png', 'jpeg', and 'webp'."),
    ({"quality": "max"}, "quality", "Invalid value: 'max'."),
    ({"complexity": "low"}, "complexity", "does not support the 'complexity' parameter"),
    ({"model": FLARE, "complexity": "huge"}, "complexity", "Invalid value: 'huge'."),
    ({**GIF, "frame_count": 1}, "frame_count", ">= 2"),
    ({**GIF, "frame_count": 17}, "frame_count", "<= 16"),
    ({**GIF, "frame_duration_ms": 655_351}, "frame_duration_ms", "<= 655350"),
    ({"model": FLARE, "frame_count": 4}, "frame_count", "output_format 'gif'"),
    ({**GIF, "size": "1024x1024"}, "size", "Invalid size '1024x1024'."),
    ({**GIF, "stream": True}, "stream", "output_format 'gif'"),
    ({**GIF, "partial_images": 1}, "partial_images", "output_format 'gif'"),
    ({**GIF, "output_compression": 100}, "output_compression", "output_format 'gif'"),
    ({**GIF, "background": "transparent"}, "background", "Use 'png' or 'webp'."),
    ({**SVG, "n": 2}, "n", "n=1"),
    ({**SVG, "stream": True}, "stream", "output_format 'svg'"),
    ({"model": FLARE, "svg": {"model": "m"}}, "svg", "output_format 'svg'"),
    ({**SVG, "svg": {}}, "svg.model", "Missing required parameter: 'svg.model'."),
    ({**SVG, "svg": "m"}, "svg", "expected an object"),
    ({**SVG, "svg": {"model": "m", "effort": "low"}}, "svg.effort", "Unknown parameter: 'svg.effort'."),
    ({**SVG, "svg": {"model": "m", "reasoning": {"effort": "huge"}}}, "svg.reasoning.effort", "'huge'"),
]


@pytest.mark.parametrize(("fields", "param", "words"), REFUSED)
def test_what_a_model_does_not_take_is_refused(
    sandbox: Driver, fields: dict[str, Any], param: str, words: str
) -> None:
    response = sandbox.generate(**fields)
    assert response.status_code == 400
    assert error_of(response)["param"] == param and words in error_of(response)["message"]


def drawn(response: Any) -> bytes:
    assert response.status_code == 200, response.text
    return base64.b64decode(response.json()["data"][0]["b64_json"])


@pytest.mark.parametrize(
    ("fields", "size", "frames", "shown_ms"),
    [
        ({}, (960, 960), 9, 200),
        ({"frame_count": 16, "frame_duration_ms": 44}, (720, 720), 16, 40),
        ({"size": "640x480", "frame_count": 3, "quality": "low"}, (640, 480), 3, 200),
    ],
)
def test_a_gif_has_its_frames_and_all_of_them_differ(
    sandbox: Driver, fields: dict[str, Any], size: tuple[int, int], frames: int, shown_ms: int
) -> None:
    image = Image.open(io.BytesIO(drawn(sandbox.generate(**{**GIF, **fields}))))
    assert (image.format, image.size, image.n_frames) == ("GIF", size, frames)
    pictures = set()
    for number in range(frames):
        image.seek(number)
        pictures.add(image.convert("RGB").tobytes())
        assert image.info["duration"] == shown_ms
    assert len(pictures) == frames


def test_an_svg_is_valid_draws_shapes_and_counts_its_author_apart(sandbox: Driver) -> None:
    response = sandbox.generate(**SVG, prompt="<script> & \x01\U0001f600", size="1536x1024")
    document = minidom.parseString(drawn(response))
    root = document.documentElement
    assert (root.tagName, root.getAttribute("width")) == ("svg", "1536")
    names = {element.tagName for element in document.getElementsByTagName("*")}
    assert {"polygon", "circle", "text"} <= names and not names & {"script", "image", "foreignObject"}
    usage = response.json()["svg_usage"]
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert usage["model"] and "svg_usage" not in sandbox.generate().json()


def test_a_form_has_the_inner_fields_in_brackets(sandbox: Driver) -> None:
    image = {"image": as_file(photo())}
    fields = {"svg[model]": "writer", "svg[reasoning][effort]": "low"}
    assert sandbox.edit(image, **SVG, **fields).json()["svg_usage"]["model"] == "writer"
    assert error_of(sandbox.edit(image, **SVG, **{"svg[effort]": "low"}))["param"] == "svg.effort"
    assert error_of(sandbox.edit(image, **SVG, **{"svg": "m", "svg[model]": "m"}))["param"] == "svg"


def markup(size: tuple[int, int] = (320, 240), opaque: bool = False) -> tuple[str, bytes, str]:
    image = Image.new("RGBA", size, (0, 0, 0, 255 if opaque else 0))
    image.paste((255, 0, 0, 255), (10, 10, 60, 60))
    return as_file(image, "markup.png")


def test_a_markup_guides_an_edit(sandbox: Driver) -> None:
    files = {"image": as_file(photo()), "markup": markup()}
    marked = drawn(sandbox.edit(files, model="gpt-image-2.5-flare"))
    plain = drawn(sandbox.edit({"image": as_file(photo())}, model="gpt-image-2.5-flare"))
    assert marked != plain


@pytest.mark.parametrize(
    ("files", "fields", "code"),
    [
        ({"markup": markup(opaque=True)}, {}, "invalid_markup_image_format"),
        ({"markup": markup((240, 320))}, {}, "invalid_markup_image_format"),
        ({"markup": as_file(photo(), "a.jpg")}, {}, "invalid_markup_image_format"),
        ({"markup": markup(), "mask": as_file(mask())}, {}, "invalid_value"),
        ({"markup": markup()}, {"model": "gpt-image-2"}, "invalid_markup_model"),
        ({"mask": as_file(mask())}, GIF, "invalid_value"),
    ],
)
def test_a_markup_or_mask_that_does_not_fit_is_refused(
    sandbox: Driver, files: dict[str, Any], fields: dict[str, Any], code: str
) -> None:
    response = sandbox.edit(
        {"image": as_file(photo()), **files}, **{"model": "gpt-image-2.5-flare", **fields}
    )
    assert (response.status_code, error_of(response)["code"]) == (400, code)


def test_a_json_body_has_no_markup(sandbox: Driver) -> None:
    picture = {"image_url": as_data_url(photo())}
    body = sandbox.body(model="gpt-image-2.5-flare", images=[picture], markup=picture)
    response = sandbox.http.post(f"{sandbox.base_url()}/images/edits", json=body, headers=BEARER)
    assert error_of(response)["code"] == "unknown_parameter"


def test_the_tokens_of_2_5_are_by_its_own_factors(sandbox: Driver) -> None:
    fields = {"model": "gpt-image-2.5-sunburst", "quality": "medium", "size": "1024x1024"}
    assert sandbox.generate(**fields).json()["usage"]["output_tokens"] == 439
