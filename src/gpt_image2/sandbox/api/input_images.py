"""Judges the input images of an edit and their mask as the real API would. Decodes them."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass

from PIL import Image, ImageOps, UnidentifiedImageError

from gpt_image2.core.api import models, sizes
from gpt_image2.core.api.ratios import nearest_legal_size

from .errors import USER_ERROR, Refused, invalid, missing_parameter, unknown_parameter
from .submission import Submission, Upload

_IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
_UNDECODABLE = (
    UnidentifiedImageError,
    OSError,
    ValueError,
    SyntaxError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


@dataclass(frozen=True)
class InputImages:
    """The input images of an edit, all of them decodable."""

    images: tuple[bytes, ...] = ()
    mask: bytes | None = None
    markup: bytes | None = None
    pixels: tuple[int, ...] = ()
    has_alpha: bool = False
    first_size: tuple[int, int] | None = None

    @classmethod
    def of(cls, submission: Submission) -> InputImages:
        name = "image" if submission.textual else "images"
        known = {"image", "image[]", "images", "mask", "markup"}
        for upload in submission.uploads:
            if upload.name not in known:
                raise unknown_parameter(upload.name)
        beside = {upload.name: upload for upload in submission.uploads if upload.name in ("mask", "markup")}
        images = [upload for upload in submission.uploads if upload.name not in beside]
        mask, markup = beside.get("mask"), beside.get("markup")
        if not images:
            raise missing_parameter(name)
        if len(images) > models.MAX_INPUT_IMAGES:
            message = (
                f"Invalid '{name}': array too long. Expected an array with maximum length "
                f"{models.MAX_INPUT_IMAGES}, but got an array with length {len(images)} instead."
            )
            raise invalid(name, "array_above_max_length", message)
        looks = [_look(upload, name, index) for index, upload in enumerate(images, 1)]
        if mask and markup:
            raise invalid("markup", "invalid_value", "'markup' cannot be combined with 'mask'.")
        if mask:
            _check_mask(mask, looks[0].shown_size)
        if markup:
            _check_markup(markup, looks[0].shown_size)
        return cls(
            images=tuple(upload.data for upload in images),
            mask=mask.data if mask else None,
            markup=markup.data if markup else None,
            pixels=tuple(look.size[0] * look.size[1] for look in looks),
            has_alpha=looks[0].has_alpha,
            first_size=looks[0].shown_size,
        )

    @property
    def output_size(self) -> tuple[int, int] | None:
        """What `auto` means: the size of the first image, unless that is more than the model can draw."""
        if self.first_size is None:
            return None
        width, height = self.first_size
        if max(width, height) > sizes.MAX_EDGE or width * height > sizes.MAX_PIXELS:
            return nearest_legal_size(width, height)
        return width, height


@dataclass(frozen=True)
class _Look:
    format: str | None
    size: tuple[int, int]
    shown_size: tuple[int, int]  # once its EXIF orientation is heeded
    has_alpha: bool
    is_opaque: bool


def _look(upload: Upload, name: str, index: int) -> _Look:
    if len(upload.data) >= models.MAX_INPUT_BYTES:
        limit_mb = models.MAX_INPUT_BYTES >> 20
        message = f"Invalid file '{name}': file too large. Image {index} must be less than {limit_mb} MB."
        raise invalid(name, "image_file_too_large", message)
    content_type = upload.content_type or "application/octet-stream"
    if content_type not in _IMAGE_TYPES:
        message = (
            f"Invalid file '{name}': unsupported mimetype ('{content_type}'). "
            "Supported file formats are 'image/jpeg', 'image/png', and 'image/webp'."
        )
        raise invalid(name, "unsupported_file_mimetype", message)
    look = _decode(upload.data)
    if look is None:
        message = f"Invalid image file or mode for image {index}, please check your image file."
        raise Refused(400, message, type=USER_ERROR, param=name, code="invalid_image_file")
    return look


def _check_mask(upload: Upload, size: tuple[int, int]) -> None:
    if len(upload.data) >= models.MAX_MASK_BYTES:
        limit_mb = models.MAX_MASK_BYTES >> 20
        message = (
            f"Invalid file 'mask': file too large. The mask must be a PNG file of less than {limit_mb} MB."
        )
        raise invalid("mask", "mask_file_too_large", message)
    look = _decode(upload.data)
    problem = None
    if look is None:
        problem = "the file is not an image"
    elif not look.has_alpha:
        problem = "mask image missing alpha channel"
    elif look.size != size:
        problem = "mask size does not match image size"
    if problem is not None:
        message = f"Invalid mask image format - {problem}."
        raise Refused(400, message, type=USER_ERROR, param="mask", code="invalid_mask_image_format")


def _check_markup(upload: Upload, size: tuple[int, int]) -> None:
    look = _decode(upload.data)
    problem = None
    if look is None or look.format != "PNG":
        problem = "the file is not a PNG image"
    elif look.is_opaque:
        problem = "markup image has no transparent pixels"
    elif look.size != size:
        problem = "markup size does not match image size"
    if problem is not None:
        message = f"Invalid markup image format - {problem}."
        raise Refused(400, message, type=USER_ERROR, param="markup", code="invalid_markup_image_format")


def _decode(data: bytes) -> _Look | None:
    """Size and alpha of an image that can be decoded to its last row, or None."""
    try:
        image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP"))
        image.load()
    except _UNDECODABLE:
        return None
    shown = ImageOps.exif_transpose(image)
    has_alpha = image.has_transparency_data
    is_opaque = not has_alpha or image.convert("RGBA").getchannel("A").getextrema()[0] == 255
    return _Look(image.format, image.size, shown.size, has_alpha, is_opaque)
