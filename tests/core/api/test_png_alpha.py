"""What is transparent in a PNG is found without working its pixels out, whatever wrote it."""

from __future__ import annotations

import random
import struct
import zlib
from typing import List, Optional, Sequence, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpt_image2.core.api.png_alpha import Alpha, alpha_of, clear_share_of
from gpt_image2.core.api.request import InputImage

EDGES = st.integers(min_value=1, max_value=9)
DICE = st.randoms(use_true_random=False)
#: How likely each pixel is opaque, and likewise clear.
LOOKS = {"opaque": (1.0, 0.0), "clear": (0.0, 1.0), "one in ten": (0.9, 0.05), "noise": (0.3, 0.3)}


def written(folder: pytest.TempPathFactory, data: bytes, width: int, height: int) -> InputImage:
    path = folder.mktemp("drawn") / "drawn.png"
    path.write_bytes(data)
    return InputImage(str(path), path.name, "png", width, height, 0, True)


def found_in(folder: pytest.TempPathFactory, data: bytes, width: int, height: int) -> Alpha:
    return alpha_of(written(folder, data, width, height))


def share_in(folder: pytest.TempPathFactory, data: bytes, width: int, height: int) -> Optional[float]:
    return clear_share_of(written(folder, data, width, height))


def expected_of(alphas: List[int], full: int) -> Alpha:
    if min(alphas) == full:
        return Alpha.OPAQUE
    return Alpha.SOME if max(alphas) else Alpha.CLEAR


@given(
    EDGES, EDGES, st.sampled_from([(4, 8), (4, 16), (6, 8), (6, 16)]), st.sampled_from(sorted(LOOKS)), DICE
)
def test_property_an_alpha_channel_is_read_whatever_the_filters(
    tmp_path_factory: pytest.TempPathFactory,
    width: int,
    height: int,
    kind: Tuple[int, int],
    look: str,
    dice: random.Random,
) -> None:
    colours, depth = kind
    sample, full = depth // 8, 2**depth - 1
    step = (2 if colours == 4 else 4) * sample
    alphas = [drawn_by(look, full, dice) for _ in range(width * height)]
    rows = [
        b"".join(
            bytes(dice.randrange(256) for _ in range(step - sample)) + alpha.to_bytes(sample, "big")
            for alpha in alphas[start : start + width]
        )
        for start in range(0, width * height, width)
    ]
    data = png_of(rows, step, (width, height, depth, colours), b"", range(5), dice)
    assert found_in(tmp_path_factory, data, width, height) is expected_of(alphas, full)


@given(EDGES, EDGES, st.sampled_from([1, 2, 4, 8]), st.integers(0, 5), DICE)
def test_property_a_palette_counts_by_the_entries_that_are_in_use(
    tmp_path_factory: pytest.TempPathFactory,
    width: int,
    height: int,
    depth: int,
    told: int,
    dice: random.Random,
) -> None:
    entries = min(2**depth, 6)
    used = dice.sample(range(entries), dice.randrange(1, entries + 1))
    palette = [dice.choice((0, 0, 128, 255)) for _ in range(told)]
    indices = [dice.choice(used) for _ in range(width * height)]
    rows: List[bytes] = []
    for start in range(0, width * height, width):
        bits = "".join(f"{index:0{depth}b}" for index in indices[start : start + width])
        padded = bits + "".join(dice.choice("01") for _ in range(-len(bits) % 8))
        rows.append(int(padded, 2).to_bytes(len(padded) // 8, "big"))
    before = chunk(b"PLTE", bytes(3 * 2**depth)) + (chunk(b"tRNS", bytes(palette)) if told else b"")
    data = png_of(rows, 1, (width, height, depth, 3), before, range(3), dice)
    alphas = [palette[index] if index < told else 255 for index in indices]
    assert found_in(tmp_path_factory, data, width, height) is expected_of(alphas, 255)


@given(EDGES, EDGES, st.sampled_from([4, 6]), st.sampled_from(sorted(LOOKS)), DICE)
def test_property_the_share_of_a_mask_is_that_of_its_pixels(
    tmp_path_factory: pytest.TempPathFactory,
    width: int,
    height: int,
    colours: int,
    look: str,
    dice: random.Random,
) -> None:
    step = 2 if colours == 4 else 4
    alphas = [drawn_by(look, 255, dice) for _ in range(width * height)]
    pixels = [bytes(dice.randrange(256) for _ in range(step - 1)) + bytes([alpha]) for alpha in alphas]
    rows = [b"".join(pixels[start : start + width]) for start in range(0, width * height, width)]
    data = png_of(rows, step, (width, height, 8, colours), b"", range(3), dice)
    share = share_in(tmp_path_factory, data, width, height)
    assert share == pytest.approx(1 - sum(alphas) / (255 * width * height))
    assert share_in(tmp_path_factory, data, width, height + 1) is None, "a row is missing"


@pytest.mark.parametrize("number", [3, 4])
def test_no_share_is_told_where_working_it_out_would_take_long(
    tmp_path_factory: pytest.TempPathFactory, number: int
) -> None:
    data = png_of([bytes(4)], 4, (1, 1, 8, 6), b"", [number], random.Random(1))
    assert share_in(tmp_path_factory, data, 1, 1) is None


@pytest.mark.parametrize("interlaced, colours, number", [(1, 6, 0), (0, 2, 0), (0, 3, 4)])
def test_what_would_take_long_is_not_worked_out(
    tmp_path_factory: pytest.TempPathFactory, interlaced: int, colours: int, number: int
) -> None:
    step = {6: 4, 2: 3, 3: 1}[colours]
    before = chunk(b"tRNS", bytes(6))
    data = png_of([bytes(step)], step, (1, 1, 8, colours), before, [number], random.Random(1), interlaced)
    assert found_in(tmp_path_factory, data, 1, 1) is Alpha.UNKNOWN


def drawn_by(look: str, full: int, dice: random.Random) -> int:
    opaque, clear = LOOKS[look]
    drawn = dice.random()
    return full if drawn < opaque else 0 if drawn < opaque + clear else dice.randrange(1, full)


def png_of(
    rows: List[bytes],
    step: int,
    header: Tuple[int, int, int, int],
    before: bytes,
    filters: Sequence[int],
    dice: random.Random,
    interlaced: int = 0,
) -> bytes:
    """A PNG of these rows, each by a filter of its own; `before` are chunks that stand before the pixels."""
    out, above = bytearray(), bytes(len(rows[0]))
    for row in rows:
        number = dice.choice(filters)
        out.append(number)
        for at, value in enumerate(row):
            left, corner = (row[at - step], above[at - step]) if at >= step else (0, 0)
            guess = left + above[at] - corner
            nearest = min((left, above[at], corner), key=lambda each: abs(guess - each))
            out.append((value - (0, left, above[at], (left + above[at]) // 2, nearest)[number]) & 255)
        above = row
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *header, 0, 0, interlaced))
    return (
        b"\x89PNG\r\n\x1a\n" + head + before + chunk(b"IDAT", zlib.compress(bytes(out))) + chunk(b"IEND", b"")
    )


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
