"""Judges a submission as the real API would: an `ImageRequest` or a refusal."""

from __future__ import annotations

from collections.abc import Sequence

from gpt_image2.core.api import models, sizes

from ..image_request import ImageRequest
from .errors import (
    Refused,
    check_range,
    invalid,
    missing_parameter,
    model_not_found,
    moderation_blocked,
    unknown_parameter,
    unsupported_value,
    wrong_type,
)
from .input_images import InputImages
from .submission import Submission

#: A prompt that holds this word is refused by moderation, so that anyone can rehearse it.
BLOCKED_WORD = "[blocked]"

_TEXTS = ("model", "prompt", "size", "user", "safety_identifier", "input_fidelity")
_CHOICES = ("quality", "output_format", "background", "moderation")
_NUMBERS = ("n", "output_compression", "partial_images")
_FIELDS = frozenset((*_TEXTS, *_CHOICES, *_NUMBERS, "stream"))
_DEFAULT_SIZE = (1024, 1024)
_DEFAULT_QUALITY = "medium"


def validate(submission: Submission, request_id: str) -> ImageRequest:
    """The request that a submission asks for."""
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
    inputs = InputImages.of(submission) if submission.endpoint == "edits" else InputImages()
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
                raise wrong_type(name, "a file")
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
            raise _mistyped(name, "a string", value)
        return value

    def integer(self, name: str, low: int, high: int, default: int) -> int:
        value = self._values.get(name, default)
        if self._textual and isinstance(value, str):
            digits = value.strip().lstrip("-")
            value = int(value) if digits.isascii() and digits.isdigit() and len(digits) < 10 else value
        if not isinstance(value, int) or isinstance(value, bool):
            raise _mistyped(name, "an integer", value)
        check_range(name, value, low, high)
        return value

    def boolean(self, name: str) -> bool:
        value = self._values.get(name, False)
        if self._textual and isinstance(value, str):
            value = {"true": True, "false": False}.get(value.lower(), value)
        if not isinstance(value, bool):
            raise _mistyped(name, "a boolean", value)
        return value

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        value = self._values.get(name, default)
        if not isinstance(value, str):
            raise _mistyped(name, "a string", value)
        if value not in choices:
            raise unsupported_value(name, value, choices)
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
    size = sizes.parse_size(text)
    if size is None or text != f"{size[0]}x{size[1]}":
        message = f"Invalid size '{text}'. The size must be 'auto' or of the form 'WIDTHxHEIGHT'."
        raise invalid("size", "invalid_value", message)
    problem = sizes.size_problem(*size)
    if problem is not None:
        message = f"Invalid size '{text}'. {problem[0].upper()}{problem[1:]}."
        raise invalid("size", "invalid_value", message)
    return size


def _mistyped(name: str, expected: str, value: object) -> Refused:
    kinds = ((bool, "a boolean"), (int, "an integer"), (float, "a decimal number"), (str, "a string"))
    got = next((words for kind, words in kinds if isinstance(value, kind)), "an object or array")
    return wrong_type(name, f"{expected}, but got {got} instead")
