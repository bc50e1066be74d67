"""Cuts a subject out of a flat background by that colour, the key. Pure.

Transparency is the colour difference of film (Vlahos): how much more a pixel has of the key's strong channels
than of its weak ones, compared with the key itself. Of a soft pixel that is the least transparency, as if its
own colour were next to the key's; what is likelier is weighed in `mixtures`. What it has of the key is then
taken out of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from gpt_image2.core.base.errors import UsageError

from ..filters import filled_in, grow
from ..regions import enclosed_by_kind
from .mixtures import opacity

HOLES = ("auto", "fill", "keep")
#: A pixel of the border is of the key where no channel is off by more.
_KEY_TOLERANCE = 28
#: At least so much of the border must be of the key.
_MIN_BORDER_SHARE = 0.4
#: A key whose channels differ by less is grey, and has no colour difference.
_MIN_DIFFERENCE = 64.0
#: Transparency that is all noise: this much at either end counts as none and as full.
_NOISE = 0.03
#: Of a grey key: so near to it is clear, so far from it opaque.
_GREY_NEAR, _GREY_FAR = 10.0, 48.0
#: The edge of something opaque on such a key is at most so wide.
_EDGE_PX = 3
#: An enclosed region this near to the key is a hole; another is a part of the subject of a like colour. What
#: can be so opaque encloses.
_HOLE_TOLERANCE = 14
_SOLID = 0.99
_BUCKET = 8


@dataclass(frozen=True)
class Cutout:
    """A subject on nothing: RGBA, clear pixels without colour. `key` is the colour that was taken out."""

    image: Image.Image
    key: tuple[int, int, int] | None
    notes: tuple[str, ...] = ()

    @property
    def alpha(self) -> np.ndarray:
        """Its alpha channel (height x width, uint8)."""
        return np.asarray(self.image.getchannel("A"))


def cut_out(rgb: np.ndarray, key: tuple[int, int, int] | None = None, holes: str = "auto") -> Cutout:
    """The subject of a picture (height x width x 3, uint8) on a flat background.

    Without a key, the colour of most of the border is taken. `holes` says what becomes of regions of the key
    that the subject encloses: `fill` makes them opaque, `keep` clear, `auto` keeps those of exactly the key.

    Raises:
        UsageError: the border has no such colour, or nothing is left.
    """
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    found = border_colour(border) if key is None else np.array(key, np.float32)
    share = float((np.abs(border - found).max(axis=1) <= _KEY_TOLERANCE).mean())
    name = "#{:02x}{:02x}{:02x}".format(*map(round, found.tolist()))
    if share < _MIN_BORDER_SHARE:
        raise UsageError(
            f"only {share:.0%} of the border has the colour {name}, so the background is not flat",
            hint="name another colour with --key, or make the picture on a flat background",
            code="no_flat_background",
        )
    alpha, most, notes = _alpha(rgb, found)
    alpha, said = _with_holes(alpha, most, rgb, found, holes)
    if not (alpha > 0.5).any():
        raise UsageError(f"nothing is left once {name} is taken out", hint="name another colour with --key")
    red, green, blue = (round(value) for value in found.tolist())
    return Cutout(unmixed(rgb, alpha, found), (red, green, blue), (*notes, *said))


def border_colour(border: np.ndarray) -> np.ndarray:
    """The colour that most of these pixels (n x 3) have: the median of the fullest bucket and its like."""
    buckets = (border // _BUCKET).astype(np.int32) @ np.array([1 << 16, 1 << 8, 1])
    values, counts = np.unique(buckets, return_counts=True)
    fullest = border[buckets == values[counts.argmax()]].mean(axis=0)
    like = border[np.abs(border - fullest).max(axis=1) <= _KEY_TOLERANCE]
    return np.median(like, axis=0).astype(np.float32)


def unmixed(rgb: np.ndarray, alpha: np.ndarray, key: np.ndarray) -> Image.Image:
    """The picture as RGBA with the key taken out of its soft pixels, and clear ones without colour."""
    result = np.zeros((*alpha.shape, 4), np.uint8)
    levels = np.rint(alpha * 255).astype(np.uint8)
    soft = np.maximum(alpha, 1 / 255)
    for channel in range(3):
        pure = (rgb[..., channel] - (1 - alpha) * key[channel]) / soft
        result[..., channel] = np.where(levels > 0, np.clip(np.rint(pure), 0, 255), 0)
    result[..., 3] = levels
    return Image.fromarray(result)


def colour_difference(rgb: np.ndarray, key: np.ndarray) -> np.ndarray:
    """How much of a key, no grey one, each pixel has (float32): 1 is the key itself, 0 or less has none."""
    strong = key >= (key.max() + key.min()) / 2
    least = np.min([rgb[..., channel] for channel in np.flatnonzero(strong)], axis=0).astype(np.float32)
    most = np.max([rgb[..., channel] for channel in np.flatnonzero(~strong)], axis=0)
    return (least - most) / np.float32(_range_of(key))


def has_colour(key: np.ndarray) -> bool:
    """Whether a key is far enough from grey to tell how much of it a pixel has."""
    return _range_of(key) >= _MIN_DIFFERENCE


def _range_of(key: np.ndarray) -> float:
    """How far the strong channels of a key are above its weak ones (levels of 255)."""
    strong = key >= (key.max() + key.min()) / 2
    return 0.0 if strong.all() else float(key[strong].min() - key[~strong].max())


def _alpha(rgb: np.ndarray, key: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """How opaque each pixel is, from 0 to 1 (float32), and at most can be."""
    if not has_colour(key):
        note = "the background is grey: soft parts are guessed; a green or magenta one is better"
        alpha = _alpha_of_grey(rgb, key)
        return alpha, alpha, [note]
    most = (1 - colour_difference(rgb, key) - _NOISE) / (1 - 2 * _NOISE)
    return opacity(rgb, key, most), most, []


def _alpha_of_grey(rgb: np.ndarray, key: np.ndarray) -> np.ndarray:
    """How opaque each pixel is, by its distance to a key without colour; along the edge of what is opaque, by
    how far it is on the way from the key to the colour within."""
    far = np.zeros(rgb.shape[:2], np.float32)
    for channel in range(3):
        np.maximum(far, np.abs(rgb[..., channel] - key[channel]), out=far)
    alpha = np.clip((far - _GREY_NEAR) / (_GREY_FAR - _GREY_NEAR), 0, 1)
    core = grow(alpha == 1, -(_EDGE_PX // 2))
    edge = grow(core, _EDGE_PX) & ~core
    known = core.astype(np.float32)
    way, whole = np.zeros(edge.sum(), np.float32), np.full(edge.sum(), 1e-3, np.float32)
    for channel in range(3):
        within = filled_in(rgb[..., channel] * known, known)[edge] - key[channel]
        way += (rgb[..., channel][edge] - key[channel]) * within
        whole += within**2
    alpha[edge] = np.clip(way / whole, 0, 1)
    return alpha


def _with_holes(
    alpha: np.ndarray, most: np.ndarray, rgb: np.ndarray, key: np.ndarray, holes: str
) -> tuple[np.ndarray, list[str]]:
    """Alpha with what the subject encloses made opaque where it is its own; what was done.

    What has nothing of the key encloses, also where it is soft: a glow parts a tint of the subject from the
    background.
    """
    of_key = np.full(alpha.shape, holes != "fill")
    if holes == "auto":
        for channel in range(3):
            of_key &= np.abs(rgb[..., channel] - key[channel]) <= _HOLE_TOLERANCE
    found = enclosed_by_kind(most < _SOLID, of_key)
    notes: list[str] = []
    if found.others_count:
        notes.append(f"enclosed regions filled: {found.others_count}")
    if found.marked_count:
        notes.append(f"enclosed holes left clear: {found.marked_count}")
    return np.where(found.others, np.float32(1), alpha), notes
