"""The tokens that an answer says it took. Pure: what a server says and cannot be true is unknown."""

from __future__ import annotations

from typing import Any, Dict, Iterable, Optional

from ..base.outcome import SvgUsage, Usage
from ..base.record import replace
from ..base.redact import show
from ..base.untrusted import count_of, members

#: More is no count of tokens: ten of the largest images, with all their inputs, are less than 200,000.
_MAX_TOKENS = 10**7
_MODEL_CHARS = 100


def read_usage(document: object) -> Optional[Usage]:
    """The `usage` of a parsed answer, by its official names or those of chat; None where it is missing or
    cannot be true: no output, or a part that is more than its whole."""
    fields = members(members(document).get("usage"))
    for names in (("input_tokens", "output_tokens"), ("prompt_tokens", "completion_tokens")):
        tokens_in, tokens_out = (count_of(fields.get(name), _MAX_TOKENS) for name in names)
        if tokens_in is not None and tokens_out:
            return _split_usage(fields, tokens_in, tokens_out)
    return None


def _split_usage(fields: Dict[str, Any], tokens_in: int, tokens_out: int) -> Optional[Usage]:
    split = members(fields.get("input_tokens_details") or fields.get("prompt_tokens_details"))
    kinds = members(split.get("cached_tokens_details"))
    text, image = (count_of(split.get(kind), _MAX_TOKENS) for kind in ("text_tokens", "image_tokens"))
    image_in = image or 0
    text_in = max(text or 0, tokens_in - image_in)
    if kinds:
        cached_text, cached_image = (_part(kinds.get(kind)) for kind in ("text_tokens", "image_tokens"))
    else:
        # Of unknown kind: text first, which is the cheaper one, so that the cost is not told too low.
        cached_tokens = _part(split.get("cached_tokens"))
        cached_text = min(cached_tokens, text_in)
        cached_image = cached_tokens - cached_text
    if text_in + image_in > tokens_in or cached_text > text_in or cached_image > image_in:
        return None
    total = count_of(fields.get("total_tokens"), 2 * _MAX_TOKENS) or 0
    return Usage(
        input_tokens=tokens_in,
        output_tokens=tokens_out,
        total_tokens=max(total, tokens_in + tokens_out),
        text_tokens=text,
        image_tokens=image,
        cached_text_tokens=cached_text,
        cached_image_tokens=cached_image,
    )


def read_svg_usage(document: object) -> Optional[SvgUsage]:
    """The `svg_usage` of a parsed answer; None where it is missing or cannot be true."""
    fields = members(members(document).get("svg_usage"))
    names = ("input_tokens", "output_tokens", "reasoning_tokens", "total_tokens")
    tokens_in, tokens_out, reasoning, total = (count_of(fields.get(name), _MAX_TOKENS) for name in names)
    if tokens_in is None or not tokens_out:
        return None
    model: Any = fields.get("model")
    whole = max(total or 0, tokens_in + tokens_out)
    name = model[:_MODEL_CHARS] if isinstance(model, str) else ""
    return SvgUsage(tokens_in, tokens_out, reasoning or 0, whole, name)


def told_usage(usage: Optional[SvgUsage], secrets: Iterable[str]) -> Optional[SvgUsage]:
    """The same with a name that may be shown and kept."""
    return usage and replace(usage, model=show(usage.model, secrets))


def _part(value: object) -> int:
    """A number of tokens that may be missing; one that cannot be true is more than any whole."""
    number = 0 if value is None else count_of(value, _MAX_TOKENS)
    return _MAX_TOKENS + 1 if number is None else number
