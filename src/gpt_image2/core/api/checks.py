"""What the API is known to refuse, found before a request is sent. Pure."""

from __future__ import annotations

from typing import Callable, List, Tuple

from ..base.errors import UsageError
from ..base.record import replace
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
)
from .request import DEFAULT_PARTIAL_IMAGES, ONCE_EXTRA, ImageRequest, check_range
from .sizes import (
    EXPERIMENTAL_PIXELS,
    SIZE_NAMES,
    parse_size,
    resolve_size,
    size_problem,
)

_KNOWN_VALUES = (
    ("quality", QUALITIES),
    ("complexity", COMPLEXITIES),
    ("svg_effort", SVG_EFFORTS),
    ("background", BACKGROUNDS),
    ("moderation", MODERATIONS),
)
_FOR_GIF_OR_SVG = ("frame_count", "frame_duration_ms", "svg_model", "svg_effort")


def checked(request: ImageRequest) -> Tuple[ImageRequest, Tuple[str, ...]]:
    """The request with names resolved (`jpg`, `2k`, `16:9`), and warnings about what is not known; a
    `UsageError` for what the API is known to refuse, and values that no known model takes."""
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
            if model is not None:
                known = model.qualities if name == "quality" else known
                raise UsageError(
                    f"{name} {value!r} is none that {request.model} takes", hint=f"choose {', '.join(known)}"
                )
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
            raise UsageError(
                f"size {size} is not legal: {problem}",
                hint=_legal_instead(width, height),
                code="invalid_size",
            )
        if width * height > EXPERIMENTAL_PIXELS:
            warnings.append(f"size {size} is above 2560x1440, which the API calls experimental")
    return replace(request, size=size)


def _legal_instead(width: int, height: int) -> str:
    """What to ask for instead of a size."""
    try:
        from .covering import legal_instead

        return legal_instead(width, height)
    except UsageError:  # the script lies alone
        return f"choose one of {', '.join(SIZE_NAMES)}"


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
