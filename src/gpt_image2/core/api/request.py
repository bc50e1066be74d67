"""One request, by the API's own field names, and the fields it has on the wire. Pure.

A new field begins here, in `REQUEST_FIELDS`; CONTRIBUTING.md says where else it goes.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, Mapping, Optional, Tuple, cast

from ..base.errors import UsageError
from ..base.record import Record, replace
from .cost import MAX_INPUT_IMAGE_TOKENS, PRICES, CostEstimate, estimate_cost, input_image_tokens
from .models import (
    DEFAULT_MODEL,
    Prices,
)
from .sizes import (
    parse_size,
)

DEFAULT_PARTIAL_IMAGES = 1
#: What a user may set of a request besides prompt and images, in the API's order, with the types. Flags,
#: keyword arguments, the arguments of tools and what is sent are read from here.
REQUEST_FIELDS: Mapping[str, type] = {
    "model": str,
    "n": int,
    "size": str,
    "quality": str,
    "complexity": str,
    "output_format": str,
    "output_compression": int,
    "frame_count": int,
    "frame_duration_ms": int,
    "svg_model": str,
    "svg_effort": str,
    "background": str,
    "moderation": str,
    "user": str,
    "safety_identifier": str,
    "stream": bool,
    "partial_images": int,
}
#: Where fields are sent that the API has inside of others.
INNER_FIELDS: Mapping[str, Tuple[str, ...]] = {
    "svg_model": ("svg", "model"),
    "svg_effort": ("svg", "reasoning", "effort"),
}
#: Fields that went by `extra` before they had names of their own, and still may.
ONCE_EXTRA = ("complexity", "frame_count", "frame_duration_ms", "svg", "safety_identifier")


class InputImage(Record):
    """An image to send: a checked file on disk. Dimensions are pixels, None where the header hides them.

    `source` is what the user named: a path, an address, or `-`; or the flags that a mask was made from.
    `is_odd` is set where its colours or its size are not such as the API draws them, or where it is cut off.
    `made_from` is None for a file that is sent as it is; else it was made for this call, from that file
    (empty: from none), and `note` says how.
    """

    path: str
    filename: str
    format: str
    width: Optional[int]
    height: Optional[int]
    size_bytes: int
    has_alpha: bool
    source: str = ""
    is_odd: bool = False
    made_from: Optional[str] = None
    note: str = ""

    @property
    def mime_type(self) -> str:
        return f"image/{self.format}"


def is_address(source: str) -> bool:
    return source.lower().startswith(("http://", "https://"))


#: The largest that `auto` is known to choose.
_LARGEST_AUTO_SIZE = (1536, 1024)


class ImageRequest(Record):
    """One call by the API's own field names. None means: not set by the user, so not sent.

    `images` makes it an edit. `extra` are further fields, passed through as they are. The fields between
    `prompt` and `images` are those of `REQUEST_FIELDS`.
    """

    prompt: str
    model: str = DEFAULT_MODEL
    n: Optional[int] = None
    size: Optional[str] = None
    quality: Optional[str] = None
    complexity: Optional[str] = None
    output_format: Optional[str] = None
    output_compression: Optional[int] = None
    frame_count: Optional[int] = None
    frame_duration_ms: Optional[int] = None
    svg_model: Optional[str] = None
    svg_effort: Optional[str] = None
    background: Optional[str] = None
    moderation: Optional[str] = None
    user: Optional[str] = None
    safety_identifier: Optional[str] = None
    stream: bool = False
    partial_images: Optional[int] = None
    images: Tuple[InputImage, ...] = ()
    mask: Optional[InputImage] = None
    markup: Optional[InputImage] = None
    extra: Tuple[Tuple[str, object], ...] = ()

    @property
    def command(self) -> str:
        return "edit" if self.images else "generate"

    @property
    def endpoint(self) -> str:
        return "/images/edits" if self.images else "/images/generations"

    @property
    def beside(self) -> Tuple[Tuple[str, InputImage], ...]:
        """What goes with the input images, by the name of its field: a mask or a markup."""
        both = (("mask", self.mask), ("markup", self.markup))
        return tuple((name, image) for name, image in both if image is not None)

    @property
    def count(self) -> int:
        return self.n or 1

    @property
    def effective_format(self) -> str:
        return self.output_format or "png"

    @property
    def effective_quality(self) -> str:
        return self.quality or "auto"

    @property
    def effective_size(self) -> str:
        return self.size or "auto"

    @property
    def most_bytes(self) -> int:
        """What its images take on disk at most, by three bytes a pixel: a PNG has about half of that."""
        width, height = parse_size(self.effective_size) or _LARGEST_AUTO_SIZE
        return (self.count + bool(self.partial_images)) * width * height * 3

    def without_stream(self) -> ImageRequest:
        return replace(self, stream=False, partial_images=None)

    def wire_fields(self, format_field: str) -> Dict[str, object]:
        """The fields to send, in the API's order, without images; only what the user set."""
        wire: Dict[str, Any] = {"model": self.model, "prompt": self.prompt}
        for name in REQUEST_FIELDS:
            value = getattr(self, name)
            if value is not None and value is not False:
                *around, last = INNER_FIELDS.get(name, (format_field if name == "output_format" else name,))
                place = wire
                for step in around:
                    place = place.setdefault(step, {})
                place[last] = value
        wire.update(self.extra)
        return wire

    def json_body(self, format_field: str) -> bytes:
        return json.dumps(self.wire_fields(format_field), ensure_ascii=False).encode("utf-8")

    def form_texts(self, format_field: str) -> List[Tuple[str, str]]:
        wire = self.wire_fields(format_field)
        texts = [each for name, value in wire.items() for each in _in_brackets(name, value)]
        return [(name, value if isinstance(value, str) else json.dumps(value)) for name, value in texts]

    def estimate(
        self, prices: Mapping[str, Prices] = PRICES, unseen_images: int = 0
    ) -> Optional[CostEstimate]:
        """What it would cost by these prices, with so many input images besides its own. None where that is
        not known: what the author of an SVG takes, and the frames of a GIF, nobody has published."""
        if self.output_format in ("gif", "svg"):
            return None
        partials = (self.partial_images or 0) if self.stream else 0
        return estimate_cost(
            self.model,
            self.prompt,
            self.effective_size,
            self.effective_quality,
            self.count,
            partials,
            sum(input_image_tokens(image.width, image.height) for image in self.images)
            + unseen_images * MAX_INPUT_IMAGE_TOKENS,
            prices,
        )


def parse_extra(text: str) -> Tuple[str, object]:
    """`KEY=VALUE` as a field: a value that is JSON (number, true, list …) is sent as such, else as text."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise UsageError(f"--param needs KEY=VALUE, found {text!r}", hint="for example --param seed=7")
    try:
        return key.strip(), json.loads(value)
    except (ValueError, RecursionError):
        return key.strip(), value


def check_range(name: str, value: Optional[int], low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise UsageError(
            f"`{name}` is {value}; it must be from {low} to {high}", hint="choose a value in that range"
        )


def _in_brackets(name: str, value: Any) -> Iterator[Tuple[str, object]]:
    """A field as a form has it: what is inside of `svg` stands in brackets behind its name."""
    if name.startswith("svg") and isinstance(value, dict):
        for inner, each in cast(Dict[str, object], value).items():
            yield from _in_brackets(f"{name}[{inner}]", each)
    else:
        yield name, value
