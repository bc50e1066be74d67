"""From keyword arguments to a validated, frozen `ImageRequest`, and on to the fields on the wire. Pure.

A new field begins here, in `REQUEST_FIELDS`; CONTRIBUTING.md says where else it goes.
"""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Tuple, cast

from ..base.errors import UsageError
from ..base.record import Record, replace
from .cost import MAX_INPUT_IMAGE_TOKENS, PRICES, CostEstimate, estimate_cost, input_image_tokens
from .models import (
    BACKGROUNDS,
    COMPLEXITIES,
    DEFAULT_MODEL,
    ENDS,
    FAMILY,
    MAX_INPUT_IMAGES,
    MAX_N,
    MAX_PARTIAL_IMAGES,
    MAX_PROMPT_CHARS,
    MODELS,
    MODERATIONS,
    OUTPUT_FORMATS,
    QUALITIES,
    SVG_EFFORTS,
    Model,
    Prices,
)
from .sizes import (
    EXPERIMENTAL_PIXELS,
    SIZE_NAMES,
    nearest_legal_size,
    parse_size,
    resolve_size,
    size_problem,
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
_KNOWN_VALUES = (
    ("quality", QUALITIES),
    ("complexity", COMPLEXITIES),
    ("svg_effort", SVG_EFFORTS),
    ("background", BACKGROUNDS),
    ("moderation", MODERATIONS),
)
_FOR_GIF_OR_SVG = ("frame_count", "frame_duration_ms", "svg_model", "svg_effort")


class InputImage(Record):
    """An image to send: a checked file on disk. Dimensions are pixels, None where the header hides them.

    `source` is what the user named: a path, an address, or `-`; or the flags that a mask was made from.
    `is_odd` is set where its colours or its size are not such as the API draws them.
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


def checked(request: ImageRequest) -> Tuple[ImageRequest, Tuple[str, ...]]:
    """The request with names resolved (`jpg`, `2k`, `16:9`), and warnings about unknown values; a
    `UsageError` for what the API is known to refuse."""
    _check_prompt(request.prompt)
    check_range("n", request.n, 1, MAX_N)
    check_range("output_compression", request.output_compression, 0, 100)
    check_range("partial_images", request.partial_images, 0, MAX_PARTIAL_IMAGES)
    _check_extra(request)
    warnings: List[str] = []
    model = FAMILY.get(request.model)
    if not request.model.strip():
        raise UsageError("the model is empty", hint=f"leave it out for {DEFAULT_MODEL}")
    if model is None:
        warnings.append(
            f"model {request.model!r} is not known here: limits are not checked, and it has no list price"
        )
    if request.model in ENDS:
        until = f"the API offers model {request.model!r} only until {ENDS[request.model]}"
        warnings.append(f"{until}: choose {DEFAULT_MODEL} or a later one")
    asked_size = request.size
    request = _with_format(request)
    request = _with_size(request, model is not None, warnings)
    for name, known in _KNOWN_VALUES:
        value = getattr(request, name)
        if value is not None and value not in known:
            warnings.append(
                f"{name} {value!r} is not known here and is passed through (known: {', '.join(known)})"
            )
    if model is not None:
        _check_model(request, model)
    if request.output_format in ("gif", "svg") or any(
        getattr(request, name) is not None for name in _FOR_GIF_OR_SVG
    ):
        from .gif_svg import check_gif_or_svg

        request = check_gif_or_svg(request, asked_size, model is not None)
    _check_format_rules(request, model is not None)
    if request.mask is not None and request.markup is not None:
        raise UsageError("a markup and a mask cannot go together", hint="leave `mask` or `markup` out")
    if len(request.images) > MAX_INPUT_IMAGES:
        raise UsageError(
            f"{len(request.images)} input images; at most {MAX_INPUT_IMAGES} may be sent",
            hint="leave some out",
        )
    if request.stream and request.partial_images is None:
        request = replace(request, partial_images=DEFAULT_PARTIAL_IMAGES)
    if request.partial_images is not None and not request.stream:
        raise UsageError("partial images come only with a stream", hint="add `stream`")
    return request, tuple(warnings)


def parse_extra(text: str) -> Tuple[str, object]:
    """`KEY=VALUE` as a field: a value that is JSON (number, true, list …) is sent as such, else as text."""
    key, separator, value = text.partition("=")
    if not separator or not key.strip():
        raise UsageError(f"--param needs KEY=VALUE, found {text!r}", hint="for example --param seed=7")
    try:
        return key.strip(), json.loads(value)
    except ValueError:
        return key.strip(), value


def _check_prompt(prompt: str) -> None:
    if not prompt.strip():
        raise UsageError("the prompt is empty", hint="say what the image should show")
    if "\0" in prompt:
        raise UsageError("the prompt has a NUL character in it", hint="remove it")
    if len(prompt) > MAX_PROMPT_CHARS:
        raise UsageError(
            f"the prompt has {len(prompt):,} characters; at most {MAX_PROMPT_CHARS:,} are allowed",
            hint="shorten it",
        )
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError:
        raise UsageError("the prompt is not valid text (UTF-8)", hint="mend its encoding") from None


def check_range(name: str, value: Optional[int], low: int, high: int) -> None:
    if value is not None and not low <= value <= high:
        raise UsageError(
            f"`{name}` is {value}; it must be from {low} to {high}", hint="choose a value in that range"
        )


def _check_extra(request: ImageRequest) -> None:
    own = {*ImageRequest.__match_args__, "image", "image[]"}
    for key, _ in request.extra:
        if key in own and (key not in ONCE_EXTRA or getattr(request, key) is not None):
            raise UsageError(
                f"`extra` holds {key}, which is a field of its own", hint=f"use `{key.rstrip('[]')}`"
            )
        if not key.isprintable() or any(char in key for char in '"=;'):
            raise UsageError(f"{key!r} in `extra` is no field name", hint="use letters, digits, _ and []")


def _check_model(request: ImageRequest, model: Model) -> None:
    """Raises for what only other models of the family take, and names these."""
    quality, kind = request.effective_quality, request.effective_format
    rules: Tuple[Tuple[str, Callable[[Model], bool]], ...] = (
        (f"`quality` {quality}", lambda each: quality in each.qualities or quality not in QUALITIES),
        (f"`output_format` {kind}", lambda each: kind in each.output_formats),
        ("`complexity`", lambda each: request.complexity is None or each.takes_complexity),
        ("`markup`", lambda each: request.markup is None or each.takes_markup),
    )
    for what, takes in rules:
        if not takes(model):
            able = [each.names[0] for each in MODELS if takes(each)]
            raise UsageError(
                f"{what} needs {', '.join(able[:-1])} or {able[-1]}", hint=f"add `model` {able[0]}"
            )


def _in_brackets(name: str, value: Any) -> Iterator[Tuple[str, object]]:
    """A field as a form has it: what is inside of `svg` stands in brackets behind its name."""
    if name.startswith("svg") and isinstance(value, dict):
        for inner, each in cast(Dict[str, object], value).items():
            yield from _in_brackets(f"{name}[{inner}]", each)
    else:
        yield name, value


def _with_format(request: ImageRequest) -> ImageRequest:
    if request.output_format is None:
        return request
    name = request.output_format.lower()
    name = "jpeg" if name == "jpg" else name
    if name not in OUTPUT_FORMATS:
        raise UsageError(
            f"unknown format {request.output_format!r}", hint=f"choose {', '.join(OUTPUT_FORMATS)} or jpg"
        )
    return replace(request, output_format=name)


def _with_size(request: ImageRequest, known_model: bool, warnings: List[str]) -> ImageRequest:
    if request.size is None:
        return request
    size = resolve_size(request.size)
    if size is None:
        raise UsageError(
            f"size {request.size!r} is not understood",
            hint=f"give WxH, a ratio such as 16:9 or 16:9@2k, auto, or one of {', '.join(SIZE_NAMES)}",
        )
    explicit = parse_size(size)
    if explicit is not None and known_model and request.output_format != "gif":
        width, height = explicit
        problem = size_problem(width, height)
        if problem:
            hint = "the nearest legal size is {}x{}".format(*nearest_legal_size(width, height))
            raise UsageError(
                f"size {size} is not legal: {problem}",
                hint=hint + _covering(width, height),
                code="invalid_size",
            )
        if width * height > EXPERIMENTAL_PIXELS:
            warnings.append(f"size {size} is above 2560x1440, which the API calls experimental")
    return replace(request, size=size)


def _covering(width: int, height: int) -> str:
    """What to ask for where all of this size is needed; empty where nothing covers it, or nobody knows."""
    try:
        from .covering import covering_size

        found = covering_size(width, height)
    except (UsageError, ValueError, ZeroDivisionError):  # a script that lies alone; an edge of 0
        return ""
    if found[0] < width or found[1] < height:
        return ""
    return "; {}x{} covers it, and `exact` {}x{} cuts that to size".format(*found, width, height)


def _check_format_rules(request: ImageRequest, known_model: bool) -> None:
    if not known_model:
        return
    kind = request.effective_format
    if request.output_compression is not None and kind == "png":
        raise UsageError(
            "`output_compression` is for jpeg and webp only",
            hint="add `output_format` jpeg or `output_format` webp",
        )
    if request.background == "transparent" and kind not in ("png", "webp"):
        lacks = "transparency" if kind == "jpeg" else "transparent background here"
        raise UsageError(f"{kind} has no {lacks}", hint="use `output_format` png or `output_format` webp")
