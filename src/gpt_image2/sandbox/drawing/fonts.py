"""A typeface that has the letters of a text: Pillow's own, else one of this system's. Reads font files."""

from __future__ import annotations

from contextlib import suppress
from functools import cache, lru_cache

from PIL import Image, ImageDraw, ImageFont

_MISSING = "□"
_NO_LETTER = "\U0010fffe"
_PROBE_PX = 16
#: Faces for the scripts that Pillow's own lacks, as the usual systems name them; Pillow knows their folders.
_SYSTEM_FACES = (
    "NotoSansCJK-Regular.ttc",
    "PingFang.ttc",
    "msyh.ttc",
    "DroidSansFallbackFull.ttf",
    "DejaVuSans.ttf",
    "Arial Unicode.ttf",
    "segoeui.ttf",
    "NotoSans-Regular.ttf",
    "Nirmala.ttf",
)


def face_for(text: str, size_px: int) -> ImageFont.FreeTypeFont:
    """A typeface that has every letter of a text, or the one that lacks the fewest."""
    return _face(_best(frozenset(text)), size_px)


def legible(text: str) -> str:
    """The text with a box for what its typeface cannot show, and without marks that are not seen alone."""
    name = _best(frozenset(text))
    return "".join(each if _has(name, each) else _MISSING for each in text if not _is_joiner(each))


@lru_cache(maxsize=256)
def _best(letters: frozenset[str]) -> str | None:
    def lacking(name: str | None) -> int:
        return sum(not (_has(name, letter) or _is_joiner(letter)) for letter in letters)

    if not lacking(None):
        return None
    return min((None, *_installed()), key=lacking)


@cache
def _installed() -> tuple[str, ...]:
    found: list[str] = []
    for name in _SYSTEM_FACES:
        with suppress(OSError):
            _face(name, _PROBE_PX)
            found.append(name)
    return tuple(found)


@lru_cache(maxsize=8192)
def _has(name: str | None, letter: str) -> bool:
    """Whether a typeface draws a letter otherwise than one that no typeface has."""
    if letter.isspace() or (name is None and letter.isascii()):
        return True
    return _drawn(name, letter) != _drawn(name, _NO_LETTER)


@lru_cache(maxsize=8192)
def _drawn(name: str | None, letter: str) -> bytes:
    probe = Image.new("L", (3 * _PROBE_PX, 3 * _PROBE_PX))
    ImageDraw.Draw(probe).text((_PROBE_PX, _PROBE_PX), letter, 255, _face(name, _PROBE_PX))
    return probe.tobytes()


@lru_cache(maxsize=64)
def _face(name: str | None, size_px: int) -> ImageFont.FreeTypeFont:
    if name is not None:
        return ImageFont.truetype(name, size_px)
    face = ImageFont.load_default(size_px)
    assert isinstance(face, ImageFont.FreeTypeFont), "Pillow was built without FreeType"
    return face


def _is_joiner(letter: str) -> bool:
    """Zero-width joiners and variation selectors."""
    return letter in "\u200b\u200c\u200d\u2060\ufeff" or "\ufe00" <= letter <= "\ufe0f"
