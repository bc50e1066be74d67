"""What core reads from an image's header is what Pillow finds by decoding it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from harness import Home
from PIL import Image, PngImagePlugin
from servers import Recorder, images

from gpt_image2.core.api.images import ImageInfo, is_whole_image, read_image_info

SIZES = [(1, 1), (2, 3), (640, 427), (1024, 1536), (3840, 2160)]


def exif() -> Image.Exif:
    data = Image.Exif()
    data[0x0112] = 6  # turned by 90 degrees
    data[0x010E] = "x" * 30_000
    return data


def text_chunks() -> PngImagePlugin.PngInfo:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "tRNS " * 1000)
    return info


#: name: (Pillow's mode, format, options, whether it has alpha)
KINDS: dict[str, tuple[str, str, dict[str, Any], bool]] = {
    "grey png": ("L", "png", {}, False),
    "grey and alpha png": ("LA", "png", {}, True),
    "16-bit png": ("I;16", "png", {}, False),
    "one-bit png": ("1", "png", {}, False),
    "rgb png": ("RGB", "png", {}, False),
    "rgb png with texts": ("RGB", "png", {"pnginfo": text_chunks()}, False),
    "rgb png with a transparent colour": ("RGB", "png", {"transparency": (0, 0, 0)}, True),
    "rgba png": ("RGBA", "png", {}, True),
    "palette png": ("P", "png", {}, False),
    "palette png with tRNS": ("P", "png", {"transparency": 0}, True),
    "palette png with tRNS after texts": ("P", "png", {"transparency": 0, "pnginfo": text_chunks()}, True),
    "baseline jpeg": ("RGB", "jpeg", {}, False),
    "progressive jpeg": ("RGB", "jpeg", {"progressive": True}, False),
    "jpeg with exif and profile": ("RGB", "jpeg", {"exif": exif(), "icc_profile": b"p" * 200_000}, False),
    "progressive jpeg with exif": ("RGB", "jpeg", {"progressive": True, "exif": exif()}, False),
    "grey jpeg": ("L", "jpeg", {}, False),
    "cmyk jpeg": ("CMYK", "jpeg", {}, False),
    "jpeg with restarts": ("RGB", "jpeg", {"restart_marker_blocks": 1}, False),
    "lossy webp": ("RGB", "webp", {}, False),
    "lossless webp": ("RGB", "webp", {"lossless": True}, False),
    "lossy webp with alpha": ("RGBA", "webp", {}, True),
    "lossless webp with alpha": ("RGBA", "webp", {"lossless": True}, True),
    "gif": ("P", "gif", {}, True),
    "webp with exif": ("RGB", "webp", {"exif": exif()}, False),
    "webp with alpha and exif": ("RGBA", "webp", {"exif": exif()}, True),
}


def encoded(mode: str, kind: str, size: tuple[int, int], options: dict[str, Any]) -> bytes:
    image = Image.new(mode, size)
    if mode == "RGBA":
        image.putalpha(Image.new("L", size, 100))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_type_dimensions_and_alpha_are_read_from_the_header(kind: str, size: tuple[int, int]) -> None:
    mode, image_format, options, has_alpha = KINDS[kind]
    data = encoded(mode, image_format, size, options)
    file = io.BytesIO(data)
    with Image.open(io.BytesIO(data)) as opened:
        info = read_image_info(file)
        assert info == ImageInfo(image_format, *opened.size, has_alpha, info.is_odd, info.has_exif)
        assert opened.size == size
    assert is_whole_image(file)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_without_its_last_byte_is_not_whole(kind: str) -> None:
    mode, image_format, options, _ = KINDS[kind]
    data = encoded(mode, image_format, (64, 48), options)
    assert not is_whole_image(io.BytesIO(data[:-1]))


@pytest.mark.parametrize("kind", KINDS)
def test_any_beginning_of_an_image_is_read_without_an_exception(kind: str) -> None:
    mode, image_format, options, _ = KINDS[kind]
    data = encoded(
        mode,
        image_format,
        (64, 48),
        {**options, **({"icc_profile": b"p" * 99} if "icc" in str(options) else {})},
    )
    for length in range(min(len(data), 400)):
        info = read_image_info(io.BytesIO(data[:length]))
        assert info is None or info.format == image_format


@pytest.mark.parametrize("kind", ["rgba png", "palette png with tRNS", "grey and alpha png"])
def test_every_png_with_transparency_may_be_a_mask(home: Home, recorder: Recorder, kind: str) -> None:
    mode, image_format, options, _ = KINDS[kind]
    # As the first image is seen, which its EXIF data turn.
    (home.cwd / "mask.png").write_bytes(encoded(mode, image_format, (48, 64), options))
    (home.cwd / "in.jpg").write_bytes(encoded("RGB", "jpeg", (64, 48), {"progressive": True, "exif": exif()}))
    run = home.run("edit", "in.jpg", "a hat", "--mask", "mask.png", base_url=recorder.base_url)
    assert run.code == 0, run.stderr


@pytest.mark.parametrize(
    "kind", ["progressive jpeg with exif", "lossless webp with alpha", "rgb png with texts"]
)
def test_an_image_that_arrives_is_saved_byte_by_byte_with_its_dimensions(
    home: Home, recorder: Recorder, kind: str
) -> None:
    mode, image_format, options, _ = KINDS[kind]
    data = encoded(mode, image_format, (1024, 768), options)
    recorder.answer = lambda request: images(data)
    run = home.run(
        "generate", "a cat", "--format", image_format, "-o", "cat", "--json", base_url=recorder.base_url
    )
    (image,) = run.json["images"]
    assert (image["format"], image["width"], image["height"]) == (image_format, 1024, 768)
    assert (home.cwd / "cat").read_bytes() == data
