"""Looks at a picture and says what holds: its size, weight and transparency, and what an edit changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image

from .files import Picture
from .filters import grow
from .regions import enclosed

#: Alpha up to this counts as clear, from that on as opaque (of 255).
CLEAR, OPAQUE = 8, 247
#: A transparent background clears at least so much of a picture, and of its border.
_MIN_CLEAR_SHARE, _MIN_CLEAR_BORDER = 0.005, 0.5
_KB = 1000

#: A painted checkerboard is looked for in frames of the picture, wide and narrow ones, reduced to this edge.
_BOARD_EDGE, _BOARD_FRAMES = 640, (0.15, 0.06, 0.02)
_BOARD_CELLS_PX = range(3, 49)
_BOARD_GREY, _BOARD_SHARE, _BOARD_SCORE, _BOARD_CONTRAST = 18, 0.3, 0.5, 3.0


@dataclass(frozen=True)
class Verdict:
    """Whether one thing holds, in words and in figures."""

    name: str
    ok: bool
    detail: str
    figures: Mapping[str, object]

    def as_json(self) -> dict[str, object]:
        """As the JSON has it."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "figures": dict(self.figures)}


def check_size(picture: Picture, wished: tuple[int, int]) -> Verdict:
    """Whether it has exactly that size, as it is seen."""
    width, height = picture.size
    detail = f"it is {width}x{height}" + ("" if picture.size == wished else ", not {}x{}".format(*wished))
    return Verdict("size", picture.size == wished, detail, {"width": width, "height": height})


def check_weight(picture: Picture, max_kb: float) -> Verdict:
    """Whether its file has at most so many KB (of 1000 bytes)."""
    kb = picture.size_bytes / _KB
    ok = kb <= max_kb
    detail = f"it has {kb:,.0f} KB" + ("" if ok else f", more than {max_kb:,.0f}")
    return Verdict("max_kb", ok, detail, {"bytes": picture.size_bytes})


def check_alpha(picture: Picture) -> list[Verdict]:
    """Whether its background is transparent: alpha, a clear border, no checkerboard painted instead."""
    alpha = alpha_of(picture)
    clear = alpha <= CLEAR
    soft = ~clear & (alpha < OPAQUE)
    holes, count = enclosed(clear, least_px=max(4, alpha.size // 100_000))
    figures: dict[str, object] = {
        "clear_share": _rounded(clear.mean()),
        "soft_share": _rounded(soft.mean()),
        "holes": count,
        "holes_share": _rounded(holes.mean()),
    }
    ok = float(clear.mean()) >= _MIN_CLEAR_SHARE
    held = f"{clear.mean():.1%} of it is clear, {soft.mean():.1%} soft"
    if count:
        held += f", {count} {'hole' if count == 1 else 'holes'} of {holes.mean():.2%} within"
    missing = "it has no alpha channel" if not picture.has_alpha else f"almost nothing is clear ({held})"
    verdicts = [Verdict("transparency", ok, held if ok else missing, figures)]
    border = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
    touched = float((border > CLEAR).mean())
    detail = f"{touched:.0%} of the border is touched"
    verdicts.append(
        Verdict("border", touched <= 1 - _MIN_CLEAR_BORDER, detail, {"touched_share": _rounded(touched)})
    )
    score = checkerboard_score(picture.image)
    painted = score >= _BOARD_SCORE
    words = "a checkerboard is painted instead of transparency" if painted else "no checkerboard is painted"
    verdicts.append(Verdict("checkerboard", not painted, words, {"score": _rounded(score)}))
    return verdicts


def check_against(
    picture: Picture, source: Picture, area: np.ndarray | None, tolerance: int = 0
) -> list[Verdict]:
    """Whether it differs from its source only inside the mask (uint8, above 0: may change), and there at all.

    Without a mask: whether it differs nowhere. A channel that is off by the tolerance or less is the same.
    """
    if picture.size != source.size:
        sizes = "it is {}x{}, the source {}x{}".format(*picture.size, *source.size)
        return [Verdict("outside" if area is not None else "same", False, sizes, {"changed": None})]
    changed = differences(picture.image, source.image) > tolerance
    if area is None:
        return [_unchanged("same", changed, "")]
    outside = changed & (area == 0)
    inside = changed & (area > 0)
    share = float(inside.sum() / max(1, int((area > 0).sum())))
    figures = {"changed": int(inside.sum()), "share": _rounded(share)}
    return [
        _unchanged("outside", outside, " outside the mask"),
        Verdict("inside", bool(inside.any()), f"{share:.0%} of what is inside the mask changed", figures),
    ]


def heat_map(picture: Picture, source: Picture, area: np.ndarray | None) -> Image.Image:
    """What changed, from black over red to white, laid over the faded source; the mask's edge in blue."""
    heat = differences(picture.image, source.image).astype(np.uint16)
    grey = np.asarray(source.image.convert("L"), np.uint16) // 4
    shown = np.empty((*heat.shape, 3), np.uint8)
    for channel, start in enumerate((0, 85, 170)):  # red first, then yellow, then white
        glow = np.clip((np.minimum(heat * 4, 255).astype(np.int16) - start) * 3, 0, 255)
        shown[..., channel] = np.maximum(glow, grey if channel else np.maximum(grey, glow))
    if area is not None:
        inside = area > 0
        shown[grow(inside, max(1, min(heat.shape) // 500)) & ~inside] = (60, 140, 255)
    return Image.fromarray(shown)


def differences(one: Image.Image, two: Image.Image) -> np.ndarray:
    """How far apart both are at each pixel, in the channel that differs most (height x width, uint8)."""
    mode = "RGBA" if "RGBA" in (one.mode, two.mode) else "RGB"
    first, second = (np.asarray(image.convert(mode)) for image in (one, two))
    most = np.zeros(first.shape[:2], np.uint8)
    for channel in range(first.shape[2]):
        high, low = (pick(first[..., channel], second[..., channel]) for pick in (np.maximum, np.minimum))
        np.maximum(most, high - low, out=most)
    return most


def alpha_of(picture: Picture) -> np.ndarray:
    """Its alpha channel (height x width, uint8); 255 throughout where it has none."""
    if picture.has_alpha:
        return np.asarray(picture.image.getchannel("A"))
    return np.full((picture.size[1], picture.size[0]), 255, np.uint8)


def checkerboard_score(image: Image.Image) -> float:
    """How much the outer part of a picture looks like a checkerboard in two greys: 1 for a perfect one.

    A checkerboard is its own opposite when it is moved by one cell across or down, itself when it is moved by
    both, and neither when it is moved by half of both; for the size of cell that fits best.
    """
    small = image.convert("RGBA")
    small = small.reduce(max(1, -(-max(small.size) // _BOARD_EDGE)))
    pixels = np.asarray(small).astype(np.int16)
    return max(_score_in_frame(pixels, share) for share in _BOARD_FRAMES)


def _score_in_frame(pixels: np.ndarray, share: float) -> float:
    height, width = pixels.shape[:2]
    rim = max(2, round(min(height, width) * share))
    rgb = pixels[..., :3]
    grey = (rgb.max(axis=-1) - rgb.min(axis=-1) <= _BOARD_GREY) & (pixels[..., 3] >= OPAQUE)
    grey[rim : height - rim, rim : width - rim] = False
    frame = height * width - max(0, height - 2 * rim) * max(0, width - 2 * rim)
    if grey.sum() < frame * _BOARD_SHARE:
        return 0.0
    levels = rgb.mean(axis=-1, dtype=np.float32)
    levels = np.where(grey, levels - levels[grey].mean(), 0).astype(np.float32)
    if float(levels[grey].std()) < _BOARD_CONTRAST:
        return 0.0
    cells = [cell for cell in _BOARD_CELLS_PX if 2 * cell < min(height, width)]
    return max((_board_fit(levels, grey, cell) for cell in cells), default=0.0)


def _board_fit(levels: np.ndarray, grey: np.ndarray, cell: int) -> float:
    moves = ((-1, cell, 0), (-1, 0, cell), (1, cell, cell))
    fit = min(sign * _correlation(levels, grey, down, right) for sign, down, right in moves)
    if fit < _BOARD_SCORE:
        return fit
    half = cell // 2  # slanted stripes pass so far: they look the same along the slant
    along = (_correlation(levels, grey, half, half), _correlation(levels[::-1], grey[::-1], half, half))
    return min(fit, *(1 - abs(each) for each in along))


def _correlation(levels: np.ndarray, known: np.ndarray, down: int, right: int) -> float:
    height, width = levels.shape
    one, two = np.s_[down:, right:], np.s_[: height - down, : width - right]
    both = known[one] & known[two]
    first, second = levels[one][both], levels[two][both]
    energy = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / energy if energy else 0.0


def _unchanged(name: str, changed: np.ndarray, where: str) -> Verdict:
    count = int(changed.sum())
    said = f"{count:,} {'pixel' if count == 1 else 'pixels'} changed{where}"
    return Verdict(name, count == 0, said, {"changed": count, "share": _rounded(changed.mean())})


def _rounded(value: float | np.floating) -> float:
    return round(float(value), 6)
