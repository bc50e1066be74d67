"""What a request will cost, and what an answer has cost. Pure.

Source of every price and formula here: the price page and the official price calculator, as of 2026-11.
"""

from __future__ import annotations

import math
from typing import List, Mapping, Optional

from ..base.outcome import Usage
from ..base.record import Record
from .models import DEFAULT_MODEL, KNOWN_MODELS, QUALITIES
from .sizes import parse_size

_QUALITY_FACTORS: Mapping[str, int] = {"low": 16, "medium": 48, "high": 96}
PARTIAL_IMAGE_TOKENS = 100

#: Sizes that `auto` is known to choose from; the dearest one bounds an estimate.
_AUTO_SIZES = ("1024x1024", "1536x1024", "1024x1536")
_CHARS_PER_TEXT_TOKEN = 4


class Prices(Record):
    """What a model's tokens cost, in USD per 1,000,000."""

    text_in: float
    image_in: float
    image_out: float
    cached_text_in: float
    cached_image_in: float


#: The list prices. Source: OpenAI's price page for gpt-image-2, as of 2026-11.
PRICES: Mapping[str, Prices] = {
    model: Prices(text_in=5.0, image_in=8.0, image_out=30.0, cached_text_in=1.25, cached_image_in=2.0)
    for model in KNOWN_MODELS
}
#: The factor on the list price for what goes through the Batch API. Source: the same page.
BATCH_DISCOUNT = 0.5


class CostEstimate(Record):
    """What a request would cost in USD, before it is sent.

    `low_usd` and `high_usd` differ when `auto` leaves size or quality to the model. Input images have no
    official formula and are not in the sum; `note` says what was assumed or left out.
    """

    low_usd: float
    high_usd: float
    note: str

    def at(self, discount: float) -> CostEstimate:
        """The same at a factor on the price, such as `BATCH_DISCOUNT`."""
        return CostEstimate(self.low_usd * discount, self.high_usd * discount, self.note)


def output_tokens(width: int, height: int, quality: str) -> int:
    """Output tokens of one gpt-image-2 image; `quality` is low, medium or high.

    Source: the official price calculator; reproduces its table (1024x1024: 196 / 1756 / 7024).
    """
    factor = _QUALITY_FACTORS[quality]
    longest, shortest = max(width, height), min(width, height)
    short = (2 * factor * shortest + longest) // (2 * longest)
    return -(-factor * short * (2_000_000 + width * height) // 4_000_000)


def estimate_cost(
    model: str,
    prompt: str,
    size: str,
    quality: str,
    n: int,
    partial_images: int = 0,
    input_images: int = 0,
    prices: Mapping[str, Prices] = PRICES,
) -> Optional[CostEstimate]:
    """What a request would cost by these prices, or None for a model, size or quality without one.

    A model that only the config prices is taken to make as many tokens as gpt-image-2; the note says so.
    """
    price = prices.get(model)
    if price is None or quality not in QUALITIES:
        return None
    sizes = [parse_size(name) for name in (_AUTO_SIZES if size == "auto" else (size,))]
    qualities = ("low", "medium", "high") if quality == "auto" else (quality,)
    tokens = [output_tokens(*wh, q) for wh in sizes if wh is not None and min(wh) > 0 for q in qualities]
    if not tokens:
        return None
    text_usd = math.ceil(len(prompt) / _CHARS_PER_TEXT_TOKEN) * price.text_in / 1e6
    partial = partial_images * PARTIAL_IMAGE_TOKENS
    low, high = (
        n * (text_usd + (count + partial) * price.image_out / 1e6) for count in (min(tokens), max(tokens))
    )
    notes: List[str] = []
    if model not in KNOWN_MODELS:
        notes.append(f"tokens counted as for {DEFAULT_MODEL}")
    if quality == "auto":
        notes.append("quality auto: from low to high")
    if size == "auto":
        notes.append("size auto: one of " + ", ".join(_AUTO_SIZES))
    if input_images:
        notes.append("input images come on top; their tokens are known only from the answer")
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
