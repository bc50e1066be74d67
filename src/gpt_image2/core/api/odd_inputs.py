"""Inputs that the API does not take, or takes otherwise than they are seen: brought into a form that it
takes.

That is done by the optional part for pictures, into a folder of the call's own; without it the error says
what is wrong and what to run.
"""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Optional, Tuple

from ..base.about import called, in_quotes
from ..base.errors import UsageError
from ..base.optional_part import MISSING, errors_as_ours, import_pictures, install_line
from ..base.redact import show
from .models import MAX_INPUT_BYTES
from .orientation import orientation_of, size_shown
from .png_alpha import Alpha, alpha_of
from .request import InputImage

_HEAD_OF_OTHERS_BYTES = 64
#: The codes of errors about an image that has too many pixels to be looked at, and about one that is broken.
BOMB, UNREADABLE = "too_many_pixels", "unreadable_image"
#: By the first bytes of a file, from their place on: formats that many programs write.
_OTHER_FORMATS = (
    (4, b"ftypavi", "avif"),
    (4, b"ftyphe", "heic"),
    (4, b"ftypmif1", "heic"),
    (4, b"ftypmsf1", "heic"),
    (0, b"BM", "bmp"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"GIF8", "gif"),
    (0, b"8BPS", "psd"),
    (0, b"\0\0\1\0", "ico"),
    (0, b"\0\0\0\x0cjP  ", "jpeg 2000"),
)


def kind_by_head(path: str) -> str:
    """The name of the format of a picture that is none of the API's; empty where it is not known."""
    try:
        with open(path, "rb") as file:
            head = file.read(_HEAD_OF_OTHERS_BYTES)
    except (OSError, ValueError):
        return ""
    return next((kind for at, mark, kind in _OTHER_FORMATS if head[at:].startswith(mark)), "")


def can_convert(path: str) -> bool:
    """Whether a file is a picture of such a format, and there is what converts it."""
    if not kind_by_head(path):
        return False
    try:
        import_pictures("uploads")
    except UsageError:
        return False
    return True


def converted(image: InputImage, folder: Path, problem: Optional[UsageError]) -> Optional[InputImage]:
    """An input as a file that the API takes, made in `folder`; None where it can go as it is.

    Raises:
        UsageError: it cannot be made one, or nothing here can.
    """
    if problem is None and not _is_seen_otherwise(image):
        return None
    try:
        with errors_as_ours():
            return import_pictures("uploads").made_for_upload(image, folder)
    except UsageError as reason:
        if problem is None and reason.code not in (BOMB, UNREADABLE):
            return None  # as it is the API may take it
        if problem is None or reason.code != MISSING:
            raise
    if not kind_by_head(image.path) and image.size_bytes < MAX_INPUT_BYTES:
        raise problem
    raise UsageError(
        problem.message,
        hint=f"install what converts it: {install_line('pictures')}; or save it as png, jpeg or webp",
    )


def converted_mask(mask: InputImage, first: InputImage, folder: Path, problem: UsageError) -> InputImage:
    """A mask of any program as the API takes it for this first image, made in `folder`.

    Raises:
        UsageError: it cannot be made one, or nothing here can.
    """
    try:
        with errors_as_ours():
            return import_pictures("uploads").made_mask(mask, first, folder)
    except UsageError as reason:
        if reason.code not in (MISSING, UNREADABLE):
            raise
        hint = problem.hint
        if reason.code == MISSING:
            names = [in_quotes(show(image.source, limit=None)) for image in (first, mask)]
            hint = "convert it: {} mask {} --from {} -o mask.png (it needs {})".format(
                called(), *names, install_line("pictures")
            )
        raise UsageError(problem.message, hint=hint, code=problem.code) from None


def size_as_sent(image: InputImage) -> Tuple[Optional[int], Optional[int]]:
    """Width and height of an image as it is seen."""
    return (image.width, image.height) if image.made_from is not None else size_shown(image)


def clear_part_of(mask: InputImage) -> str:
    """What is transparent in a PNG: `none`, `some` or `all` of it; `unknown` where it has alpha that is not
    worked out, or is broken, which is left to the API."""
    if not mask.has_alpha:
        return Alpha.OPAQUE.value
    try:
        return alpha_of(mask).value
    except (OSError, ValueError, zlib.error):
        return Alpha.UNKNOWN.value


def _is_seen_otherwise(image: InputImage) -> bool:
    """Whether an input is turned by its EXIF data, or is odd in another way that its header tells."""
    return image.is_odd or orientation_of(image) > 1
