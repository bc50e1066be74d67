"""Input images as programs have them: paths, addresses, bytes, open files, pictures of Pillow.

What is no path yet becomes a private file for as long as the call lasts.
"""

from __future__ import annotations

import io
import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    Dict,
    Generator,
    Iterable,
    List,
    Mapping,
    Sequence,
    Tuple,
    cast,
)

from ..core.api.models import MAX_INPUT_BYTES, MAX_INPUT_IMAGES
from ..core.api.request import ImageRequest, InputImage
from ..core.base.errors import GptImage2Error, UsageError
from ..core.base.record import Record, replace
from ..core.outputs.files import temporary_folder, write_private
from .arguments import wrong_type

if TYPE_CHECKING:
    from ..core.calls.client import Client as CoreClient

_WANTED = "a path, an http(s) address, bytes, a binary file or a PIL image"
_HINT = "give png, jpeg or webp"
#: What the history calls an input that was no file: core's word for what came without a name.
_NAMELESS = "-"
#: What Pillow writes as PNG as it is.
_PNG_MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")


class Inputs(Record):
    """The inputs of an edit, each a path or its bytes."""

    images: Sequence[object]
    mask: object = None
    markup: object = None


def read_inputs(images: object, mask: object, markup: object) -> Inputs:
    """The inputs as paths or bytes; all that can be read is read now, and the user's objects are done with.

    Raises:
        UsageError: one is of none of the kinds that are taken.
    """
    given = _listed(images)
    if len(given) > MAX_INPUT_IMAGES:
        raise UsageError(
            f"{len(given)} input images; at most {MAX_INPUT_IMAGES} may be sent", hint="leave some out"
        )
    names = [f"image {number}" if len(given) > 1 else "image" for number in range(1, len(given) + 1)]
    beside = [value if value is None else read_input(value, name) for name, value in _beside(mask, markup)]
    return Inputs([read_input(value, name) for name, value in zip(names, given)], *beside)


def read_input(value: Any, name: str = "image") -> object:
    """One input as a path (`str`) or its bytes."""
    if isinstance(value, str):
        return value
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(cast(bytes, value))
    if isinstance(value, os.PathLike):
        path: object = os.fspath(cast("os.PathLike[str]", value))
        return os.fsdecode(cast(bytes, path)) if isinstance(path, bytes) else path
    if callable(getattr(value, "save", None)) and hasattr(value, "mode"):
        return _png_of(value)
    if callable(getattr(value, "read", None)):
        return _read_file(value, name)
    raise wrong_type(name, value, _WANTED, _HINT)


@contextmanager
def loaded(client: CoreClient, request: ImageRequest, inputs: Inputs) -> Generator[ImageRequest, None, None]:
    """The request with its inputs, loaded and checked; files that were made for it go at the end.

    Raises:
        GptImage2Error: as `Client.with_inputs` of core.
    """
    with ExitStack() as stack:
        folder = stack.enter_context(temporary_folder())
        labels: Dict[str, str] = {}
        paths = [_on_disk(each, folder, labels, f"image {n}") for n, each in enumerate(inputs.images, 1)]
        mask, markup = (
            None if each is None else _on_disk(each, folder, labels, name)
            for name, each in _beside(inputs.mask, inputs.markup)
        )
        try:
            with_them = stack.enter_context(client.with_inputs(request, paths, mask, markup))
        except GptImage2Error as error:
            for path, label in labels.items():
                error.message = error.message.replace(path, label)
            raise

        def named(image: InputImage) -> InputImage:
            label = labels.get(image.source)
            if label is None:
                return image
            note = image.note.replace(image.source, label)
            return replace(image, source=_NAMELESS, filename="", note=note)

        yield replace(
            with_them,
            images=tuple(_with_filename(named(image)) for image in with_them.images),
            mask=with_them.mask and _with_filename(named(with_them.mask)),
            markup=with_them.markup and _with_filename(named(with_them.markup)),
        )


def _with_filename(image: InputImage) -> InputImage:
    return image if image.filename else replace(image, filename=f"image.{image.format}")


def _beside(mask: object, markup: object) -> Iterable[Tuple[str, object]]:
    return (("mask", mask), ("markup", markup))


def _listed(images: Any) -> List[object]:
    is_one = isinstance(images, (str, bytes, bytearray, memoryview, os.PathLike))
    if not is_one:
        is_one = any(callable(getattr(images, name, None)) for name in ("read", "save"))
    if is_one:
        return [images]
    if not isinstance(images, Iterable) or isinstance(images, Mapping):
        raise wrong_type("image", cast(object, images), f"{_WANTED}, or several of them in a list", _HINT)
    return [*cast("Iterable[object]", images)]


def _on_disk(value: object, folder: Path, labels: Dict[str, str], label: str) -> str:
    if isinstance(value, str):
        return value
    path = folder / label.replace(" ", "-")
    write_private(path, cast(bytes, value))
    labels[str(path)] = f"{label.partition(' ')[2]} (bytes)".lstrip()
    return str(path)


def _read_file(file: Any, name: str) -> bytes:
    read: Callable[[int], object] = file.read
    try:
        data = read(MAX_INPUT_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"cannot read `{name}` from its file: {reason}", hint="open it anew") from None
    if not isinstance(data, (bytes, bytearray)):
        raise UsageError(f"`{name}` is a file that was opened as text", hint='open it with "rb"')
    if not data:
        raise UsageError(f"`{name}` is a file at its end: nothing is left to read", hint="seek(0) first")
    return bytes(data)


def _png_of(image: Any) -> bytes:
    """A picture of Pillow as PNG, its pixels as they are."""
    out = io.BytesIO()
    try:
        if image.mode not in _PNG_MODES:
            has_alpha = bool(getattr(image, "has_transparency_data", False))
            image = image.convert("RGBA" if has_alpha else "RGB")
        image.save(out, "PNG")
    except Exception as error:  # a broken file shows only now, and Pillow has many ways to say so
        raise UsageError(
            f"a PIL image cannot be written as png: {type(error).__name__}: {error}", hint=_HINT
        ) from None
    return out.getvalue()
