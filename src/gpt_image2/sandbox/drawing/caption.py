"""The words on a picture: the SANDBOX label, and the prompt on a strip of paper. Draws on a given image."""

from __future__ import annotations

import re
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from . import fonts
from .landscape import Palette

PAPER = (250, 246, 236)
_GREY = (120, 114, 104)
_LABEL = "SANDBOX"
_MOTTO = "drawn by rule, not by a model"
_MOST_CHARS = 360
_LINE_HEIGHT = 1.3
# Scripts that are written without spaces may break anywhere.
_UNSPACED = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_TOKENS = re.compile(rf"[{_UNSPACED}] ?|[^\s{_UNSPACED}]+ ?")


@dataclass(frozen=True)
class Caption:
    """A prompt broken into lines; all measures are in pixels, `height` is that of the whole strip."""

    lines: tuple[str, ...]
    type_px: int
    label_px: int
    margin: int
    height: int


def lay_out(size: tuple[int, int], prompt: str) -> Caption:
    """The caption for an image of a size."""
    width, height = size
    margin = round(min(size) * 0.04)
    largest_px = round((width * height) ** 0.5 * 0.04) + 2
    room = height * 0.2
    text = " ".join(prompt[: 2 * _MOST_CHARS].split())
    shown = fonts.legible(text[:_MOST_CHARS])
    lines: list[str] = []
    type_px = largest_px
    for part in (1.0, 0.8, 0.64, 0.5):
        type_px = max(9, round(largest_px * part))
        lines = _wrapped(shown, fonts.face_for(shown, type_px), width - 2 * margin)
        if len(lines) * type_px * _LINE_HEIGHT <= room:
            break
    most = max(1, int(room / (type_px * _LINE_HEIGHT)))
    if len(lines) > most or len(text) > _MOST_CHARS:
        lines = lines[:most]
        lines[-1] = f"{lines[-1][:-2]}…"
    label_px = max(8, round(largest_px * 0.42))
    tall = label_px * 2.4 + len(lines) * type_px * _LINE_HEIGHT + 1.5 * margin
    return Caption(tuple(lines), type_px, label_px, margin, round(tall))


def caption_strip(caption: Caption, width: int, palette: Palette, note: str) -> Image.Image:
    """A caption in RGB, to go at the foot of an image; `note` is added to its small print."""
    strip = Image.new("RGB", (width, caption.height), PAPER)
    pen = ImageDraw.Draw(strip)
    y = caption.margin // 2
    right = _draw_label(pen, (caption.margin, y), caption.label_px, palette)
    small_print = f"{_MOTTO}  ·  {note}"
    face = fonts.face_for(small_print, caption.label_px)
    x = right + caption.label_px
    while small_print and x + face.getlength(small_print) > width - caption.margin:
        small_print = small_print.rpartition("  ·  ")[0]
    pen.text((x, y + caption.label_px * 0.8), small_print, _GREY, face, anchor="lm")
    text = "".join(caption.lines)
    face = fonts.face_for(text, caption.type_px)
    for number, line in enumerate(caption.lines):
        middle = y + caption.label_px * 2.4 + (number + 0.5) * caption.type_px * _LINE_HEIGHT
        pen.text((caption.margin, middle), line, palette.near, face, anchor="lm")
    return strip


def draw_label(image: Image.Image, palette: Palette) -> None:
    """The label in the middle of an image; nothing where it could not be read."""
    size_px = round(min(image.width / 9, image.height / 3, 48))
    if size_px >= 6:
        corner = round((image.width - size_px * 6.2) / 2), round((image.height - size_px * 1.6) / 2)
        _draw_label(ImageDraw.Draw(image), corner, size_px, palette)


def _draw_label(pen: ImageDraw.ImageDraw, corner: tuple[int, int], size_px: int, palette: Palette) -> int:
    """Draws the label; returns its right edge."""
    face = fonts.face_for(_LABEL, size_px)
    x, y = corner
    right, bottom = round(x + face.getlength(_LABEL) + size_px * 1.2), round(y + size_px * 1.6)
    pen.rectangle((x, y, right, bottom), fill=palette.near)
    # A second, thin stroke makes the one weight of the built-in face bold.
    pen.text(((x + right) / 2, (y + bottom) / 2), _LABEL, PAPER, face, anchor="mm", stroke_width=size_px / 50)
    return right


def _wrapped(text: str, face: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Lines of at most a width in pixels; a word that is longer than a line is broken."""
    lines = [""]
    for token in _TOKENS.findall(text):
        for part in [token] if face.getlength(token.rstrip()) <= width else token:
            if lines[-1] and face.getlength(lines[-1] + part.rstrip()) > width:
                lines.append("")
            lines[-1] += part
    return [line.rstrip() for line in lines]
