"""Brings input images and the mask to disk and checks them before anything is paid for.

An input is a path, an http(s) address (fetched without the key), or `-` for standard input.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO, Callable, Optional, Sequence, Tuple
from urllib.parse import unquote, urlsplit

from ..api.images import ImageInfo, read_image_info
from ..api.models import MAX_INPUT_BYTES, MAX_INPUT_IMAGES, MAX_MASK_BYTES
from ..api.request import InputImage, is_address
from ..base.errors import NetworkError, UsageError
from ..base.redact import show
from ..outputs.naming import extension
from .download import Downloader, DownloadFailed

_MIB = 1024 * 1024


def load_inputs(
    sources: Sequence[str], mask: Optional[str], folder: Path, downloader: Downloader
) -> Tuple[Tuple[InputImage, ...], Optional[InputImage]]:
    """The checked inputs and mask; what is fetched or read from standard input goes into `folder`.

    Raises:
        UsageError: missing, empty, unreadable, too large, too many, no image, or a mask that cannot work.
        NetworkError: an address could not be fetched.
    """
    if len(sources) > MAX_INPUT_IMAGES:
        raise UsageError(
            f"{len(sources)} input images; at most {MAX_INPUT_IMAGES} may be sent", hint="leave some out"
        )
    everything = [*sources, *([mask] if mask is not None else [])]
    if everything.count("-") > 1:
        raise UsageError("only one input can be read from standard input", hint="give the others as files")
    images = tuple(
        _load(source, "input image", MAX_INPUT_BYTES, folder, downloader, str(number))
        for number, source in enumerate(sources)
    )
    if mask is None:
        return images, None
    loaded_mask = _load(mask, "mask", MAX_MASK_BYTES, folder, downloader, "mask")
    _check_mask(mask, loaded_mask, images[0])
    return images, loaded_mask


def check_local_inputs(sources: Sequence[str], mask: Optional[str]) -> None:
    """Checks the inputs that are files here; those that are to be fetched can show only later.

    Raises:
        UsageError: as `load_inputs`.
    """
    for source in (source for source in sources if not is_address(source)):
        _local(source, "input image", MAX_INPUT_BYTES)
    if mask is not None and not is_address(mask):
        loaded_mask = _local(mask, "mask", MAX_MASK_BYTES)
        if sources and not is_address(sources[0]):
            _check_mask(mask, loaded_mask, _local(sources[0], "input image", MAX_INPUT_BYTES))


def local_input(source: str) -> InputImage:
    """An input or mask that is a file here.

    Raises:
        UsageError: as `load_inputs`, but for what is asked of a mask alone.
    """
    return _local(source, "input image", MAX_INPUT_BYTES)


def _load(
    source: str, what: str, max_bytes: int, folder: Path, downloader: Downloader, name: str
) -> InputImage:
    if source == "-":
        path, filename = folder / name, ""
        _write_new(path, lambda file: _copy_stdin(file, what, max_bytes))
    elif is_address(source):
        path, filename = folder / name, os.path.basename(unquote(urlsplit(source).path))
        _download(source, path, downloader, what)
    else:
        return _local(source, what, max_bytes)
    return _checked_file(source, path, filename, what, max_bytes)


def _local(source: str, what: str, max_bytes: int) -> InputImage:
    path = Path(os.path.abspath(os.path.expanduser(source)))
    return _checked_file(source, path, path.name, what, max_bytes)


def _checked_file(source: str, path: Path, filename: str, what: str, max_bytes: int) -> InputImage:
    info, size_bytes = _inspect(source, path, what, max_bytes)
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


def _inspect(source: str, path: Path, what: str, max_bytes: int) -> Tuple[ImageInfo, int]:
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
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(f"cannot read {name}: {reason}", hint="check the path and its permissions") from None
    except ValueError as error:
        raise UsageError(f"cannot read {name}: {error}", hint="check the path") from None
    if info is None:
        raise UsageError(f"{name} is not an image by its first bytes", hint="png, jpeg and webp are accepted")
    return info, size_bytes


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


def _write_new(path: Path, fill: Callable[[IO[bytes]], None]) -> None:
    with os.fdopen(os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        fill(file)


def _copy_stdin(file: IO[bytes], what: str, max_bytes: int) -> None:
    data = sys.stdin.buffer.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise UsageError(
            f"the {what} on standard input is {max_bytes // _MIB} MB or larger", hint="scale it down"
        )
    file.write(data)


def _download(url: str, path: Path, downloader: Downloader, what: str) -> None:
    def fill(file: IO[bytes]) -> None:
        def restart() -> None:
            file.seek(0)
            file.truncate()

        downloader.fetch(url, lambda data: (file.write(data), None)[1], restart)

    try:
        _write_new(path, fill)
    except DownloadFailed as error:
        raise NetworkError(
            f"cannot fetch the {what} {show(url)}: {error}",
            hint="check the address; nothing was sent or billed",
        ) from None
