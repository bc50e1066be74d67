"""Judges a submission as the real API would: an `ImageRequest` or a refusal. Decodes input images."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from gpt_image2.core.api import models

from ..image_request import ImageRequest
from .errors import (
    USER_ERROR,
    Refused,
    invalid,
    missing_parameter,
    model_not_found,
    moderation_blocked,
    unknown_parameter,
)
from .submission import Submission, Upload

#: A prompt that holds this word is refused by moderation, so that anyone can rehearse it.
BLOCKED_WORD = "[blocked]"

_FIELDS = frozenset(
    [
        "model",
        "prompt",
        "n",
        "size",
        "quality",
        "output_format",
        "output_compression",
        "background",
        "moderation",
        "stream",
        "partial_images",
        "user",
        "safety_identifier",
        "input_fidelity",
    ]
)
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/webp")
_DEFAULT_SIZE = (1024, 1024)
_DEFAULT_QUALITY = "medium"
_UNDECODABLE = (
    UnidentifiedImageError,
    OSError,
    ValueError,
    SyntaxError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def validate(submission: Submission, request_id: str) -> ImageRequest:
    """The request that a submission asks for.

    Raises:
        Refused: with the answer of the real API.
    """
    if submission.problem is not None:
        raise submission.problem
    fields = _Fields(submission)
    fields.refuse_unknown()
    model = fields.text("model", required=True)
    if model not in models.KNOWN_MODELS:
        raise model_not_found(model)
    if fields.has("input_fidelity"):
        message = f"The model '{model}' does not support the 'input_fidelity' parameter."
        raise invalid("input_fidelity", "invalid_input_fidelity_model", message)
    prompt = _prompt(fields)
    stream = fields.boolean("stream")
    n = fields.integer("n", 1, models.MAX_N, default=1)
    partial_images = fields.integer("partial_images", 0, models.MAX_PARTIAL_IMAGES, default=0)
    if stream and n > 1:
        raise invalid("stream", "invalid_value", "Streaming is only supported with n=1.")
    quality = fields.choice("quality", models.QUALITIES, default="auto")
    output_format = fields.choice("output_format", models.OUTPUT_FORMATS, default="png")
    background = fields.choice("background", models.BACKGROUNDS, default="auto")
    fields.choice("moderation", models.MODERATIONS, default="auto")
    fields.text("user")
    fields.text("safety_identifier")
    compression = _compression(fields, output_format)
    if background == "transparent" and output_format == "jpeg":
        message = "Transparent background is not supported with output_format 'jpeg'. Use 'png' or 'webp'."
        raise invalid("background", "invalid_value", message)
    size = _size(fields)
    inputs = _Inputs.of(submission) if submission.endpoint == "edits" else _Inputs()
    if BLOCKED_WORD in prompt.lower():
        raise moderation_blocked("input", "violence", request_id)
    width, height = size or inputs.output_size or _DEFAULT_SIZE
    if background == "auto":
        background = "transparent" if inputs.has_alpha and output_format != "jpeg" else "opaque"
    return ImageRequest(
        endpoint=submission.endpoint,
        model=model,
        prompt=prompt,
        n=n,
        width=width,
        height=height,
        quality=_DEFAULT_QUALITY if quality == "auto" else quality,
        output_format=output_format,
        output_compression=compression,
        background=background,
        stream=stream,
        partial_images=partial_images,
        images=inputs.images,
        mask=inputs.mask,
        input_pixels=inputs.pixels,
    )


class _Fields:
    """The fields of a submission, read by type; a field that is null or absent has its default."""

    def __init__(self, submission: Submission) -> None:
        self._values = {name: value for name, value in submission.fields.items() if value is not None}
        self._textual = submission.textual
        self._file_fields = {"image", "image[]", "mask"} if submission.textual else set[str]()

    def refuse_unknown(self) -> None:
        for name in self._values:
            if name in self._file_fields:
                raise invalid(name, "invalid_type", f"Invalid type for '{name}': expected a file.")
            if name not in _FIELDS:
                raise unknown_parameter(name)

    def has(self, name: str) -> bool:
        return name in self._values

    def text(self, name: str, required: bool = False) -> str:
        value = self._values.get(name)
        if value is None:
            if required:
                raise missing_parameter(name)
            return ""
        if not isinstance(value, str):
            raise _wrong_type(name, "a string", value)
        return value

    def integer(self, name: str, low: int, high: int, default: int) -> int:
        value = self._values.get(name, default)
        if self._textual and isinstance(value, str):
            digits = value.strip().lstrip("-")
            value = int(value) if digits.isascii() and digits.isdigit() and len(digits) < 10 else value
        if not isinstance(value, int) or isinstance(value, bool):
            raise _wrong_type(name, "an integer", value)
        if value < low:
            message = f"integer below minimum value. Expected a value >= {low}, but got {value} instead."
            raise invalid(name, "integer_below_min_value", f"Invalid '{name}': {message}")
        if value > high:
            message = f"integer above maximum value. Expected a value <= {high}, but got {value} instead."
            raise invalid(name, "integer_above_max_value", f"Invalid '{name}': {message}")
        return value

    def boolean(self, name: str) -> bool:
        value = self._values.get(name, False)
        if self._textual and isinstance(value, str):
            value = {"true": True, "false": False}.get(value.lower(), value)
        if not isinstance(value, bool):
            raise _wrong_type(name, "a boolean", value)
        return value

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        value = self._values.get(name, default)
        if not isinstance(value, str):
            raise _wrong_type(name, "a string", value)
        if value not in choices:
            quoted = [f"'{choice}'" for choice in choices]
            supported = f"{', '.join(quoted[:-1])}, and {quoted[-1]}"
            raise invalid(
                name, "invalid_value", f"Invalid value: '{value}'. Supported values are: {supported}."
            )
        return value


def _prompt(fields: _Fields) -> str:
    prompt = fields.text("prompt", required=True)
    if not prompt.strip():
        message = "Invalid 'prompt': empty string. Expected a string with minimum length 1."
        raise invalid("prompt", "empty_string", message)
    if len(prompt) > models.MAX_PROMPT_CHARS:
        message = (
            "Invalid 'prompt': string too long. Expected a string with maximum length "
            f"{models.MAX_PROMPT_CHARS}, but got a string with length {len(prompt)} instead."
        )
        raise invalid("prompt", "string_above_max_length", message)
    return prompt


def _compression(fields: _Fields, output_format: str) -> int:
    compression = fields.integer("output_compression", 0, 100, default=100)
    if fields.has("output_compression") and output_format == "png" and compression != 100:
        message = "Compression less than 100 is not supported for PNG output format."
        raise invalid("output_compression", "invalid_png_output_compression", message)
    return compression


def _size(fields: _Fields) -> tuple[int, int] | None:
    """Width and height in pixels, or None for `auto`."""
    text = fields.text("size") if fields.has("size") else "auto"
    if text == "auto":
        return None
    size = models.parse_size(text)
    if size is None or text != f"{size[0]}x{size[1]}":
        message = f"Invalid size '{text}'. The size must be 'auto' or of the form 'WIDTHxHEIGHT'."
        raise invalid("size", "invalid_value", message)
    problem = models.size_problem(*size)
    if problem is not None:
        message = f"Invalid size '{text}'. {problem[0].upper()}{problem[1:]}."
        raise invalid("size", "invalid_value", message)
    return size


@dataclass(frozen=True)
class _Inputs:
    """The input images of an edit, all of them decodable."""

    images: tuple[bytes, ...] = ()
    mask: bytes | None = None
    pixels: tuple[int, ...] = ()
    has_alpha: bool = False
    first_size: tuple[int, int] | None = None

    @classmethod
    def of(cls, submission: Submission) -> _Inputs:
        name = "image" if submission.textual else "images"
        known = {"image", "image[]", "images", "mask"}
        for upload in submission.uploads:
            if upload.name not in known:
                raise unknown_parameter(upload.name)
        images = [upload for upload in submission.uploads if upload.name != "mask"]
        masks = [upload for upload in submission.uploads if upload.name == "mask"]
        if not images:
            raise missing_parameter(name)
        if len(images) > models.MAX_INPUT_IMAGES:
            message = (
                f"Invalid '{name}': array too long. Expected an array with maximum length "
                f"{models.MAX_INPUT_IMAGES}, but got an array with length {len(images)} instead."
            )
            raise invalid(name, "array_above_max_length", message)
        looks = [_look(upload, name, index) for index, upload in enumerate(images, 1)]
        if masks:
            _check_mask(masks[0], looks[0].size)
        return cls(
            images=tuple(upload.data for upload in images),
            mask=masks[0].data if masks else None,
            pixels=tuple(look.size[0] * look.size[1] for look in looks),
            has_alpha=looks[0].has_alpha,
            first_size=looks[0].size,
        )

    @property
    def output_size(self) -> tuple[int, int] | None:
        """What `auto` means: the size of the first image, unless that is more than the model can draw."""
        if self.first_size is None:
            return None
        width, height = self.first_size
        if max(width, height) > models.MAX_EDGE or width * height > models.MAX_PIXELS:
            return models.nearest_legal_size(width, height)
        return width, height


@dataclass(frozen=True)
class _Look:
    size: tuple[int, int]
    has_alpha: bool


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


def _decode(data: bytes) -> _Look | None:
    """Size and alpha of an image that can be decoded to its last row, or None."""
    try:
        image = Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP"))
        image.load()
    except _UNDECODABLE:
        return None
    return _Look(image.size, image.has_transparency_data)


def _wrong_type(name: str, expected: str, value: object) -> Refused:
    kinds = ((bool, "a boolean"), (int, "an integer"), (float, "a decimal number"), (str, "a string"))
    got = next((words for kind, words in kinds if isinstance(value, kind)), "an object or array")
    return invalid(
        name, "invalid_type", f"Invalid type for '{name}': expected {expected}, but got {got} instead."
    )
