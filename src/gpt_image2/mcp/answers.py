"""Makes the answer to a call of a tool: text for a model, the `--json` object, links, previews.

Reads the images to make previews of them. An error is a result too: with code, hint and `billed`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from mcp import types

from gpt_image2.core.api.cost import CostEstimate
from gpt_image2.core.api.images import saved_image_at
from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.base.errors import GptImage2Error
from gpt_image2.core.base.outcome import Result, SavedImage
from gpt_image2.core.base.record import replace
from gpt_image2.core.base.redact import show
from gpt_image2.core.commands.further_calls import add_checks
from gpt_image2.core.telling.amounts import cost_in_words, estimate_json
from gpt_image2.core.telling.as_json import error_json, result_json
from gpt_image2.core.telling.in_words import paid_in_words, saved_line

from .preview import make_preview
from .tools import EDIT, GET, argument_names

#: Flags in core's messages whose arguments have other names here.
_OTHER_NAMES = {
    "-o": "output",
    "--format": "output_format",
    "--image": "images",
    "--area": "areas",
    "--max-cost": "max_cost_usd",
}
_FLAG = re.compile(r"(?<![\w-])(-o|--[a-z][a-z-]*)(?![\w-])")


def success(
    result: Result, budget: Mapping[str, float | None], preview: bool, looks: bool = False
) -> types.CallToolResult:
    """All images were saved. Where it `looks`, it tells whether their background is transparent."""
    result = replace(result, warnings=tuple(map(_as_arguments, result.warnings)))
    outcome = result_json(result)
    found = add_checks(outcome) if looks else []
    cost = paid_in_words(result) or "cost not known"
    lines = [_described(image) for image in result.images]
    lines.append(f"Cost: {cost} (billed: {result.billed.value}), {result.elapsed_s:.1f} s")
    if budget["left_usd"] is not None:
        lines.append(f"Left in this session: ${budget['left_usd']:.4f} of ${budget['max_cost_usd']:.4f}")
    lines += [note for image in result.images if image.derivation for note in image.derivation.notes]
    lines += [f"Warning: {warning}" for warning in (*result.warnings, *found)]
    return _answer(lines, outcome, result.images, preview)


def failure(error: GptImage2Error, command: str, preview: bool = False) -> types.CallToolResult:
    """The call failed; images that were saved nevertheless are in the answer."""
    error.message, error.hint = _as_arguments(error.message), _as_arguments(error.hint)
    images = error.result.images if error.result else ()
    lines = [f"Error {error.code}: {error.message}"]
    if error.hint:
        lines.append(f"What to do: {error.hint}")
    lines.append(f"Billed: {error.billed.value}")
    lines += [_described(image) for image in images]
    lines += [f"Warning: {warning}" for warning in (error.result.warnings if error.result else ())]
    return _answer(lines, error_json(error, command), images, preview, is_error=True)


def image_shown(image: SavedImage, preview: bool) -> types.CallToolResult:
    """An image that was on disk."""
    whole = result_json(Result(command=GET, model="", images=(image,)))
    structured = {name: whole[name] for name in ("ok", "command", "images", "billed")}
    return _answer([_described(image)[len("Saved: ") :]], structured, (image,), preview)


def pictures_made(outcome: dict[str, object], preview: bool) -> types.CallToolResult:
    """What a tool for pictures has done; a mask is shown by the picture with it on it, where there is one."""
    rows = cast("list[dict[str, object]]", outcome["images"])
    images = [image for image in (saved_image_at(str(row["path"])) for row in rows) if image]
    checks = cast("list[dict[str, object]]", outcome.get("checks", ()))
    lines = [_described(image) for image in images]
    lines += [f"{'ok' if each['ok'] else 'FAIL'}: {each['name']}: {each['detail']}" for each in checks]
    lines += [show(note, limit=None) for note in cast("list[str]", outcome["notes"])]
    lines += [f"Warning: {show(text, limit=None)}" for text in cast("list[str]", outcome["warnings"])]
    return _answer(lines, outcome, images, preview, shown=images[-1:])


def estimate_shown(
    request: ImageRequest,
    estimate: CostEstimate | None,
    typical_s: float,
    warnings: tuple[str, ...],
    budget: Mapping[str, float | None],
) -> types.CallToolResult:
    """What a call would cost."""
    cost = "not known for this model, size or quality"
    if estimate:
        cost = cost_in_words(replace(estimate, note=""))
    lines = [f"Estimated cost: {cost}; it usually takes {typical_s:.0f} s"]
    if estimate and estimate.note:
        lines.append(f"Note: {estimate.note}")
    if budget["left_usd"] is not None:
        lines.append(f"Left in this session: ${budget['left_usd']:.4f} of ${budget['max_cost_usd']:.4f}")
    lines += [f"Warning: {warning}" for warning in warnings]
    structured: dict[str, object] = {
        "ok": True,
        "command": "estimate_cost",
        "model": request.model,
        "n": request.count,
        "size": request.effective_size,
        "quality": request.effective_quality,
        "cost_usd": estimate_json(estimate),
        "typical_s": typical_s,
        "note": estimate.note if estimate else "",
        "session": dict(budget),
        "billed": "no",
        "warnings": list(warnings),
    }
    return _answer(lines, structured, (), False)


def _answer(
    lines: Iterable[str],
    structured: dict[str, object],
    images: Iterable[SavedImage],
    preview: bool,
    is_error: bool = False,
    shown: Sequence[SavedImage] | None = None,
) -> types.CallToolResult:
    """An answer with a link to each image, and a preview of each, or only of those that are `shown`."""
    content: list[types.ContentBlock] = [types.TextContent(text="\n".join(lines))]
    for image in images:
        content.append(_link(image))
        small = make_preview(image.path) if preview and (shown is None or image in shown) else None
        if small:
            data = base64.b64encode(small.data).decode("ascii")
            content.append(types.ImageContent(data=data, mime_type=small.mime_type))
    return types.CallToolResult(content=content, structured_content=structured, is_error=is_error)


def _described(image: SavedImage) -> str:
    size = f"{image.width}x{image.height} " if image.width else ""
    return f"{saved_line(show(image.path, limit=None), image.size_bytes)} {size}{image.format}"


def _link(image: SavedImage) -> types.ResourceLink:
    path = Path(image.path)
    return types.ResourceLink(
        uri=path.as_uri(), name=path.name, mime_type=mime_type(image.format), size=image.size_bytes
    )


def mime_type(image_format: str) -> str:
    """The media type of a format that core tells."""
    return "image/svg+xml" if image_format == "svg" else f"image/{image_format}"


def _as_arguments(text: str) -> str:
    """Core speaks of the flags of the command; a model knows them as arguments."""
    known = {f"--{name.replace('_', '-')}": name for name in argument_names(EDIT)}

    def argument(match: re.Match[str]) -> str:
        flag = match.group(1)
        return _OTHER_NAMES.get(flag) or known.get(flag, flag)

    return _FLAG.sub(argument, text)
