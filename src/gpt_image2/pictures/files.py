"""Opens pictures and saves them: the only place of this layer that touches files.

A picture is opened as it is seen: upright, 8 bits a channel, RGB or RGBA; what was done to get there is said.
Decompression bombs are refused by Pillow's own limit, and whatever a decoder raises becomes one line.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from gpt_image2.core.api.images import saved_image_at
from gpt_image2.core.api.odd_inputs import BOMB
from gpt_image2.core.base.errors import OutputError, UsageError
from gpt_image2.core.base.outcome import SavedImage
from gpt_image2.core.base.redact import show
from gpt_image2.core.outputs.files import open_part, prepare_folder, rename, write_all, write_whole
from gpt_image2.core.outputs.ours import check_replaceable

#: What is opened; left out are formats that start another program (EPS) or are seldom pictures.
_OPENED = (
    *("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "ICO", "JPEG2000", "PPM", "PSD"),
)
#: What is written, by the extension of the file's name.
_WRITTEN = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_UNREADABLE = (
    *(OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError),
    *(MemoryError, RuntimeError, struct.error, zlib.error, UnidentifiedImageError),
)
_ORIENTATION = 0x0112
_BITS_PER_SAMPLE = 258
_HEAD_BYTES = 512
#: What a jpeg is saved at where nobody asks for another quality.
JPEG_QUALITY = 95
_LEAST_QUALITY = 20


@dataclass(frozen=True)
class Picture:
    """A picture as it is seen. `format` is the file's own, lower case; `stored_size` its pixels before it was
    turned; `notes` say what was done to it, `icc_profile` what its colours mean (None: sRGB)."""

    path: str
    image: Image.Image
    format: str
    stored_size: tuple[int, int]
    size_bytes: int
    notes: tuple[str, ...] = ()
    icc_profile: bytes | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as it is seen."""
        return self.image.size

    @property
    def has_alpha(self) -> bool:
        """Whether it has an alpha channel."""
        return self.image.mode == "RGBA"

    @property
    def rgb(self) -> np.ndarray:
        """Its colours: height x width x 3, uint8."""
        return np.asarray(self.image.convert("RGB"))


def open_picture(path: str, what: str = "picture") -> Picture:
    """The picture in a file.

    Raises:
        UsageError: it is missing, no picture, broken, or a decompression bomb.
    """
    name = f"{what} {show(path, limit=None)}"
    full = os.path.abspath(os.path.expanduser(path))
    try:
        if not os.path.isfile(full):
            kind = "a folder" if os.path.isdir(full) else "no file" if os.path.exists(full) else "missing"
            raise UsageError(f"{name} is {kind}", hint="give the path of a picture")
        with open(full, "rb") as file:
            head = file.read(_HEAD_BYTES)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            _register_heif(head)
            Image.init()
            with Image.open(full, formats=[each for each in _OPENED if each in Image.OPEN]) as image:
                image.load()
                kind = "jpeg" if image.format == "MPO" else (image.format or "").lower()
                profile: bytes | None = image.info.get("icc_profile") or None
                seen, notes, profile = _as_seen(image, _bits(image, head), profile)
                return Picture(full, seen, kind, image.size, os.path.getsize(full), notes, profile)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        limit = f"{Image.MAX_IMAGE_PIXELS or 0:,}"
        raise UsageError(
            f"{name} has more than {limit} pixels, so many may be a decompression bomb",
            hint="scale it down with the program that made it",
            code=BOMB,
        ) from None
    except _UNREADABLE as error:
        raise UsageError(
            f"cannot read {name}: {_reason(error, head_of(full))}",
            hint="give a whole png, jpeg, webp, heic, avif, gif, bmp or tiff file",
            code="unreadable_image",
        ) from None


def head_of(path: str) -> bytes:
    """The first bytes of a file, empty where it cannot be read."""
    with suppress(OSError), open(path, "rb") as file:
        return file.read(_HEAD_BYTES)
    return b""


def _reason(error: BaseException, head: bytes) -> str:
    start = head.lstrip()[:200].lower()
    if b"<svg" in start:
        return "it is svg, a drawing and no pixels"
    if start.startswith(b"%pdf"):
        return "it is a pdf"
    if not head:
        return getattr(error, "strerror", None) or "it is empty"
    if isinstance(error, UnidentifiedImageError):
        if head[4:8] == b"ftyp":
            return "it begins as heic or avif, and is broken"
        return "it is not a picture of a known format"
    return show(str(error)) or type(error).__name__


def _register_heif(head: bytes) -> None:
    """Teaches Pillow HEIC, once it is needed. AVIF it reads by itself."""
    if head[4:8] == b"ftyp" and head[8:12] not in (b"avif", b"avis"):
        import pillow_heif

        pillow_heif.register_heif_opener()


def _bits(image: Image.Image, head: bytes) -> int:
    """Bits a channel as they are stored; Pillow keeps 8 of most."""
    if image.format == "PNG" and len(head) > 24:
        return head[24]
    if image.format == "TIFF":
        return max(getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE) or (8,))
    return 16 if image.mode.startswith("I;16") else 8


def _as_seen(
    image: Image.Image, bits: int, profile: bytes | None
) -> tuple[Image.Image, tuple[str, ...], bytes | None]:
    """The image upright, in RGB or RGBA, with what was done to it and the profile that its colours have."""
    notes: list[str] = []
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":
        notes.append(f"the first of {frames} frames")
    orientation = image.getexif().get(_ORIENTATION, 1)
    if orientation in range(2, 9):
        image = ImageOps.exif_transpose(image)
        notes.append(f"turned upright (EXIF orientation {orientation})")
    if bits > 8:
        notes.append(f"{bits} bits a channel reduced to 8")
    if image.mode.startswith(("I", "F")):
        image = _grey_of(image, bits)
    if image.mode == "CMYK":
        notes.append("CMYK turned into RGB")
        image, profile = _rgb_of_cmyk(image, profile), None
    elif image.mode in ("P", "PA"):
        notes.append("palette turned into colours")
    elif image.mode in ("LAB", "YCbCr", "HSV"):
        notes.append(f"{image.mode} turned into RGB")
        profile = None
    if image.mode in ("1", "L", "LA", "I", "F"):
        profile = None  # a profile for grey does not fit RGB
    mode = "RGBA" if image.has_transparency_data else "RGB"
    seen = image.convert(mode)
    seen.info.clear()  # what a file says besides (a place, a profile) would go into files made of it
    return seen, tuple(notes), profile


def _grey_of(image: Image.Image, bits: int) -> Image.Image:
    """Grey of more than 8 bits as 8: Pillow would cut the light parts off."""
    values = np.asarray(image).astype(np.float32)
    white = 1.0 if image.mode == "F" and values.max(initial=0) <= 1 else float(2 ** min(bits, 16) - 1)
    return Image.fromarray(np.clip(values * (255 / white) + 0.5, 0, 255).astype(np.uint8))


def _rgb_of_cmyk(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        with suppress(ImageCms.PyCMSError, OSError):
            turned = ImageCms.profileToProfile(image, _opened(profile), _opened(None), outputMode="RGB")
            if turned is not None:
                return turned
    return image.convert("RGB")


def _opened(profile: bytes | None) -> ImageCms.ImageCmsProfile:
    """A profile; sRGB for None."""
    if profile is None:
        return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownArgumentType]
    return ImageCms.ImageCmsProfile(io.BytesIO(profile))


def in_colours_of(picture: Picture, profile: bytes | None) -> Image.Image:
    """The picture's image with its colours as another profile writes them (None: sRGB)."""
    if picture.icc_profile == profile:
        return picture.image
    try:
        source, target = _opened(picture.icc_profile), _opened(profile)
        rgb = ImageCms.profileToProfile(picture.image.convert("RGB"), source, target, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return picture.image
    if rgb is None:
        return picture.image
    rgb.info.clear()
    if picture.has_alpha:
        rgb.putalpha(picture.image.getchannel("A"))
    return rgb


def format_for(path: str) -> str:
    """`png`, `jpeg` or `webp`, by the extension of a file to be written; a `UsageError` for others."""
    known = _WRITTEN.get(os.path.splitext(path)[1].lower())
    if known is None:
        raise UsageError(
            f"{show(path, limit=None)} has no extension that can be written",
            hint="give -o a name that ends in .png, .jpg or .webp",
        )
    return known


def check_output(path: str, inputs: Iterable[str] = ()) -> str:
    """The absolute path of a file that is to be written, its folder made.

    Raises:
        UsageError: it is an input, a folder or no regular file, or its folder cannot be written to.
    """
    if not path or "\0" in path:
        raise UsageError("the output path is empty or has a NUL in it", hint="give -o FILE")
    full = Path(os.path.abspath(os.path.expanduser(path)))
    if os.path.exists(full) and not os.path.isfile(full):
        raise UsageError(f"{show(str(full), limit=None)} is not a regular file", hint="give -o FILE")
    for source in inputs:
        there = os.path.abspath(os.path.expanduser(source))
        if str(full) == there or (os.path.exists(full) and os.path.exists(there) and full.samefile(there)):
            raise UsageError(
                f"the output {show(path, limit=None)} is an input as well",
                hint="give -o another name; nothing is ever changed in place",
            )
    prepare_folder(full.parent)
    return str(full)


def encode(
    image: Image.Image, kind: str, quality: int | None = None, icc_profile: bytes | None = None
) -> bytes:
    """The image as a file of a kind (`png`, `jpeg`, `webp`). Without `quality` (1 to 100) png and webp lose
    nothing, not even the colours of clear pixels, and jpeg little.

    Raises:
        UsageError: jpeg, and the image has transparency; or it is too long for the format.
    """
    extra = {"icc_profile": icc_profile} if icc_profile else {}
    out = io.BytesIO()
    if kind == "jpeg" and image.mode == "RGBA":
        raise UsageError("jpeg has no transparency", hint="give -o a name that ends in .png or .webp")
    try:
        if kind == "png":
            image.save(out, "PNG", compress_level=4, **extra)
        elif kind == "jpeg":
            image.save(
                out, "JPEG", quality=quality or JPEG_QUALITY, subsampling=0 if not quality else -1, **extra
            )
        elif quality is None:
            image.save(out, "WEBP", lossless=True, exact=True, quality=_LEAST_QUALITY, method=1, **extra)
        else:
            image.save(out, "WEBP", quality=quality, exact=True, method=2, **extra)
    except ValueError as error:
        raise UsageError(f"cannot save as {kind}: {error}", hint="choose another format") from None
    return out.getvalue()


def save_text(path: str, pieces: Iterable[str]) -> int:
    """Writes a text file from its pieces, whole or not at all; its size in bytes. Raises as `save` does."""
    write_whole(Path(path), pieces)
    return os.path.getsize(path)


def save(path: str, data: bytes) -> SavedImage:
    """Writes a file whole or not at all, and says what is there.

    Raises:
        OutputError: it cannot be written.
    """
    target = Path(path)
    try:
        part, file = open_part(target)
        try:
            with file:
                write_all(file, data)
                check_replaceable(target)
                rename(part, target, file)
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    except OSError as error:
        raise OutputError(f"cannot write {show(path, limit=None)}: {error.strerror or error}") from None
    saved = saved_image_at(path)
    if saved is None:
        raise OutputError(f"{show(path, limit=None)} cannot be read back")
    return saved
