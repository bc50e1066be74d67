"""Contact sheets: pictures side by side, each with a letter to name it by and its prompt."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from PIL import Image, ImageDraw, ImageFont

from .files import open_picture

#: Nothing runs on the page and nothing is fetched but the pictures beside it.
_POLICY = "default-src 'none'; img-src file: 'self'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }
main { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); }
figure { border: 1px solid #8884; border-radius: 8px; margin: 0; overflow: hidden; position: relative; }
img { aspect-ratio: 1; background: #8881; display: block; object-fit: contain; width: 100%; }
b { background: #000c; border-radius: 6px; color: #fff; font-size: 1.2rem; padding: .1rem .6rem; }
b { left: .5rem; position: absolute; top: .5rem; }
figcaption { padding: .6rem .8rem; overflow-wrap: anywhere; white-space: pre-wrap; }
small { display: block; opacity: .75; }
"""
_CELL_PX, _GAP_PX, _TEXT_PX, _LINE_PX, _LINES = 320, 16, 15, 19, 3
_PAPER, _INK, _FADED = (250, 250, 250), (30, 30, 30), (110, 110, 110)
_MAX_COLUMNS = 6


@dataclass(frozen=True)
class Entry:
    """One picture of a sheet. `prompt` is empty where nobody knows it."""

    path: str
    prompt: str = ""


def letters(number: int) -> str:
    """A, B … Z, AA, AB … for 0, 1 …"""
    name = ""
    number += 1
    while number:
        number, digit = divmod(number - 1, 26)
        name = chr(ord("A") + digit) + name
    return name


def as_page(entries: Sequence[Entry], folder: str) -> Iterator[str]:
    """The sheet as a page in that folder, in pieces; every text is escaped."""
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{len(entries)} pictures</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
    )
    for number, entry in enumerate(entries):
        name = os.path.relpath(entry.path, folder).replace(os.sep, "/")
        address = escape(quote(name, safe="/", errors="surrogateescape"))
        shown = escape(name.encode("utf-8", "replace").decode("utf-8"))
        text = f'<span dir="auto">{escape(entry.prompt)}</span>' if entry.prompt else ""
        image = f'<img src="{address}" alt="{shown}" loading="lazy" decoding="async">'
        yield (
            f'<figure><a href="{address}">{image}</a><b>{letters(number)}</b>'
            f"<figcaption>{text}<small>{shown}</small></figcaption></figure>\n"
        )
    yield "</main>\n</body>\n</html>\n"


def as_picture(entries: Sequence[Entry]) -> Image.Image:
    """The sheet as one picture: a grid of squares, below each its name and the beginning of its prompt."""
    columns = min(_MAX_COLUMNS, math.ceil(math.sqrt(len(entries))))
    rows = math.ceil(len(entries) / columns)
    width, height = _CELL_PX + _GAP_PX, _CELL_PX + _GAP_PX + (_LINES + 1) * _LINE_PX
    sheet = Image.new("RGB", (columns * width + _GAP_PX, rows * height + _GAP_PX), _PAPER)
    for number, entry in enumerate(entries):
        left = _GAP_PX + number % columns * width
        top = _GAP_PX + number // columns * height
        _draw(sheet, entry, letters(number), left, top)
    return sheet


def _draw(sheet: Image.Image, entry: Entry, letter: str, left: int, top: int) -> None:
    image = open_picture(entry.path).image.copy()
    image.thumbnail((_CELL_PX, _CELL_PX), Image.Resampling.LANCZOS)
    place = (left + (_CELL_PX - image.width) // 2, top + (_CELL_PX - image.height) // 2)
    sheet.paste(image.convert("RGB"), place, image.getchannel("A") if image.mode == "RGBA" else None)
    draw = ImageDraw.Draw(sheet)
    font, large = ImageFont.load_default(_TEXT_PX), ImageFont.load_default(2 * _TEXT_PX)
    box = draw.textbbox((left + 14, top + 8), letter, large)
    draw.rounded_rectangle((box[0] - 8, box[1] - 6, box[2] + 8, box[3] + 6), 6, fill=_INK)
    draw.text((left + 14, top + 8), letter, _PAPER, large)
    lines = [os.path.basename(entry.path), *textwrap.wrap(entry.prompt, 42)[:_LINES]]
    for number, line in enumerate(lines):
        place = (left, top + _CELL_PX + 4 + number * _LINE_PX)
        # The font that Pillow brings has no other letters.
        text = line.encode("latin-1", "replace").decode("latin-1")
        draw.text(place, text, _INK if number else _FADED, font)
