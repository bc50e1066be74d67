"""Makes of any picture a file that the API takes, beside it and never in place, and says what was done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gpt_image2.core.api.images import saved_image_at
from gpt_image2.core.api.models import MAX_INPUT_BYTES, MAX_MASK_BYTES
from gpt_image2.core.api.request import InputImage, is_address
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.record import replace
from gpt_image2.core.base.redact import show

from .files import JPEG_QUALITY, Picture, encode, in_colours_of, open_picture, save
from .mask_files import read_edit_mask
from .masks import Mask, mask_png
from .shapes import MaskPlan, parse_file
from .sizes import sent_size

#: What the API takes as it is, where nothing else is unusual about it.
_TAKEN = ("png", "jpeg", "webp")
_QUALITIES = (JPEG_QUALITY, 85, 60)


@dataclass(frozen=True)
class Upload:
    """A file that can be sent: the picture's own, or one made from it (`notes` say how). Sizes are pixels."""

    path: str
    source: str
    size: tuple[int, int]
    notes: tuple[str, ...] = ()

    @property
    def is_made(self) -> bool:
        """Whether it is another file than the picture's own."""
        return bool(self.notes)

    @property
    def said(self) -> str:
        """What was done, in one line; empty where nothing was."""
        if not self.notes:
            return ""
        kind, done = Path(self.path).suffix[1:], "; ".join(self.notes)
        return f"{show(self.source, limit=None)} is sent as {kind}: {done}"


def for_upload(path: str, folder: Path, name: str = "") -> Upload:
    """The picture as a file that the API takes; a new one goes into `folder`, which the caller cleans up.

    Raises:
        UsageError: it is no picture, or cannot be brought under the limits.
    """
    picture = open_picture(path, "input image")
    notes = list(picture.notes)
    if picture.format not in _TAKEN:
        notes.insert(0, f"it was {picture.format}")
    size = sent_size(*picture.size)
    image = picture.image
    if size != picture.size:
        notes.append("scaled from {}x{} to {}x{}, within the limits of the API".format(*picture.size, *size))
        image = image.resize(size, Image.Resampling.LANCZOS)
    if not notes and picture.size_bytes < MAX_INPUT_BYTES:
        return Upload(picture.path, path, picture.size)
    if size == picture.size and picture.icc_profile and picture.format not in _TAKEN:
        image = in_colours_of(picture, None)  # a phone's colours, which nobody reads there
    data, kind, note = _packed(image, picture)
    if note:
        notes.append(note)
    stem = name or Path(picture.path).stem
    target = folder / f"{stem}.{'jpg' if kind == 'jpeg' else kind}"
    save(str(target), data)
    return Upload(str(target), path, size, tuple(notes))


def mask_for_upload(path: str, picture_path: str, folder: Path, name: str = "mask") -> Upload:
    """A mask of any program as the API takes it, for a picture that goes through `for_upload`.

    One that is in the API's own form already stays as it is.

    Raises:
        UsageError: it is no mask, one for another picture, or edits nothing or everything.
    """
    picture = open_picture(picture_path, "input image")
    size = sent_size(*picture.size)
    file = open_picture(path, "mask")
    if _is_ready(file, size):
        return Upload(file.path, path, size)
    area, notes = read_edit_mask(path, picture)
    scaled = np.asarray(Image.fromarray(area).resize(size, Image.Resampling.BILINEAR))
    data, note = mask_png(Mask(scaled, MaskPlan((parse_file(path),))))
    target = folder / f"{name}.png"
    save(str(target), data)
    return Upload(str(target), path, size, (*notes, *([note] if note else [])))


def made_for_upload(image: InputImage, folder: Path) -> InputImage | None:
    """An input that core has looked at, as `for_upload` makes it; None where it can go as it is."""
    upload = for_upload(image.path, folder, _free_stem(image, folder))
    return _as_input(upload, image) if upload.is_made else None


def made_mask(mask: InputImage, first: InputImage, folder: Path) -> InputImage:
    """A mask that core has looked at, as `mask_for_upload` makes it for the first image."""
    upload = mask_for_upload(mask.path, first.made_from or first.path, folder, _free_stem(mask, folder))
    return _as_input(upload, mask) if upload.is_made else mask


def packed_input(image: Image.Image, original: InputImage, folder: Path, note: str) -> InputImage:
    """A picture that was made of an input, as an input in its stead."""
    data, kind, lost = _packed(image, Picture(original.path, image, "png", image.size, 0))
    target = folder / f"{_free_stem(original, folder)}.{kind}"
    save(str(target), data)
    notes = tuple(each for each in (note, lost) if each)
    path = original.made_from or original.path
    return _as_input(Upload(str(target), path, image.size, notes), original)


def _free_stem(image: InputImage, folder: Path) -> str:
    """A name that nothing in the folder has yet; several inputs may go by one name."""
    return f"{len(list(folder.iterdir()))}-{Path(image.filename).stem}"


def _as_input(upload: Upload, image: InputImage) -> InputImage:
    saved = saved_image_at(upload.path)
    if saved is None:
        raise UsageError(f"{show(upload.path)} cannot be read back", hint="look at the temporary folder")
    lasting = image.source not in ("", "-") and not is_address(image.source)
    name = Path(image.filename).stem + Path(upload.path).suffix
    return replace(
        image,
        path=upload.path,
        filename=name,
        format=saved.format,
        width=saved.width,
        height=saved.height,
        size_bytes=saved.size_bytes,
        source=image.path if lasting and image.made_from is None else image.source,
        is_odd=False,
        made_from=image.made_from or image.path,
        note=upload.said.replace(show(upload.source, limit=None), show(image.source, limit=None), 1),
    )


def _is_ready(file: Picture, size: tuple[int, int]) -> bool:
    """Whether a mask can be sent as it is: a PNG with alpha in which something is clear and something not."""
    if file.format != "png" or not file.has_alpha or file.size != size or file.notes:
        return False
    low, high = file.image.getchannel("A").getextrema()
    return low == 0 and high == 255 and file.size_bytes < MAX_MASK_BYTES


def _packed(image: Image.Image, picture: Picture) -> tuple[bytes, str, str]:
    """The image as a file under 50 MB, its format, and what was lost for it: png where that is small enough
    or there is transparency, else jpeg or webp."""
    if picture.format != "jpeg":
        data = encode(image, "png")
        if len(data) < MAX_INPUT_BYTES:
            return data, "png", ""
    kind = "webp" if image.mode == "RGBA" else "jpeg"
    for quality in _QUALITIES:
        data = encode(image, kind, quality)
        if len(data) < MAX_INPUT_BYTES:
            if kind == picture.format and quality == JPEG_QUALITY:
                return data, kind, ""
            return data, kind, f"{kind} of quality {quality}, to stay under 50 MB"
    raise UsageError(f"{show(picture.path)} cannot be brought under 50 MB", hint="scale it down")
