"""Judges a submission as the real API would: an `ImageRequest` or a refusal."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from gpt_image2.core.api import models, sizes
from gpt_image2.core.api.gif_svg import fitting_frame, frame_problem

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
_CHOICES = ("quality", "complexity", "output_format", "background", "moderation")
_NUMBERS = ("n", "output_compression", "partial_images", "frame_count", "frame_duration_ms")
_FIELDS = frozenset((*_TEXTS, *_CHOICES, *_NUMBERS, "stream", "svg"))
_DEFAULT_SIZE = (1024, 1024)
_SEE_THROUGH = ("png", "webp")
#: Who writes the SVGs of a project that may not choose, in this sandbox.
_SVG_AUTHOR = "sandbox-svg-author"
_DEFAULT_QUALITY = "medium"


def validate(submission: Submission, request_id: str) -> ImageRequest:
    """The request that a submission asks for."""
    if submission.problem is not None:
        raise submission.problem
    fields = _Fields(submission)
    fields.refuse_unknown()
    model = fields.text("model", required=True)
    family = models.FAMILY.get(model)
    if family is None:
        raise model_not_found(model)
    if fields.has("input_fidelity"):
        raise _not_of_model("input_fidelity", model)
    if fields.has("complexity") and not family.takes_complexity:
        raise _not_of_model("complexity", model)
    prompt = _prompt(fields)
    stream = fields.boolean("stream")
    n = fields.integer("n", 1, models.MAX_N, default=1)
    partial_images = fields.integer("partial_images", 0, models.MAX_PARTIAL_IMAGES, default=0)
    if stream and n > 1:
        raise invalid("stream", "invalid_value", "Streaming is only supported with n=1.")
    quality = fields.choice("quality", family.qualities, default="auto")
    fields.choice("complexity", models.COMPLEXITIES, default="high")
    output_format = fields.choice("output_format", family.output_formats, default="png")
    background = fields.choice("background", models.BACKGROUNDS, default="auto")
    fields.choice("moderation", models.MODERATIONS, default="auto")
    user, safety_identifier = fields.text("user"), fields.text("safety_identifier")
    compression = _compression(fields, output_format)
    if background == "transparent" and output_format not in _SEE_THROUGH:
        message = (
            f"Transparent background is not supported with output_format '{output_format}'. "
            "Use 'png' or 'webp'."
        )
        raise invalid("background", "invalid_value", message)
    frames, frame_ms = _frames(fields, output_format)
    author = _svg_author(fields, output_format)
    if output_format in ("gif", "svg"):
        _check_alone(fields, output_format, stream, n)
    size = _size(fields, frames)
    inputs = InputImages.of(submission) if submission.endpoint == "edits" else InputImages()
    if inputs.markup and not family.takes_markup:
        raise _not_of_model("markup", model)
    if inputs.mask and frames:
        raise _not_with("mask", "gif")
    if BLOCKED_WORD in prompt.lower():
        raise moderation_blocked("input", "violence", request_id)
    width, height = size or inputs.output_size or _DEFAULT_SIZE
    if frames:
        width, height = size or fitting_frame(width, height, frames)
    if background == "auto":
        background = "transparent" if inputs.has_alpha and output_format in _SEE_THROUGH else "opaque"
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
        markup=inputs.markup,
        input_pixels=inputs.pixels,
        frames=frames or 1,
        frame_ms=frame_ms,
        svg_author=author,
        safety_identifier=safety_identifier or user,
    )


class _Fields:
    """The fields of a submission, read by type; a field that is null or absent has its default."""

    def __init__(self, submission: Submission) -> None:
        self._values = {name: value for name, value in submission.fields.items() if value is not None}
        self._textual = submission.textual
        if submission.textual:
            self._values = _unbracketed(self._values)
        self._file_fields = {"image", "image[]", "mask", "markup"} if submission.textual else set[str]()

    def refuse_unknown(self) -> None:
        for name in self._values:
            if name in self._file_fields:
                raise wrong_type(name, "a file")
            if name not in _FIELDS:
                raise unknown_parameter(name)

    def has(self, name: str) -> bool:
        return name in self._values

    def of(self, name: str) -> _Fields:
        """The fields inside of one."""
        value = self._values.get(name)
        if not isinstance(value, dict):
            raise _mistyped(name, "an object", value)
        inner = {f"{name}.{each}": value for each, value in cast("dict[str, Any]", value).items()}
        return _Fields(Submission("generations", inner))

    def refuse_others(self, known: Sequence[str]) -> None:
        for name in self._values:
            if name not in known:
                raise unknown_parameter(name)

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
    if fields.has("output_compression") and output_format in ("gif", "svg"):
        raise _not_with("output_compression", output_format)
    if fields.has("output_compression") and output_format == "png" and compression != 100:
        message = "Compression less than 100 is not supported for PNG output format."
        raise invalid("output_compression", "invalid_png_output_compression", message)
    return compression


def _frames(fields: _Fields, output_format: str) -> tuple[int, int]:
    """How many frames a GIF has and how long each is shown, in ms; zeros for what is none."""
    count = fields.integer("frame_count", models.MIN_FRAMES, models.MAX_FRAMES, default=models.DEFAULT_FRAMES)
    shown_ms = fields.integer("frame_duration_ms", 1, models.MAX_FRAME_MS, default=models.DEFAULT_FRAME_MS)
    if output_format == "gif":
        return count, max(10, round(shown_ms / 10) * 10)
    for name in ("frame_count", "frame_duration_ms"):
        if fields.has(name):
            raise invalid(name, "invalid_value", f"'{name}' is only supported with output_format 'gif'.")
    return 0, 0


def _svg_author(fields: _Fields, output_format: str) -> str:
    """The model that writes an SVG; empty for what is none."""
    if fields.has("svg"):
        if output_format != "svg":
            raise invalid("svg", "invalid_value", "'svg' is only supported with output_format 'svg'.")
        svg = fields.of("svg")
        svg.refuse_others(("svg.model", "svg.reasoning"))
        if svg.has("svg.reasoning"):
            reasoning = svg.of("svg.reasoning")
            reasoning.refuse_others(("svg.reasoning.effort",))
            reasoning.choice("svg.reasoning.effort", models.SVG_EFFORTS, default="medium")
        return svg.text("svg.model", required=True)
    return _SVG_AUTHOR if output_format == "svg" else ""


def _check_alone(fields: _Fields, output_format: str, stream: bool, n: int) -> None:
    """A GIF and an SVG come whole, and an SVG alone."""
    if stream:
        raise _not_with("stream", output_format)
    if fields.has("partial_images"):
        raise _not_with("partial_images", output_format)
    if output_format == "svg" and n > 1:
        raise invalid("n", "invalid_value", "SVG output is only supported with n=1.")


def _not_of_model(name: str, model: str) -> Refused:
    message = f"The model '{model}' does not support the '{name}' parameter."
    return invalid(name, f"invalid_{name}_model", message)


def _not_with(name: str, output_format: str) -> Refused:
    return invalid(name, "invalid_value", f"'{name}' is not supported with output_format '{output_format}'.")


def _unbracketed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a form, with `svg[model]` and its like inside of `svg`."""
    nested: dict[str, Any] = {}
    for name, value in values.items():
        *around, last = re.findall(r"[^\[\]]+", name) if name.startswith("svg[") else [name]
        place: Any = nested
        for step in around:
            place = place.setdefault(step, {})
            if isinstance(place, str):
                raise wrong_type(step, "an object")
        place[last] = value
    return nested


def _size(fields: _Fields, frames: int) -> tuple[int, int] | None:
    """Width and height in pixels, those of a frame where there are any; None for `auto`."""
    text = fields.text("size") if fields.has("size") else "auto"
    if text == "auto":
        return None
    size = sizes.parse_size(text)
    if size is None or text != f"{size[0]}x{size[1]}":
        message = f"Invalid size '{text}'. The size must be 'auto' or of the form 'WIDTHxHEIGHT'."
        raise invalid("size", "invalid_value", message)
    problem = frame_problem(*size, frames) if frames else sizes.size_problem(*size)
    if problem is not None:
        message = f"Invalid size '{text}'. {problem[0].upper()}{problem[1:]}."
        raise invalid("size", "invalid_value", message)
    return size


def _mistyped(name: str, expected: str, value: object) -> Refused:
    kinds = ((bool, "a boolean"), (int, "an integer"), (float, "a decimal number"), (str, "a string"))
    got = next((words for kind, words in kinds if isinstance(value, kind)), "an object or array")
    return wrong_type(name, f"{expected}, but got {got} instead")
