"""What a request will cost, and what an answer has cost. Pure.

Source of every price and formula here: the price page and the official price calculator, as of 2026-11.
"""

from __future__ import annotations

import math
from typing import List, Mapping, Optional

from ..base.outcome import Result, Usage
from ..base.record import Record, replace
from .models import DEFAULT_MODEL, FAMILY, Prices
from .sizes import parse_size

PARTIAL_IMAGE_TOKENS = 100

#: Of one input image, whatever its size; below that about one a patch of 32 by 32 pixels. Reported: prices of
#: gateways, which rise by no more than this.
MAX_INPUT_IMAGE_TOKENS = 1536
#: Sizes that `auto` is known to choose from; the dearest one bounds an estimate.
_AUTO_SIZES = ("1024x1024", "1536x1024", "1024x1536")
_CHARS_PER_TEXT_TOKEN = 4

#: The list prices.
PRICES: Mapping[str, Prices] = {name: model.prices for name, model in FAMILY.items()}
#: The factor on the list price for what goes through the Batch API. Source: the same page.
BATCH_DISCOUNT = 0.5


class CostEstimate(Record):
    """What a request would cost in USD, before it is sent.

    `low_usd` and `high_usd` differ when `auto` leaves size or quality to the model, and where there are input
    images: these have no official formula, so that an estimate of them is in `high_usd` alone. `note` says
    what was assumed.
    """

    low_usd: float
    high_usd: float
    note: str

    def at(self, discount: float) -> CostEstimate:
        """The same at a factor on the price, such as `BATCH_DISCOUNT`."""
        return CostEstimate(self.low_usd * discount, self.high_usd * discount, self.note)


class TextPrices(Record):
    """What the tokens of a language model cost, which writes SVGs, in USD per 1,000,000."""

    text_in: float
    text_out: float


NO_TEXT_PRICES: Mapping[str, TextPrices] = {}


def output_tokens(width: int, height: int, quality: str, model: str = DEFAULT_MODEL) -> int:
    """Output tokens of one image, of a model and a quality that have a factor.

    Source: the official price calculator; reproduces its table (1024x1024: 196 / 1756 / 7024).
    """
    factor = (FAMILY[model].token_factors or {})[quality]
    longest, shortest = max(width, height), min(width, height)
    short = (2 * factor * shortest + longest) // (2 * longest)
    return -(-factor * short * (2_000_000 + width * height) // 4_000_000)


def input_image_tokens(width: Optional[int], height: Optional[int]) -> int:
    """An estimate of what one input image counts for, at its highest."""
    if width is None or height is None:
        return MAX_INPUT_IMAGE_TOKENS
    return min(MAX_INPUT_IMAGE_TOKENS, -(-width // 32) * -(-height // 32))


def estimate_cost(
    model: str,
    prompt: str,
    size: str,
    quality: str,
    n: int,
    partial_images: int = 0,
    input_tokens: int = 0,
    prices: Mapping[str, Prices] = PRICES,
) -> Optional[CostEstimate]:
    """What a request would cost by these prices, or None for a model, size or quality without one.

    `input_tokens` are those of the input images. A model that only the config prices is taken to make as many
    tokens as gpt-image-2; the note says so.
    """
    price = prices.get(model)
    tokens_of = model if model in FAMILY else DEFAULT_MODEL
    factors = FAMILY[tokens_of].token_factors or {}
    sizes = [parse_size(name) for name in (_AUTO_SIZES if size == "auto" else (size,))]
    tokens = [
        output_tokens(*wh, each, tokens_of)
        for wh in sizes
        if wh is not None and min(wh) > 0
        for each in (factors if quality == "auto" else (quality,))
        if each in factors
    ]
    if price is None or not tokens:
        return None
    text_usd = math.ceil(len(prompt) / _CHARS_PER_TEXT_TOKEN) * price.text_in / 1e6
    partial = partial_images * PARTIAL_IMAGE_TOKENS
    low, high = (
        n * (text_usd + (count + partial) * price.image_out / 1e6) for count in (min(tokens), max(tokens))
    )
    notes: List[str] = []
    if tokens_of != model:
        notes.append(f"tokens counted as for {DEFAULT_MODEL}")
    if quality == "auto":
        notes.append("quality auto: from {} to {}".format(*(list(factors)[end] for end in (0, -1))))
    if size == "auto":
        notes.append("size auto: one of " + ", ".join(_AUTO_SIZES))
    if input_tokens:
        high += n * input_tokens * price.image_in / 1e6
        notes.append(f"input images come on top, by an estimate up to {input_tokens:,} tokens a picture")
    return CostEstimate(low, high, "; ".join(notes))


def cost_of_usage(model: str, usage: Usage, prices: Mapping[str, Prices] = PRICES) -> Optional[float]:
    """What an answer cost in USD by the tokens that the server counted, or None for a model without prices.

    Where the answer does not split its input tokens, they are taken as text (no image was sent in). The cost
    is never negative: more tokens cannot have come from a cache than there were.
    """
    price = prices.get(model)
    if price is None:
        return None
    image_in = usage.image_tokens or 0
    text_in = max(usage.text_tokens or 0, usage.input_tokens - image_in)
    cached_text = min(usage.cached_text_tokens, text_in)
    cached_image = min(usage.cached_image_tokens, image_in)
    return (
        (text_in - cached_text) * price.text_in
        + cached_text * price.cached_text_in
        + (image_in - cached_image) * price.image_in
        + cached_image * price.cached_image_in
        + usage.output_tokens * price.image_out
    ) / 1e6


def priced(
    result: Result,
    prices: Mapping[str, Prices],
    text_prices: Mapping[str, TextPrices] = NO_TEXT_PRICES,
    discount: float = 1.0,
) -> Result:
    """The result with what its tokens cost. Those of an SVG's author are in the sum where that model has a
    price; `Result.unpriced` names them where it has none. Where nobody has counted them, nothing is known."""
    usd = cost_of_usage(result.model, result.usage, prices) if result.usage else None
    author = result.svg_usage
    if author is None and any(image.format == "svg" for image in result.images):
        usd = None
    price = text_prices.get(author.model) if author else None
    if author and price:
        written = author.total_tokens - author.input_tokens
        author_usd = (author.input_tokens * price.text_in + written * price.text_out) / 1e6
        author = replace(author, cost_usd=author_usd * discount)
        usd = None if usd is None else usd + author_usd
    return replace(result, svg_usage=author, cost_usd=None if usd is None else usd * discount)
