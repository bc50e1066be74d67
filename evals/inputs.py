"""The pictures and texts that users bring along, drawn when a task is set up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image, ImageDraw

#: Where the sofa is in room.png.
SOFA = (300, 560, 900, 900)


def _room(path: Path) -> None:
    image = Image.new("RGB", (1024, 1024), "#d8cbb8")
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 800, 1024, 1024), fill="#8a6a4a")
    draw.rectangle(SOFA, fill="#a33b3b")
    draw.rectangle((120, 120, 420, 400), fill="#9fc6e8")
    image.save(path)


def _sofa_mask(path: Path) -> None:
    image = Image.new("RGBA", (1024, 1024), (0, 0, 0, 255))
    ImageDraw.Draw(image).rectangle(SOFA, fill=(0, 0, 0, 0))
    image.save(path)


def _person(path: Path) -> None:
    image = Image.new("RGB", (768, 1024), "#cfe3d4")
    draw = ImageDraw.Draw(image)
    draw.ellipse((284, 200, 484, 440), fill="#e0b594")
    draw.rectangle((224, 440, 544, 1024), fill="#34506e")
    image.save(path, quality=90)


def _hat(path: Path) -> None:
    image = Image.new("RGB", (512, 512), "white")
    draw = ImageDraw.Draw(image)
    draw.ellipse((60, 300, 452, 380), fill="#7a4a1e")
    draw.rectangle((160, 160, 352, 340), fill="#7a4a1e")
    image.save(path)


def _mug_on_green(path: Path) -> None:
    image = Image.new("RGB", (640, 640), "#00ff00")
    draw = ImageDraw.Draw(image)
    draw.rectangle((200, 180, 420, 480), fill="#f4f0e8")
    draw.ellipse((400, 240, 500, 400), outline="#f4f0e8", width=24)
    image.save(path)


def _lake(path: Path) -> None:
    image = Image.new("RGB", (1536, 1024), "#9cc4e4")
    ImageDraw.Draw(image).rectangle((0, 600, 1536, 1024), fill="#2f6f8f")
    image.save(path)


def _prompts(path: Path) -> None:
    path.write_text("A red kite\nA blue teapot\nA green bicycle\nA yellow umbrella\n", encoding="utf-8")


def _birds(path: Path) -> None:
    path.write_text("A robin\nA heron\nA wren\nA crane\nAn owl\n", encoding="utf-8")


MAKERS: Mapping[str, Callable[[Path], None]] = {
    "birds.txt": _birds,
    "hat.png": _hat,
    "lake.png": _lake,
    "mug.png": _mug_on_green,
    "person.jpg": _person,
    "prompts.txt": _prompts,
    "room.png": _room,
    "sofa-mask.png": _sofa_mask,
}
