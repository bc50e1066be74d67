"""Small copies of pictures, made once and kept by their content. Writes below the studio's own folder."""

from __future__ import annotations

import io
import warnings
from contextlib import suppress
from pathlib import Path
from threading import BoundedSemaphore

from PIL import Image

from ..writing import write_bytes

_EDGE_PX = 384
_QUALITY = 82
_FORMATS = ("PNG", "JPEG", "WEBP", "GIF")
#: Twice what the API makes at most; more is no picture of ours.
_MAX_PIXELS = 40_000_000
MEDIA_TYPE = "image/webp"
#: Decoding takes memory: of the largest pictures 33 MB each.
_AT_ONCE = 2


class Thumbnails:
    """The thumbnails of one studio, in files named by the SHA-256 of the picture."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turns = BoundedSemaphore(_AT_ONCE)

    def known(self, sha256: str) -> bytes | None:
        """The thumbnail of that content, where there is one; its picture need not be there any more."""
        try:
            return self._path(sha256).read_bytes()
        except OSError:
            return None

    def make(self, path: Path, sha256: str) -> bytes | None:
        """The thumbnail of a picture, made and kept; None where it cannot be decoded."""
        with self._turns:
            known = self.known(sha256)
            data = known or small_copy(path)
        if known is None and data is not None:
            with suppress(OSError):  # it is shown all the same, and made again next time
                write_bytes(self._path(sha256), data)
        return data

    def _path(self, sha256: str) -> Path:
        return self._folder / sha256[:2] / f"{sha256}.webp"


def small_copy(path: Path) -> bytes | None:
    """A copy of at most 384 pixels an edge as webp; None where it cannot be decoded."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path, formats=_FORMATS) as image:
                if image.width * image.height > _MAX_PIXELS:
                    return None
                image.draft("RGB", (_EDGE_PX, _EDGE_PX))
                small = image.convert("RGBA" if image.has_transparency_data else "RGB")
                small.thumbnail((_EDGE_PX, _EDGE_PX), Image.Resampling.BOX)
                out = io.BytesIO()
                small.save(out, "WEBP", quality=_QUALITY, method=2)
                return out.getvalue()
    except Exception:  # Pillow raises what its decoders raise
        return None
