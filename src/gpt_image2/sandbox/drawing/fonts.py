"""Finds a typeface that has the letters of a text: Pillow's own, else a font of this system. Reads font
files.
"""

from __future__ import annotations

import os
import sys
from functools import cache, lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

_PROBE_PX = 16
_MISSING = "□"
#: Faces with wide coverage or a script of their own, as parts of file names, best first.
_WANTED = (
    "notosanscjk-medium",
    "notosanscjk-regular",
    "notosanscjk",
    "sourcehansans",
    "notosansjp",
    "notosanssc",
    "notosanstc",
    "notosanskr",
    "pingfang",
    "hiraginosans",
    "hiragino sans",
    "applesdgothicneo",
    "msyh",
    "yugoth",
    "meiryo",
    "malgun",
    "wqy",
    "droidsansfallback",
    "ipag",
    "nanumgothic",
    "dejavusans.",
    "arialuni",
    "arial unicode",
    "segoeui.",
    "segoeuisymbol",
    "seguisym",
    "notosans-regular",
    "notosans[",
    "notosansarabic",
    "notonaskharabic",
    "notosanshebrew",
    "notosansdevanagari",
    "notosansthai",
    "notosansbengali",
    "notosanstamil",
    "notoemoji",
    "nirmala",
    "tahoma",
    "arial.",
    "liberationsans-regular",
    "freesans.",
    "unifont",
)
_SUFFIXES = (".ttf", ".otf", ".ttc", ".otc")


def face_for(text: str, size_px: float) -> ImageFont.FreeTypeFont:
    """A typeface that has every letter of a text, or the one that lacks the fewest."""
    letters = frozenset(character for character in text if not character.isspace())
    return _face(_best_file(letters), size_px)


def legible(text: str, face: ImageFont.FreeTypeFont) -> str:
    """The text with a box for what the typeface cannot show; marks that are not seen by themselves are
    dropped.
    """
    file = getattr(face, "path", None)
    shown = ["" if _is_joiner(each) else each if _has(_file_key(file), each) else _MISSING for each in text]
    return "".join(shown)


@lru_cache(maxsize=256)
def _best_file(letters: frozenset[str]) -> str | None:
    best, fewest = None, len(_lacking(None, letters))
    if not fewest:
        return None
    for file in _system_files():
        lacking = len(_lacking(file, letters))
        if lacking < fewest:
            best, fewest = file, lacking
        if not fewest:
            break
    return best


def _lacking(file: str | None, letters: frozenset[str]) -> list[str]:
    return [letter for letter in letters if not _is_joiner(letter) and not _has(file, letter)]


@lru_cache(maxsize=8192)
def _has(file: str | None, letter: str) -> bool:
    """Whether a font draws a letter otherwise than it draws one that no font has."""
    if letter.isspace() or (file is None and letter.isascii()):
        return True
    return _drawn(file, letter) != _drawn(file, "\U0010fffe")


@lru_cache(maxsize=8192)
def _drawn(file: str | None, letter: str) -> bytes:
    probe = Image.new("L", (_PROBE_PX * 3, _PROBE_PX * 3))
    ImageDraw.Draw(probe).text((_PROBE_PX, _PROBE_PX), letter, fill=255, font=_face(file, _PROBE_PX))
    return probe.tobytes()


@lru_cache(maxsize=64)
def _face(file: str | None, size_px: float) -> ImageFont.FreeTypeFont:
    if file is None:
        face = ImageFont.load_default(size_px)
        assert isinstance(face, ImageFont.FreeTypeFont)
        return face
    return ImageFont.truetype(file, size_px)


def _file_key(path: object) -> str | None:
    return path if isinstance(path, str) else None


def _is_joiner(letter: str) -> bool:
    """Zero-width joiners and variation selectors."""
    return letter in "\u200b\u200c\u200d\u2060\ufeff" or "\ufe00" <= letter <= "\ufe0f"


@cache
def _system_files() -> tuple[str, ...]:
    """Font files of this system that are worth asking, best first."""
    found: dict[str, str] = {}
    for folder in _folders():
        for parent, _, names in os.walk(folder):
            for name in names:
                if name.lower().endswith(_SUFFIXES):
                    found.setdefault(name.lower().replace("_", ""), str(Path(parent) / name))
    ranked = [
        (rank, name, path)
        for name, path in found.items()
        for rank, part in enumerate(_WANTED)
        if name.startswith(part)
    ]
    files: dict[str, None] = {}
    for _, _, path in sorted(ranked):
        if _opens(path):
            files.setdefault(path)
    return tuple(files)


def _folders() -> list[Path]:
    home = Path.home()
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA", home)) / "Microsoft" / "Windows" / "Fonts"
        return [Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts", local]
    if sys.platform == "darwin":
        return [Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library" / "Fonts"]
    data = Path(os.environ.get("XDG_DATA_HOME") or home / ".local" / "share")
    return [Path("/usr/share/fonts"), Path("/usr/local/share/fonts"), data / "fonts", home / ".fonts"]


def _opens(path: str) -> bool:
    try:
        _face(path, _PROBE_PX)
    except (OSError, ValueError):
        return False
    return True
