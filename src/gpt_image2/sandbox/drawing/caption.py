"""The words on a picture: the SANDBOX label, and the prompt on a strip of paper. Draws on a given image."""

from __future__ import annotations

import re

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


def margin_of(size: tuple[int, int]) -> int:
    """How much paper is around a picture of a size, in pixels."""
    return round(min(size) * 0.04)


def caption_strip(prompt: str, size: tuple[int, int], palette: Palette, note: str) -> Image.Image:
    """The caption of an image of a size, in RGB, to go at its foot; `note` is added to its small print."""
    margin, largest_px = margin_of(size), round((size[0] * size[1]) ** 0.5 * 0.04) + 2
    right = size[0] - margin
    lines, face = _set(prompt, right - margin, round(size[1] * 0.2), largest_px)
    label_px = max(8, round(largest_px * 0.42))
    top = margin // 2 + round(label_px * 2.4)
    strip = Image.new("RGB", (size[0], top + round(len(lines) * face.size * _LINE_HEIGHT) + margin), PAPER)
    pen = ImageDraw.Draw(strip)
    label_right = _draw_label(pen, (margin, margin // 2), label_px, palette)
    small_print, small_face = f"{_MOTTO}  ·  {note}", fonts.face_for(note, label_px)
    while small_print and label_right + label_px + small_face.getlength(small_print) > right:
        small_print = small_print.rpartition("  ·  ")[0]
    middle = margin // 2 + label_px * 0.8
    pen.text((label_right + label_px, middle), small_print, _GREY, small_face, anchor="lm")
    for number, line in enumerate(lines):
        middle = top + (number + 0.5) * face.size * _LINE_HEIGHT
        pen.text((margin, middle), line, palette.near, face, anchor="lm")
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


def _set(prompt: str, width: int, height: int, px: int) -> tuple[list[str], ImageFont.FreeTypeFont]:
    """A prompt broken into lines, in the largest type up to `px` that fits; what does not fit is cut."""
    text = " ".join(prompt[: 2 * _MOST_CHARS].split())
    shown = fonts.legible(text[:_MOST_CHARS])
    for part in (1.0, 0.8, 0.64, 0.5):
        face = fonts.face_for(shown, max(9, round(px * part)))
        lines, most = _wrapped(shown, face, width), int(height / (face.size * _LINE_HEIGHT))
        if len(lines) <= most:
            break
    if len(lines) > most or len(text) > _MOST_CHARS:
        lines = lines[: max(1, most)]
        lines[-1] = f"{lines[-1][:-2]}…"
    return lines, face


def _wrapped(text: str, face: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Lines of at most a width in pixels; a word that is longer than a line is broken."""
    lines = [""]
    for token in _TOKENS.findall(text):
        for part in [token] if face.getlength(token.rstrip()) <= width else token:
            if lines[-1] and face.getlength(lines[-1] + part.rstrip()) > width:
                lines.append("")
            lines[-1] += part
    return [line.rstrip() for line in lines]
