"""Pictures of a wanted size in bytes, and which files hold a whole one."""

from __future__ import annotations

import random
import struct
import sys
import zlib
from pathlib import Path

from PIL import Image

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_END = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_WIDTH = 1024
_ROW_BYTES = 1 + 3 * _WIDTH


def noise_png(size_bytes: int, seed: int = 6) -> bytes:
    """A valid RGB PNG of noise, a little over `size_bytes` long; the same one for the same arguments."""
    height = max(1, -(-size_bytes // _ROW_BYTES))
    dice = random.Random(seed)  # noqa: S311
    rows = b"".join(b"\x00" + dice.randbytes(_ROW_BYTES - 1) for _ in range(height))
    header = struct.pack(">IIBBBBB", _WIDTH, height, 8, 2, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 0)) + _END


def count_whole(folder: Path, size_bytes: int) -> int:
    """How many files below a folder begin and end as a PNG and have exactly this size."""
    return sum(1 for path in _files(folder) if path.stat().st_size == size_bytes and _is_png(path))


def count_decodable(folder: Path) -> tuple[int, int]:
    """How many files below a folder are images to the last pixel, and how many are only called so."""
    whole = broken = 0
    for path in _files(folder):
        if path.suffix not in (".png", ".jpg", ".jpeg", ".webp"):
            continue
        if _decodes(path):
            whole += 1
        else:
            broken += 1
    return whole, broken


def _decodes(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.load()
    except OSError:
        return False
    return True


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _is_png(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(len(_SIGNATURE))
        file.seek(-len(_END), 2)
        return start == _SIGNATURE and file.read() == _END


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    _picture = noise_png(int(sys.argv[1]))
    for _path in sys.argv[2:]:
        Path(_path).write_bytes(_picture)
