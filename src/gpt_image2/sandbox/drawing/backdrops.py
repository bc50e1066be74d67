"""Pictures of low quality: landscapes that are kept painted and compressed, and a caption for each prompt.

What is kept is limited in bytes. Safe for threads.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image

from .artist import Backdrop, backdrop_for, note_for, paint_backdrop
from .caption import draw_caption, lay_out
from .keeping import Kept
from .png_rows import Head, head_of, png_of

_CAPACITY_BYTES = 96 * 1024 * 1024
_ROWS_PER_MARK = 16


@dataclass(frozen=True)
class _Painted:
    """A backdrop: its upper rows compressed, its lower half, and the row above that, as an image."""

    head: Head
    foot: Image.Image = field(repr=False)
    foot_top: int


class Backdrops:
    """Draws opaque PNGs of low quality for the sizes that the API draws."""

    def __init__(self) -> None:
        self._kept: Kept[_Painted] = Kept(_CAPACITY_BYTES, _size_bytes)

    def png(self, prompt: str, index: int, size: tuple[int, int], description: str) -> bytes:
        """The picture for a prompt: the same as `artist.scene` draws."""
        layout = lay_out(size, prompt)
        assert layout is not None and layout.box[1] >= size[1] // 2, "no size of the API is so small"
        backdrop = backdrop_for(prompt, index)
        painted = self._kept.get((backdrop, size), lambda: _paint(backdrop, size))
        mark = painted.head.mark_above(layout.box[1])
        top = mark.row - 1
        foot = painted.foot.crop((0, top - painted.foot_top, size[0], size[1] - painted.foot_top))
        draw_caption(foot, layout, backdrop.palette, note_for(size, "low", index), above=top)
        return png_of(painted.head, mark, foot, description)


def _paint(backdrop: Backdrop, size: tuple[int, int]) -> _Painted:
    image = paint_backdrop(backdrop, size)
    middle = size[1] // 2
    return _Painted(
        head_of(image, middle, _ROWS_PER_MARK), image.crop((0, middle - 1, *size)), foot_top=middle - 1
    )


def _size_bytes(painted: _Painted) -> int:
    return len(painted.head.data) + 3 * painted.foot.width * painted.foot.height
