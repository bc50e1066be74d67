"""Brings input images and the mask to disk and checks them before anything is paid for.

An input is a path, an http(s) address (fetched without the key), or `-` for standard input.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import IO, Callable, Optional, Sequence, Tuple
from urllib.parse import unquote, urlsplit

from ..api.images import ImageInfo, is_whole_image, read_image_info
from ..api.models import INPUT_FORMATS, MAX_INPUT_BYTES, MAX_INPUT_IMAGES, MAX_MASK_BYTES
from ..api.request import ImageRequest, InputImage, is_address
from ..api.sizes import MAX_EDGE, MAX_PIXELS
from ..base.errors import NetworkError, UsageError
from ..base.record import replace
from ..base.redact import show
from ..outputs.files import new_private_file
from ..outputs.naming import extension
from .download import Downloader, DownloadFailed

_MIB = 1024 * 1024
TO_FETCH = "to fetch"  # the format of what was not fetched yet


def load_inputs(
    request: ImageRequest,
    sources: Sequence[str],
    mask: Optional[str],
    markup: Optional[str],
    folder: Path,
    downloader: Downloader,
) -> ImageRequest:
    """The request with its inputs, mask and markup, checked. What is fetched, read from standard input or
    made of an input that the API does not take goes into `folder`.

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

    def fetch(source: str, what: str, max_bytes: int) -> Tuple[Path, str]:
        path = folder / next(names)
        if source == "-":
            with new_private_file(path) as file:
                _copy_stdin(file, what, max_bytes)
            return path, ""
        _download(source, path, downloader, what)
        return path, os.path.basename(unquote(urlsplit(source).path))

    return with_each_input(
        request,
        sources,
        mask,
        markup,
        # What is drawn on belongs to the image as it is.
        lambda source, what, max_bytes, first: _load(
            source, what, max_bytes, first, folder if markup is None else None, fetch
        ),
    )


def with_each_input(
    request: ImageRequest,
    sources: Sequence[str],
    mask: Optional[str],
    markup: Optional[str],
    load: Callable[[str, str, int, Optional[InputImage]], InputImage],
) -> ImageRequest:
    """The request with each of its inputs as `load` reads it, which is given the source, what it is, the
    bytes that it may have, and the first image for what is held against that."""
    images = tuple(load(each, "input image", MAX_INPUT_BYTES, None) for each in sources)
    request = replace(request, images=images)
    first = images[0] if images else None
    for what, source, max_bytes in (("mask", mask, MAX_MASK_BYTES), ("markup", markup, MAX_INPUT_BYTES)):
        if source is None:
            continue
        image = load(source, what, max_bytes, first)
        request = replace(request, **{what: image})
        if what == "markup" and first is not None and TO_FETCH not in (first.format, image.format):
            from ..api.markup import check_markup

            check_markup(source, image, first)
    return request


def local_input(
    source: str,
    what: str = "input image",
    max_bytes: int = MAX_INPUT_BYTES,
    first: Optional[InputImage] = None,
    folder: Optional[Path] = None,
) -> InputImage:
    """An input that is a file here, checked as by `load_inputs`; a mask is held against the first image.
    Without a `folder` it must be fit to be sent as it is."""
    path = Path(os.path.abspath(os.path.expanduser(source)))
    return _checked_file(source, path, path.name, what, max_bytes, first, folder)


def _load(
    source: str,
    what: str,
    max_bytes: int,
    first: Optional[InputImage],
    folder: Optional[Path],
    fetch: Callable[[str, str, int], Tuple[Path, str]],
) -> InputImage:
    if source != "-" and not is_address(source):
        return local_input(source, what, max_bytes, first, folder)
    path, filename = fetch(source, what, max_bytes)
    return _checked_file(source, path, filename, what, max_bytes, first, folder)


def _checked_file(
    source: str,
    path: Path,
    filename: str,
    what: str,
    max_bytes: int,
    first: Optional[InputImage],
    folder: Optional[Path],
) -> InputImage:
    name = f"{what} {show(source)}"
    try:
        if path.is_dir():
            raise UsageError(f"{name} is a folder", hint="give a png, jpeg or webp file")
        size_bytes = path.stat().st_size
        if size_bytes == 0 and path.is_file():
            raise UsageError(f"{name} is empty", hint="give a png, jpeg or webp file")
        if not path.is_file():
            raise UsageError(f"{name} is not a regular file", hint="give a file, an http(s) address, or -")
        with open(str(path), "rb") as file:
            info = read_image_info(file)
            is_whole = is_whole_image(file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read {name}: {reason}", hint="check the path and its permissions") from None
    known = info or ImageInfo("", None, None, False)
    image = InputImage(
        path=str(path),
        filename=filename or f"image.{extension(known.format)}",
        format=known.format,
        width=known.width,
        height=known.height,
        size_bytes=size_bytes,
        has_alpha=known.has_alpha,
        source=source,
        is_odd=known.is_odd or _is_large(known) or not is_whole,
    )
    problem = _format_problem(name, image, max_bytes)
    if what == "mask" and problem is None and first is not None and first.format != TO_FETCH:
        image, problem = _checked_mask(name, image, first)
    if folder is not None and what == "input image" and (problem or image.is_odd or known.has_exif):
        image = _made_fit(image, folder, problem)
    elif folder is not None and what == "mask" and first is not None and problem is not None:
        image = _mask_made_fit(image, first, folder, problem)
    elif problem is not None:
        raise problem
    return image


def _made_fit(image: InputImage, folder: Path, problem: Optional[UsageError]) -> InputImage:
    """The image in a form that the API takes as it is seen; as it is, where nothing here can do that."""
    made: Optional[InputImage] = None
    try:
        from ..api.odd_inputs import converted

        made = converted(image, folder, problem)
    except UsageError as reason:
        if reason.code != "extra_missing":
            raise
        if problem is not None:
            raise problem from None
    return made or image


def _mask_made_fit(mask: InputImage, first: InputImage, folder: Path, problem: UsageError) -> InputImage:
    """The mask in a form that the API takes; the problem where nothing here can do that."""
    try:
        from ..api.odd_inputs import converted_mask

        mask = converted_mask(mask, first, folder, problem)
    except UsageError as reason:
        raise problem if reason.code == "extra_missing" else reason from None
    return mask


def _is_large(info: ImageInfo) -> bool:
    width, height = info.width or 0, info.height or 0
    return max(width, height) > MAX_EDGE or width * height > MAX_PIXELS


def _format_problem(name: str, image: InputImage, max_bytes: int) -> Optional[UsageError]:
    """Why a file cannot be sent, None where it can."""
    if image.size_bytes >= max_bytes:
        return UsageError(
            f"{name} has {image.size_bytes / _MIB:.1f} MB; it must be under {max_bytes // _MIB} MB",
            hint="scale it down or save it as jpeg or webp",
        )
    if not image.format:
        kind = _other_format(image.path)
        what = f"is {kind}" if kind else "is not an image by its first bytes"
        return UsageError(f"{name} {what}", hint="png, jpeg and webp are accepted")
    if image.format not in INPUT_FORMATS:
        return UsageError(f"{name} is {image.format}", hint="save it as png, jpeg or webp")
    return None


def _other_format(path: str) -> str:
    """The name of a format of pictures that is none of the API's; empty where it is not known."""
    kind = ""
    with suppress(UsageError):  # the script lies alone
        from ..api.odd_inputs import kind_by_head

        kind = kind_by_head(path)
    return kind


def _checked_mask(name: str, mask: InputImage, first: InputImage) -> Tuple[InputImage, Optional[UsageError]]:
    """The mask, with what is to be said of it; and why it cannot be sent with this first image, or None."""
    if mask.format != "png":
        return mask, UsageError(
            f"{name} is {mask.format}, not png", hint="save the mask as PNG with transparency"
        )
    size, clear = (first.width, first.height), "some" if mask.has_alpha else "none"
    with suppress(UsageError):  # the script lies alone, and knows only what the heads of the files say
        from ..api.odd_inputs import clear_part_of, size_as_sent

        size, clear = size_as_sent(first), clear_part_of(mask)
    if clear == "none":
        return mask, UsageError(
            f"{name} has no transparent pixel, so nothing would be edited",
            hint="make the area to edit transparent and save as RGBA PNG",
        )
    if (mask.width, mask.height) != size:
        return mask, UsageError(
            f"{name} is {mask.width}x{mask.height}, the first image {size[0]}x{size[1]}",
            hint="the mask must have the dimensions of the first image",
        )
    if clear == "all":
        mask = replace(mask, note=f"{name} is transparent throughout: everything may be edited")
    return mask, None


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
