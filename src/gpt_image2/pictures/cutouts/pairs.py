"""Cuts a subject out of two pictures of it on two backgrounds: exact for glass, smoke, glow and hair. Pure.

How much of a background comes through shows in how much the pictures differ (Smith and Blinn's
triangulation). That holds only where both fit: the second is registered to the first, and a pair whose
channels contradict one another is refused.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from PIL import Image

from gpt_image2.core.base.errors import UsageError

from ..files import Picture
from ..filters import grow
from ..registration import Shift, find_shift
from .keying import Cutout, border_colour

#: Both backgrounds must be so far apart in at least one channel.
_MIN_APART = 90.0
#: So near to its background a pixel counts as background (levels of 255).
_NEAR = 14.0
_MIN_BORDER_SHARE = 0.4
MAX_SHIFT_PX = 8
#: The mean contradiction, from 0 to 1, above which a pair does not fit.
MAX_CONTRADICTION = 0.01
#: The same for one tile of so many pixels across, since a part may be drawn anew where the rest fits; tiles
#: with a smaller share of the subject are not looked at.
MAX_TILE_CONTRADICTION, _TILE_PX, _MIN_TILE_SHARE = 0.03, 64, 0.2
#: The shift is refined by what contradicts least, by these steps (px), in bands of so many rows.
_STEPS_PX = (1.0, 0.5, 0.25, 0.125)
_BAND_ROWS, _BANDS = 120, 3
#: The shift that is refined is found in pictures of at most so many pixels.
_COARSE_PIXELS = 2_100_000
#: A shift between pixels must fit so much better than one in whole pixels.
_BETWEEN = 1.03
#: Transparency that is all noise: this much at either end counts as none and as full.
_NOISE = 0.012


def cut_out_pair(first: Picture, second: Picture) -> tuple[Cutout, Shift]:
    """The subject of both pictures, and how far the second lay from the first; `agreement` is 1 where nothing
    contradicts.

    Raises:
        UsageError: they have two sizes, no flat backgrounds, the same one, or do not fit.
    """
    if first.size != second.size:
        raise UsageError(
            "the pair has two sizes, {}x{} and {}x{}".format(*first.size, *second.size),
            hint="make the second picture by editing the first",
        )
    grounds = [flat_ground(picture) for picture in (first, second)]
    apart = np.abs(grounds[0] - grounds[1])
    if apart.max() < _MIN_APART:
        raise UsageError(
            "both pictures have the same background", hint="one needs another, such as white and black"
        )
    pair = _Pair(first.rgb, second.image.convert("RGB"), grounds[0], grounds[1])
    shift = pair.registered(first.image)
    if max(abs(shift.right), abs(shift.down)) > MAX_SHIFT_PX or 1 - shift.agreement > MAX_CONTRADICTION:
        raise UsageError(
            f"the two pictures do not fit: they contradict each other by {1 - shift.agreement:.1%} "
            f"(at most {MAX_CONTRADICTION:.0%}), shifted by {shift.right:.1f} and {shift.down:.1f} px",
            hint="make the second picture again by editing the first, or use --key",
            code="pair_does_not_fit",
        )
    image, worst = pair.image(shift.right, shift.down)
    if worst > MAX_TILE_CONTRADICTION:
        raise UsageError(
            f"a part of the two pictures does not fit: it contradicts itself by {worst:.1%} "
            f"(at most {MAX_TILE_CONTRADICTION:.0%})",
            hint="make the second picture again by editing the first, or use --key",
            code="pair_does_not_fit",
        )
    return Cutout(image, None), shift


class _Pair:
    """Two pictures on two backgrounds."""

    def __init__(
        self, first: np.ndarray, second: Image.Image, ground: np.ndarray, other_ground: np.ndarray
    ) -> None:
        self._first, self._second = first, second
        self._ground, self._apart = ground, other_ground - ground
        is_subject = np.zeros(first.shape[:2], bool)
        for pixels, colour in ((first, ground), (np.asarray(second), other_ground)):
            for channel in range(3):
                is_subject |= np.abs(pixels[..., channel] - colour[channel]) > _NEAR
        if not is_subject.any():
            raise UsageError("there is no subject on the background", hint="look at both pictures")
        self._is_subject, self._bands = is_subject, list(_bands(is_subject))

    def registered(self, first: Image.Image) -> Shift:
        """How far the second lies from the first: by its texture at first, then by what contradicts least."""
        core = grow(self._is_subject, -3).astype(np.uint8) * np.uint8(255)
        coarse = (0, 0)
        if core.any():
            coarse = find_shift(first, self._second, core, MAX_SHIFT_PX, _COARSE_PIXELS).pixels
        known: dict[tuple[float, float], float] = {}

        def contradiction(place: tuple[float, float]) -> float:
            if place not in known:
                # Between pixels the noise is smoothed, which must not count as a better fit.
                whole = place[0] % 1 == place[1] % 1 == 0
                known[place] = self._contradiction(*place) * (1.0 if whole else _BETWEEN)
            return known[place]

        starts = [(0.0, 0.0), (float(coarse[0]), float(coarse[1]))]
        best = min((start for start in starts if max(map(abs, start)) <= MAX_SHIFT_PX), key=contradiction)
        for step in _STEPS_PX:
            while max(map(abs, best)) <= MAX_SHIFT_PX:
                right, down = best
                around = [(right + x * step, down + y * step) for x in (-1, 0, 1) for y in (-1, 0, 1)]
                nearer = min(around, key=contradiction)
                if contradiction(nearer) >= contradiction(best):
                    break
                best = nearer
        return Shift(best[0], best[1], 1 - max(0.0, self._contradiction(*best) - self._noise(*best)))

    def image(self, right: float, down: float) -> tuple[Image.Image, float]:
        """The subject in RGBA, the second picture moved back by this shift; and how far the worst tile of it
        contradicts itself, from 0 to 1."""
        height, width = self._first.shape[:2]
        result = np.zeros((height, width, 4), np.uint8)
        worst = 0.0
        for top in range(0, height, _TILE_PX):
            box = (0, top, width, min(height, top + _TILE_PX))
            first, second, clear, wrong = self._compared(box, right, down)
            worst = max(worst, _worst_tile(wrong, clear < 1 - 2 * _NOISE))
            alpha = np.clip((1 - clear - _NOISE) / (1 - 2 * _NOISE), 0, 1)
            levels = np.rint(alpha * 255).astype(np.uint8)
            share = np.maximum(alpha, 1 / 255)
            part = result[top : box[3]]
            for channel in range(3):
                both = first[..., channel].astype(np.float32) + second[..., channel]
                grounds = 2 * self._ground[channel] + self._apart[channel]
                pure = (both - (1 - alpha) * grounds) / (2 * share)
                part[..., channel] = np.where(levels > 0, np.clip(np.rint(pure), 0, 255), 0)
            part[..., 3] = levels
        return Image.fromarray(result), worst

    def _clear(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """How much of the background comes through (float32), by least squares: 1 is all, noise is beyond."""
        clear = np.zeros(first.shape[:2], np.float32)
        for channel in range(3):
            differs = second[..., channel].astype(np.float32) - first[..., channel]
            clear += differs * np.float32(self._apart[channel] / float((self._apart**2).sum()))
        return clear

    def _contradiction(self, right: float, down: float) -> float:
        """How far the channels contradict each other and what is possible, from 0 to 1: the mean over the
        subject."""
        wrong, there = self._wrong(right, down)
        return float(wrong[there].mean()) if there.any() else 1.0

    def _noise(self, right: float, down: float) -> float:
        """The same over the background, where nothing but noise contradicts."""
        wrong, there = self._wrong(right, down)
        return float(wrong[~there].mean()) if not there.all() else 0.0

    def _wrong(self, right: float, down: float) -> tuple[np.ndarray, np.ndarray]:
        """How wrong each pixel of the bands is, and whether it belongs to the subject."""
        wrongs: list[np.ndarray] = []
        theres: list[np.ndarray] = []
        for box in self._bands:
            _, _, clear, wrong = self._compared(box, right, down)
            wrongs.append(wrong.ravel())
            theres.append((clear < 1 - 2 * _NOISE).ravel())
        return np.concatenate(wrongs), np.concatenate(theres)

    def _compared(
        self, box: tuple[int, int, int, int], right: float, down: float
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """A part of both pictures, how much of the background comes through there, and how wrong that is."""
        left, top, end, bottom = box
        first = self._first[top:bottom, left:end]
        second = _moved_back(self._second, right, down, box)
        clear = self._clear(first, second)
        wrong = np.maximum(-clear, 0)
        for channel in range(3):
            differs = second[..., channel].astype(np.float32) - first[..., channel]
            wrong += np.abs(differs - clear * np.float32(self._apart[channel])) / (3 * 255)
        return first, second, clear, wrong


def _worst_tile(wrong: np.ndarray, there: np.ndarray) -> float:
    """The highest mean of the tiles of a row of them, over what belongs to the subject there."""
    starts = list(range(0, wrong.shape[1], _TILE_PX))
    counts = np.add.reduceat(there.sum(axis=0), starts)
    sums = np.add.reduceat(np.where(there, wrong, 0).sum(axis=0), starts)
    full = counts >= _MIN_TILE_SHARE * _TILE_PX**2
    return float((sums[full] / counts[full]).max(initial=0.0))


def flat_ground(picture: Picture) -> np.ndarray:
    """The colour of the flat background that a picture lies on; a `UsageError` where it has none."""
    rgb = picture.rgb
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    colour = border_colour(border)
    if float((np.abs(border - colour).max(axis=1) <= 2 * _NEAR).mean()) < _MIN_BORDER_SHARE:
        raise UsageError(f"{picture.path} has no flat background", hint="make it on a flat background")
    return colour


def _bands(is_subject: np.ndarray) -> Iterator[tuple[int, int, int, int]]:
    """Boxes (left, top, right, bottom) at top, middle and bottom of the subject, over its width."""
    rows, columns = np.flatnonzero(is_subject.any(axis=1)), np.flatnonzero(is_subject.any(axis=0))
    margin = MAX_SHIFT_PX
    height, width = is_subject.shape
    left, right = max(0, int(columns[0]) - margin), min(width, int(columns[-1]) + 1 + margin)
    top, bottom = max(0, int(rows[0]) - margin), min(height, int(rows[-1]) + 1 + margin)
    if bottom - top <= _BAND_ROWS * _BANDS:
        yield left, top, right, bottom
        return
    for number in range(_BANDS):
        start = top + (bottom - top - _BAND_ROWS) * number // (_BANDS - 1)
        yield left, start, right, start + _BAND_ROWS


def _moved_back(image: Image.Image, right: float, down: float, box: tuple[int, int, int, int]) -> np.ndarray:
    """A part of the picture, moved to the left and up; what comes in at an edge is that edge."""
    left, top, end, bottom = box
    margin = MAX_SHIFT_PX + 4
    whole = image.crop((left - margin, top - margin, end + margin, bottom + margin))
    pixels = np.asarray(whole)
    height, width = image.height, image.width
    rows = np.clip(np.arange(top - margin, bottom + margin), 0, height - 1) - (top - margin)
    columns = np.clip(np.arange(left - margin, end + margin), 0, width - 1) - (left - margin)
    whole = Image.fromarray(pixels[rows][:, columns])
    size = (end - left, bottom - top)
    if right % 1 == down % 1 == 0:
        across, below = margin + int(right), margin + int(down)
        return np.asarray(whole.crop((across, below, across + size[0], below + size[1])))
    shift = (1, 0, margin + right, 0, 1, margin + down)
    return np.asarray(whole.transform(size, Image.Transform.AFFINE, shift, Image.Resampling.BICUBIC))
