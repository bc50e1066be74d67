"""Brings input images and the mask to disk and checks them before anything is paid for.

An input is a path, an http(s) address (fetched without the key), or `-` for standard input.
"""

from __future__ import annotations

import os
import sys
from itertools import count
from pathlib import Path
from typing import IO, Callable, Optional, Sequence
from urllib.parse import unquote, urlsplit

from ..api.images import read_image_info
from ..api.models import INPUT_FORMATS, MAX_INPUT_BYTES, MAX_INPUT_IMAGES, MAX_MASK_BYTES
from ..api.request import ImageRequest, InputImage, is_address
from ..base.errors import NetworkError, UsageError
from ..base.record import replace
from ..base.redact import show
from ..outputs.files import new_private_file
from ..outputs.naming import extension
from .download import Downloader, DownloadFailed

_MIB = 1024 * 1024
_TO_FETCH = "to fetch"  # the format of what was not fetched yet


def load_inputs(
    request: ImageRequest,
    sources: Sequence[str],
    mask: Optional[str],
    markup: Optional[str],
    folder: Path,
    downloader: Downloader,
) -> ImageRequest:
    """The request with its inputs, mask and markup, checked; what is fetched or read from standard input goes
    into `folder`.

    Raises:
        UsageError: missing, empty, unreadable, too large, too many, no image, or a mask or markup that cannot
            work.
        NetworkError: an address could not be fetched.
    """
    if len(sources) > MAX_INPUT_IMAGES:
        raise UsageError(
            f"{len(sources)} input images; at most {MAX_INPUT_IMAGES} may be sent", hint="leave some out"
        )
    if [*sources, mask, markup].count("-") > 1:
        raise UsageError("only one input can be read from standard input", hint="give the others as files")
    names = map(str, count())
    return _with_inputs(
        request,
        sources,
        mask,
        markup,
        lambda source, what, max_bytes: _load(source, what, max_bytes, folder, downloader, next(names)),
    )


def local_inputs(
    request: ImageRequest, sources: Sequence[str], mask: Optional[str], markup: Optional[str]
) -> ImageRequest:
    """As `load_inputs`, but for inputs that are to be fetched: those can show only later what they are."""
    return _with_inputs(
        request,
        sources,
        mask,
        markup,
        lambda source, what, max_bytes: (
            InputImage(source, "", _TO_FETCH, None, None, 0, True, source)
            if is_address(source)
            else local_input(source, what, max_bytes)
        ),
    )


def _with_inputs(
    request: ImageRequest,
    sources: Sequence[str],
    mask: Optional[str],
    markup: Optional[str],
    load: Callable[[str, str, int], InputImage],
) -> ImageRequest:
    request = replace(request, images=tuple(load(each, "input image", MAX_INPUT_BYTES) for each in sources))
    first = request.images[0] if sources else None
    for what, source, max_bytes in (("mask", mask, MAX_MASK_BYTES), ("markup", markup, MAX_INPUT_BYTES)):
        if source is None:
            continue
        image = load(source, what, max_bytes)
        request = replace(request, **{what: image})
        if first is None or _TO_FETCH in (first.format, image.format):
            continue
        if what == "mask":
            _check_mask(source, image, first)
        else:
            from ..api.markup import check_markup

            check_markup(source, image, first)
    return request


def local_input(source: str, what: str = "input image", max_bytes: int = MAX_INPUT_BYTES) -> InputImage:
    """An input that is a file here, checked as by `load_inputs`."""
    path = Path(os.path.abspath(os.path.expanduser(source)))
    return _checked_file(source, path, path.name, what, max_bytes)


def _load(
    source: str, what: str, max_bytes: int, folder: Path, downloader: Downloader, name: str
) -> InputImage:
    if source == "-":
        path, filename = folder / name, ""
        with new_private_file(path) as file:
            _copy_stdin(file, what, max_bytes)
    elif is_address(source):
        path, filename = folder / name, os.path.basename(unquote(urlsplit(source).path))
        _download(source, path, downloader, what)
    else:
        return local_input(source, what, max_bytes)
    return _checked_file(source, path, filename, what, max_bytes)


def _checked_file(source: str, path: Path, filename: str, what: str, max_bytes: int) -> InputImage:
    name = f"{what} {show(source)}"
    try:
        if path.is_dir():
            raise UsageError(f"{name} is a folder", hint="give a png, jpeg or webp file")
        size_bytes = path.stat().st_size
        if size_bytes == 0 and path.is_file():
            raise UsageError(f"{name} is empty", hint="give a png, jpeg or webp file")
        if not path.is_file():
            raise UsageError(f"{name} is not a regular file", hint="give a file, an http(s) address, or -")
        if size_bytes >= max_bytes:
            raise UsageError(
                f"{name} has {size_bytes / _MIB:.1f} MB; it must be under {max_bytes // _MIB} MB",
                hint="scale it down or save it as jpeg or webp",
            )
        with open(str(path), "rb") as file:
            info = read_image_info(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read {name}: {reason}", hint="check the path and its permissions") from None
    if info is None:
        raise UsageError(f"{name} is not an image by its first bytes", hint="png, jpeg and webp are accepted")
    if info.format not in INPUT_FORMATS:
        raise UsageError(f"{name} is {info.format}", hint="save it as png, jpeg or webp")
    return InputImage(
        path=str(path),
        filename=filename or f"image.{extension(info.format)}",
        format=info.format,
        width=info.width,
        height=info.height,
        size_bytes=size_bytes,
        has_alpha=info.has_alpha,
        source=source,
    )


def _check_mask(source: str, mask: InputImage, first: InputImage) -> None:
    name = f"mask {show(source)}"
    if mask.format != "png":
        raise UsageError(f"{name} is {mask.format}, not png", hint="save the mask as PNG with transparency")
    if not mask.has_alpha:
        raise UsageError(
            f"{name} has no alpha channel, so nothing would be edited",
            hint="make the area to edit transparent and save as RGBA PNG",
        )
    if (mask.width, mask.height) != (first.width, first.height):
        raise UsageError(
            f"{name} is {mask.width}x{mask.height}, the first image {first.width}x{first.height}",
            hint="the mask must have the dimensions of the first image",
        )


def open_stdin(what: str) -> IO[bytes]:
    """Standard input; a `UsageError` where nothing can ever come from it."""
    if sys.__stdin__ is None:
        raise UsageError(
            f"cannot read the {what} from standard input, which is closed", hint="open it, or name a file"
        )
    return sys.stdin.buffer


def _copy_stdin(file: IO[bytes], what: str, max_bytes: int) -> None:
    try:
        data = open_stdin(what).read(max_bytes + 1)
    except OSError as error:
        raise UsageError(
            f"cannot read the {what} from standard input: {error.strerror or error}", hint="give a file"
        ) from None
    if len(data) > max_bytes:
        raise UsageError(
            f"the {what} on standard input is {max_bytes // _MIB} MB or larger", hint="scale it down"
        )
    file.write(data)


def _download(url: str, path: Path, downloader: Downloader, what: str) -> None:
    try:
        with new_private_file(path) as file:

            def restart() -> None:
                file.seek(0)
                file.truncate()

            downloader.fetch(url, file.write, restart)
    except DownloadFailed as error:
        raise NetworkError(
            f"cannot fetch the {what} {show(url)}: {error}",
            hint="check the address; nothing was sent or billed",
        ) from None
