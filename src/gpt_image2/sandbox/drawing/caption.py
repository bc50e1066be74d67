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


@dataclass(frozen=True)
class Layout:
    """Where a caption goes, in pixels of the whole image; `box` is its panel: left, top, right, bottom."""

    box: tuple[int, int, int, int]
    pad: int
    tag_px: int
    setting: _Setting


def lay_out(size: tuple[int, int], prompt: str, inset: float = 0.035) -> Layout | None:
    """The layout of a caption for a prompt; None where an image is too small for words.

    On every size that the API draws, the panel stays within the lower half.
    """
    width, height = size
    if min(size) < _MIN_CAPTION_EDGE_PX:
        return None
    margin = round(min(size) * inset)
    wide = min(width - 2 * margin, round(height * 2.1))
    pad = round(min(wide, height) * 0.032) + 3
    largest_px = round((wide * height) ** 0.5 * 0.046) + 4
    setting = _set(prompt, wide - 2 * pad, round(height * (0.2 if height >= width else 0.26)), largest_px)
    tag_px = max(9, round(largest_px * 0.5))
    tall = round(len(setting.lines) * setting.size_px * _LINE_HEIGHT + tag_px * 2.1 + 2 * pad)
    left, top = (width - wide) // 2, height - margin - tall
    return Layout((left, top, left + wide, top + tall), pad, tag_px, setting)


def add_caption(image: Image.Image, prompt: str, palette: Palette, note: str, inset: float = 0.035) -> None:
    """Set the prompt and the label on a panel at the foot of an image; a tiny image gets the label alone."""
    layout = lay_out(image.size, prompt, inset)
    if layout is None:
        add_label(image, (0, 0, *image.size), palette)
    else:
        draw_caption(image, layout, palette, note)


def draw_caption(image: Image.Image, layout: Layout, palette: Palette, note: str, above: int = 0) -> None:
    """Draw a caption as it was laid out; `above` is how many rows of the whole image the given one lacks."""
    left, top, right, bottom = layout.box
    top, bottom = top - above, bottom - above
    pad, tag_px = layout.pad, layout.tag_px
    _panel(image, (left, top, right, bottom), radius=pad)
    pen = ImageDraw.Draw(image)
    pill_right = _pill(image, (left + pad, top + pad), tag_px, palette)
    _small_print(pen, f"{_MOTTO}  ·  {note}", (pill_right + tag_px, top + pad), right - pad, tag_px)
    _lines(pen, layout.setting, (left + pad, top + pad + round(tag_px * 2.1)), right - pad)


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
    pill = _pill_picture(size_px, palette.glow)
    image.paste(pill.convert(image.mode), corner, _rounded(pill.size, pill.height // 2))
    return corner[0] + pill.width


@lru_cache(maxsize=64)
def _pill_picture(size_px: int, ground: Colour) -> Image.Image:
    wide, tall = label_size(size_px)
    pill = Image.new("RGB", (wide, tall), ground)
    # A second, thin stroke makes the one weight of the built-in face bold.
    ImageDraw.Draw(pill).text(
        (wide / 2, tall / 2),
        LABEL,
        font=fonts.face_for(LABEL, size_px),
        fill=_PANEL,
        anchor="mm",
        stroke_width=max(0.0, size_px / 40),
        stroke_fill=_PANEL,
    )
    return pill


def _panel(image: Image.Image, box: tuple[int, int, int, int], radius: int) -> None:
    """Darken a box with round corners: its ends through a mask, what is between them by a table, which is
    cheaper.
    """
    left, top, right, bottom = box
    veil = _veil((right - left, bottom - top), radius)
    for start, end in ((top, top + radius), (bottom - radius, bottom)):
        part = veil.crop((0, start - top, right - left, end - top))
        image.paste(_opaque(image, _PANEL), (left, start, right, end), part)
    middle = (left, top + radius, right, bottom - radius)
    image.paste(image.crop(middle).point(_darkening(image.mode)), middle)


@lru_cache(maxsize=32)
def _veil(size: tuple[int, int], radius: int) -> Image.Image:
    return _rounded(size, radius).point([round(value * _PANEL_OPACITY) for value in range(256)])


@lru_cache(maxsize=2)
def _darkening(mode: str) -> list[int]:
    """What becomes of each value of each band under the panel."""
    panel = (*_PANEL, 255)[: len(mode)]
    return [round(value + (band - value) * _PANEL_OPACITY) for band in panel for value in range(256)]


@lru_cache(maxsize=32)
def _rounded(size: tuple[int, int], radius: int) -> Image.Image:
    mask = Image.new("L", (size[0] * 2, size[1] * 2))
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] * 2 - 1, size[1] * 2 - 1), radius * 2, fill=255)
    return mask.reduce(2)


def _small_print(
    pen: ImageDraw.ImageDraw, text: str, corner: tuple[int, int], right: int, tag_px: int
) -> None:
    size_px = max(8, round(tag_px * 0.86))
    shown = _printed(text, size_px, right - corner[0])
    pen.bitmap(
        (corner[0], corner[1] + (label_size(tag_px)[1] - shown.height) // 2), shown, fill=(206, 206, 214)
    )


@lru_cache(maxsize=64)
def _printed(text: str, size_px: int, width: int) -> Image.Image:
    """A mask of as many parts of a text as fit a width."""
    face = fonts.face_for(text, size_px)
    while text and face.getlength(text) > width:
        text = text.rpartition("  ")[0] if "  " in text else ""
    mask = Image.new("L", (width, 2 * size_px))
    ImageDraw.Draw(mask).text((0, size_px), text.rstrip(" ·"), font=face, fill=255, anchor="lm")
    return mask


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
