"""The words on a picture: the prompt on a panel, and the SANDBOX label. Draws on an image it is given."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from . import fonts
from .palettes import Colour, Palette

LABEL = "SANDBOX"
_MOTTO = "drawn by rule, not by a model"
_MAX_SHOWN_CHARS = 420
_MIN_CAPTION_EDGE_PX = 160
_REFERENCE_PX = 40
_LINE_HEIGHT = 1.32
_ELLIPSIS = "…"
_PANEL = (10, 12, 22)
_PANEL_OPACITY = 0.74
_PAPER = (250, 248, 242)
# Scripts that are written without spaces may break anywhere.
_TOKENS = re.compile(
    r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]|[^\s\u2e80-\u9fff\uac00-\ud7af]+"
)


@dataclass(frozen=True)
class _Setting:
    """Text broken into lines for a size of type."""

    lines: tuple[str, ...]
    size_px: int


def add_caption(image: Image.Image, prompt: str, palette: Palette, note: str, inset: float = 0.035) -> None:
    """Set the prompt and the label on a panel at the foot of an image; a tiny image gets the label alone."""
    width, height = image.size
    margin = round(min(width, height) * inset)
    if min(width, height) < _MIN_CAPTION_EDGE_PX:
        box = (0, 0, width, height)
        add_label(image, box, palette)
        return
    wide = min(width - 2 * margin, round(height * 2.1))
    pad = round(min(wide, height) * 0.032) + 3
    largest_px = round((wide * height) ** 0.5 * 0.046) + 4
    setting = _set(prompt, wide - 2 * pad, round(height * (0.2 if height >= width else 0.26)), largest_px)
    tag_px = max(9, round(largest_px * 0.5))
    tall = round(len(setting.lines) * setting.size_px * _LINE_HEIGHT + tag_px * 2.1 + 2 * pad)
    left, top = (width - wide) // 2, height - margin - tall
    _panel(image, (left, top, left + wide, top + tall), radius=pad)
    pen = ImageDraw.Draw(image)
    pill_right = _pill(image, (left + pad, top + pad), tag_px, palette)
    _small_print(pen, f"{_MOTTO}  ·  {note}", (pill_right + tag_px, top + pad), left + wide - pad, tag_px)
    _lines(pen, setting, (left + pad, round(top + pad + tag_px * 2.1)), left + wide - pad)


def add_label(image: Image.Image, box: tuple[int, int, int, int], palette: Palette) -> None:
    """The SANDBOX label in the middle of a box, as large as it fits; nothing where it could not be read."""
    width, height = box[2] - box[0], box[3] - box[1]
    size_px = min(height / 1.9, width / (label_size(100)[0] / 100))
    if size_px < 5:
        return
    size_px = int(size_px * 0.9)
    wide, tall = label_size(size_px)
    _pill(image, (box[0] + (width - wide) // 2, box[1] + (height - tall) // 2), size_px, palette)


def label_size(size_px: int) -> tuple[int, int]:
    """Width and height of the label in pixels."""
    face = fonts.face_for(LABEL, size_px)
    return round(face.getlength(LABEL) + size_px * 1.3), round(size_px * 1.62)


def _pill(image: Image.Image, corner: tuple[int, int], size_px: int, palette: Palette) -> int:
    """The label on a rounded ground; returns its right edge."""
    wide, tall = label_size(size_px)
    mask = _rounded((wide, tall), tall // 2)
    image.paste(_opaque(image, palette.glow), corner, mask)
    face = fonts.face_for(LABEL, size_px)
    middle = (corner[0] + wide / 2, corner[1] + tall / 2)
    # A second, thin stroke makes the one weight of the built-in face bold.
    ImageDraw.Draw(image).text(
        middle,
        LABEL,
        font=face,
        fill=_PANEL,
        anchor="mm",
        stroke_width=max(0.0, size_px / 40),
        stroke_fill=_PANEL,
    )
    return corner[0] + wide


def _panel(image: Image.Image, box: tuple[int, int, int, int], radius: int) -> None:
    size = (box[2] - box[0], box[3] - box[1])
    mask = _rounded(size, radius).point([round(value * _PANEL_OPACITY) for value in range(256)])
    image.paste(_opaque(image, _PANEL), box, mask)


@lru_cache(maxsize=32)
def _rounded(size: tuple[int, int], radius: int) -> Image.Image:
    mask = Image.new("L", (size[0] * 2, size[1] * 2))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] * 2 - 1, size[1] * 2 - 1), radius * 2, fill=255)
    return mask.reduce(2)


def _small_print(
    pen: ImageDraw.ImageDraw, text: str, corner: tuple[int, int], right: int, tag_px: int
) -> None:
    size_px = max(8, round(tag_px * 0.86))
    face = fonts.face_for(text, size_px)
    while text and face.getlength(text) > right - corner[0]:
        text = text.rpartition("  ")[0] if "  " in text else ""
    middle = corner[1] + label_size(tag_px)[1] / 2
    pen.text((corner[0], middle), text.rstrip(" ·"), font=face, fill=(206, 206, 214), anchor="lm")


def _lines(pen: ImageDraw.ImageDraw, setting: _Setting, corner: tuple[int, int], right: int) -> None:
    text = " ".join(setting.lines)
    face = fonts.face_for(text, setting.size_px)
    from_right = _is_right_to_left(text)
    for index, line in enumerate(setting.lines):
        y = corner[1] + setting.size_px * _LINE_HEIGHT * (index + 0.5)
        place = (right, y) if from_right else (corner[0], y)
        pen.text(place, line, font=face, fill=_PAPER, anchor="rm" if from_right else "lm")


def _set(text: str, width: int, height: int, largest_px: int) -> _Setting:
    """Break a text into lines, in the largest type that fits a width and a height in pixels; cut what does
    not.
    """
    shown = " ".join(text[: _MAX_SHOWN_CHARS * 2].split())
    cut = len(shown) > _MAX_SHOWN_CHARS or len(text) > _MAX_SHOWN_CHARS * 2
    shown = shown[:_MAX_SHOWN_CHARS]
    face = fonts.face_for(shown, _REFERENCE_PX)
    shown = fonts.legible(shown, face)
    measured = [
        (token.group(), shown[: token.start()].endswith(" "), face.getlength(token.group()) / _REFERENCE_PX)
        for token in _TOKENS.finditer(shown)
    ]
    space = face.getlength(" ") / _REFERENCE_PX
    smallest_px = max(9, round(largest_px * 0.5))
    lines: list[str] = []
    size_px = largest_px
    for size_px in range(largest_px, smallest_px - 1, -1):
        lines = _wrap(measured, space, width / size_px)
        if len(lines) * size_px * _LINE_HEIGHT <= height:
            break
    room = max(1, int(height / (size_px * _LINE_HEIGHT)))
    if len(lines) > room or cut:
        lines = lines[:room]
        lines[-1] = _ellipsised(lines[-1], face, width / size_px * _REFERENCE_PX)
    return _Setting(tuple(lines), size_px)


def _wrap(tokens: Sequence[tuple[str, bool, float]], space: float, width: float) -> list[str]:
    """Greedy lines; widths are in sizes of the type. A token longer than a line is broken."""
    lines: list[str] = [""]
    used = 0.0
    for token, spaced, wide in tokens:
        gap = space if spaced and lines[-1] else 0.0
        if used + gap + wide <= width:
            lines[-1] += (" " if gap else "") + token
            used += gap + wide
            continue
        per_line = max(1, int(len(token) * width / wide))
        parts = [token[start : start + per_line] for start in range(0, len(token), per_line)]
        lines += parts
        used = wide * len(parts[-1]) / len(token)
    return [line for line in lines if line] or [""]


def _ellipsised(line: str, face: ImageFont.FreeTypeFont, width: float) -> str:
    while line and face.getlength(line + _ELLIPSIS) > width:
        line = line[:-1]
    return line.rstrip() + _ELLIPSIS


def _is_right_to_left(text: str) -> bool:
    kinds = (unicodedata.bidirectional(character) for character in text)
    return next((kind in ("R", "AL") for kind in kinds if kind in ("L", "R", "AL")), False)


def _opaque(image: Image.Image, colour: Colour) -> tuple[int, ...]:
    return (*colour, 255) if image.mode == "RGBA" else colour
