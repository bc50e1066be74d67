"""What a call of the library ends with: images that may be in memory, and the result that holds them."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Optional, Tuple

from ..core.api.images import read_image_info
from ..core.base import outcome as core
from ..core.base.errors import UsageError
from ..core.base.outcome import Billed, Derivation, SvgUsage, Usage
from ..core.base.record import Record
from ..core.telling.as_json import result_json

if TYPE_CHECKING:
    from PIL.Image import Image

Bytes = bytes  # the class below has a method of that name
_MIME_TYPES = {"svg": "image/svg+xml"}


class SavedImage(Record):
    """An image that a call has made. In a notebook it shows itself.

    `path` is its file, None where it is in memory alone; `data` its bytes there, None where it is a file.
    `width` and `height` are pixels, None where the file's header does not tell them. `rescued` tells that it
    could not be written where it was asked for; `number` is its place among those of its request, from 1.
    `derivation` says of what and how a picture was made that is not as the model sent it.
    """

    path: Optional[Path]
    size_bytes: int
    format: str
    width: Optional[int]
    height: Optional[int]
    sha256: str
    rescued: bool = False
    number: int = 1
    derivation: Optional[Derivation] = None
    data: Optional[Bytes] = None

    def bytes(self) -> Bytes:
        """The bytes of its file (png, jpeg, webp, gif or svg).

        Raises:
            OSError: its file cannot be read any more.
        """
        return _read(self.path) if self.data is None else self.data

    def pil(self) -> Image:
        """It as a `PIL.Image.Image`, loaded; needs Pillow (`pip install pillow`).

        Raises:
            UsageError: Pillow is not installed, or the image is an svg, which has no pixels.
            OSError: its file cannot be read any more.
        """
        try:
            from PIL import Image
        except ImportError:
            raise UsageError(
                "Pillow is not installed here", hint="pip install pillow", code="extra_missing"
            ) from None
        if self.format == "svg":
            raise UsageError("an svg has no pixels", hint="use `bytes()`")
        with Image.open(io.BytesIO(self.bytes())) as image:
            image.load()
            return image

    def __repr__(self) -> str:
        size = f", {self.width}x{self.height}" if self.width else ""
        place = "in memory" if self.path is None else str(self.path)
        return f"<SavedImage {place}: {self.format}{size}, {self.size_bytes / 1000:.0f} KB>"

    def _repr_mimebundle_(self, **_: object) -> Tuple[Dict[str, object], Dict[str, object]]:
        """What a notebook shows: the picture, at most as wide as its page."""
        mime_type = _MIME_TYPES.get(self.format, f"image/{self.format}")
        shown: Dict[str, object] = {"text/plain": repr(self)}
        try:
            data = self.bytes()
        except OSError:
            return shown, {}
        shown[mime_type] = data.decode("utf-8", "replace") if self.format == "svg" else data
        return shown, {mime_type: {"width": min(self.width or 512, 512)}}

    def _repr_png_(self) -> Optional[Bytes]:
        """What shows a png shows; None for other formats."""
        return self.bytes() if self.format == "png" else None


class Result(Record):
    """What one call has made.

    `cost_usd` is None when usage or prices are not known. `attempts` are the tries, of which `requests_sent`
    had a connection that could carry them. `elapsed_s` is in seconds. `sandbox` tells that the offline
    sandbox has answered, so that no cost is real money. `tasks` are the ids of what the host accepted and has
    not finished: their images are still to come, by `resume`.
    """

    command: str
    model: str
    images: Tuple[SavedImage, ...] = ()
    usage: Optional[Usage] = None
    cost_usd: Optional[float] = None
    billed: Billed = Billed.NO
    http_status: Optional[int] = None
    request_id: Optional[str] = None
    attempts: int = 0
    requests_sent: int = 0
    elapsed_s: float = 0.0
    warnings: Tuple[str, ...] = ()
    sandbox: bool = False
    tasks: Tuple[str, ...] = ()
    svg_usage: Optional[SvgUsage] = None

    @property
    def image(self) -> SavedImage:
        """The first image, of a call that asks for one.

        Raises:
            IndexError: there is none yet: see `tasks`.
        """
        return self.images[0]

    def to_dict(self) -> Dict[str, object]:
        """The object that `--json` prints for such a call; `path` is None for an image in memory."""
        values: Dict[str, Any] = {**vars(self), "images": tuple(_plain(image) for image in self.images)}
        outcome = result_json(core.Result(**values))
        for image, shown in zip(self.images, _rows(outcome["images"])):
            shown["path"] = None if image.path is None else str(image.path)
        return outcome

    def __repr__(self) -> str:
        cost = "unknown" if self.cost_usd is None else f"${self.cost_usd:.4f}"
        images = ", ".join(map(repr, self.images)) or "no image"
        return f"<Result of {self.command} by {self.model}: {images}; cost {cost}>"

    def _repr_mimebundle_(self, **_: object) -> Tuple[Dict[str, object], Dict[str, object]]:
        """What a notebook shows: the picture of a call that made one, else words."""
        if len(self.images) != 1:
            return {"text/plain": repr(self)}, {}
        shown, settings = self.images[0]._repr_mimebundle_()  # pyright: ignore[reportPrivateUsage]
        return {**shown, "text/plain": repr(self)}, settings


def image_of(image: core.SavedImage) -> SavedImage:
    """An image on disk, as the library has it."""
    values: Dict[str, Any] = {**vars(image), "path": Path(image.path)}
    return SavedImage(**values)


def in_memory(data: Bytes, number: int = 1, path: Optional[Path] = None) -> Optional[SavedImage]:
    """The image that these bytes are, None where they are none."""
    info = read_image_info(io.BytesIO(data))
    if info is None:
        return None
    sha256 = hashlib.sha256(data).hexdigest()
    return SavedImage(path, len(data), info.format, info.width, info.height, sha256, number=number, data=data)


def result_of(result: core.Result, images: Optional[Tuple[SavedImage, ...]] = None) -> Result:
    """A result as the library has it, with these images in place of its own."""
    values: Dict[str, Any] = dict(vars(result))
    values["images"] = tuple(map(image_of, result.images)) if images is None else images
    return Result(**values)


def _plain(image: SavedImage) -> core.SavedImage:
    values: Dict[str, Any] = dict(vars(image))
    del values["data"]
    values["path"] = str(image.path or "")
    return core.SavedImage(**values)


def _rows(images: Any) -> Any:
    return images


def _read(path: Optional[Path]) -> Bytes:
    if path is None:
        raise FileNotFoundError("the image has neither a file nor data")
    return path.read_bytes()
