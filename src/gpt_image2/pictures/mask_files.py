"""Reads masks that other programs made: white is to be edited, or black, what is clear, or what is painted.

Which of them is told by how a file looks, and said, since no format names it.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from gpt_image2.core.base.about import called
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.redact import show

from .files import Picture, open_picture

#: Levels this near to black or white are taken as such: JPEG leaves noise there.
_SNAP = 10
#: A mask that has so many pixels between black and white is a picture.
_MAX_GREY_SHARE = 0.3
_GREY = (48, 208)
#: Sides may differ by so much of a pixel's rounding in what is still the same picture.
_RATIO_TOLERANCE = 0.01

_SAID = {
    "white": "white is edited",
    "black": "black is edited",
    "alpha": "what is transparent is edited",
    "painted": "what is painted is edited",
}


def read_mask(path: str, picture: Picture, read_as: str = "auto") -> tuple[np.ndarray, list[str]]:
    """A mask of the picture's size (uint8, 255 is edited) from a file, and how it was read.

    Raises:
        UsageError: it is no mask, or one for another picture.
    """
    file = open_picture(path, "mask")
    image, notes = matching(file, picture, "mask")
    alpha = np.asarray(image.getchannel("A")) if image.mode == "RGBA" else None
    chosen, why = (read_as, "as told") if read_as != "auto" else _recognised(image, alpha, path)
    if chosen in ("alpha", "painted") and alpha is None:
        raise UsageError(
            f"mask {show(path, limit=None)} has no alpha channel", hint="read it as white or as black"
        )
    if chosen in ("white", "black"):
        area = _snapped(np.asarray(image.convert("RGB").convert("L")))
    else:
        area = _snapped(alpha if alpha is not None else np.zeros(0, np.uint8))
    if chosen in ("black", "alpha"):
        area = 255 - area
    if chosen in ("white", "black") and alpha is not None:
        area = np.minimum(area, alpha)  # what is clear has no colour
    return area, [*notes, f"{show(path)} was read so: {_SAID[chosen]} ({why})"]


def read_edit_mask(path: str, picture: Picture, read_as: str = "auto") -> tuple[np.ndarray, list[str]]:
    """As `read_mask`, for the mask of an edit.

    Raises:
        UsageError: as there, or it edits nothing or everything.
    """
    area, notes = read_mask(path, picture, read_as)
    if area.max() < 128 or area.min() >= 128:
        what = "nothing" if area.max() < 128 else "everything"
        message = f"mask {show(path, limit=None)} would edit {what}"
        raise UsageError(message, hint=f"make one: {called()} mask IMAGE --rect 10%,10%,50%,50% -o mask.png")
    return area, notes


def matching(other: Picture, picture: Picture, what: str = "picture") -> tuple[Image.Image, list[str]]:
    """Another picture's image in the size of this one, and what was done.

    Raises:
        UsageError: it has another shape, so it belongs to another picture.
    """
    if other.size == picture.size:
        return other.image, []
    name = f"{what} {show(other.path, limit=None)}"
    (width, height), (own_width, own_height) = other.size, picture.size
    if abs(width * own_height / (height * own_width) - 1) > _RATIO_TOLERANCE:
        turned = other.size == picture.stored_size
        raise UsageError(
            f"{name} is {width}x{height}, the picture {own_width}x{own_height}",
            hint="it fits the picture as it is stored, but that is seen turned: draw it on what is seen"
            if turned
            else "it must have the picture's size, or at least its shape",
            code="other_picture",
        )
    note = f"{show(other.path)} was scaled from {width}x{height} to {own_width}x{own_height}"
    return other.image.resize(picture.size, Image.Resampling.BILINEAR), [note]


def _recognised(image: Image.Image, alpha: np.ndarray | None, path: str) -> tuple[str, str]:
    if alpha is not None and alpha.min() < 128 <= alpha.max():
        share = float((alpha < 128).mean())
        return "alpha", f"{share:.0%} of it is transparent; --read-as painted for the other part"
    if alpha is not None and alpha.max() < 128:
        raise UsageError(
            f"mask {show(path, limit=None)} is transparent throughout", hint="everything would be edited"
        )
    grey = np.asarray(image.convert("RGB").convert("L"))
    between = float(((grey > _GREY[0]) & (grey < _GREY[1])).mean())
    if between > _MAX_GREY_SHARE:
        raise UsageError(
            f"{show(path, limit=None)} is no mask: {between:.0%} of it is neither black nor white",
            hint="give a black and white picture, or say how to read it with --read-as white",
            code="no_mask",
        )
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    light = float((edge >= 128).mean())
    if light > 0.5 and grey.min() < 128:
        return "black", "its border is white; --read-as white for the other part"
    return "white", "its border is black; --read-as black for the other part"


def _snapped(values: np.ndarray) -> np.ndarray:
    low, high = _SNAP, 255 - _SNAP
    stretched = (np.clip(values, low, high).astype(np.float32) - low) * (255 / (high - low))
    return np.rint(stretched).astype(np.uint8)
