"""What a model accepts and what its tokens cost: limits, names of sizes, prices, estimates. Pure.

Source of every limit, price and formula here: the Images API reference, the image guide and the official
price calculator, as of 2026-11.
"""

from __future__ import annotations

import math
from typing import List, Mapping, Optional, Tuple

from ..base.outcome import Usage
from ..base.record import Record

DEFAULT_MODEL = "gpt-image-2"
KNOWN_MODELS = (DEFAULT_MODEL, "gpt-image-2-2026-04-21")

QUALITIES = ("auto", "low", "medium", "high")
OUTPUT_FORMATS = ("png", "jpeg", "webp")
BACKGROUNDS = ("auto", "opaque", "transparent")
MODERATIONS = ("auto", "low")

MAX_PROMPT_CHARS = 32_000
MAX_N = 10
MAX_PARTIAL_IMAGES = 3
MAX_INPUT_IMAGES = 16
MAX_INPUT_BYTES = 50 * 1024 * 1024
MAX_MASK_BYTES = 4 * 1024 * 1024

EDGE_STEP = 16
MAX_EDGE = 3840
MAX_RATIO = 3.0
MIN_PIXELS = 655_360
MAX_PIXELS = 8_294_400
EXPERIMENTAL_PIXELS = 2560 * 1440

#: Seconds that one call usually takes, by quality (the API's own figures; "auto" is shown as medium).
TYPICAL_SECONDS: Mapping[str, float] = {"low": 70.0, "medium": 120.0, "auto": 120.0, "high": 276.0}

_NAMED_SIZES: Mapping[str, str] = {
    "square": "1024x1024",
    "landscape": "1536x1024",
    "portrait": "1024x1536",
    "2k": "2048x1152",
    "2k-portrait": "1152x2048",
    "4k": "3840x2160",
    "4k-portrait": "2160x3840",
}
SIZE_NAMES = tuple(_NAMED_SIZES)

_DEFAULT_RATIO_PIXELS = 1024 * 1024
_LONG_EDGES: Mapping[str, int] = {"2k": 2048, "4k": MAX_EDGE}

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


def parse_size(text: str) -> Optional[Tuple[int, int]]:
    """Width and height in pixels of `WxH`, or None when the text has another form."""
    width, sep, height = text.strip().lower().replace("×", "x").partition("x")
    if not sep or not (_is_digits(width) and _is_digits(height)):
        return None
    return int(width), int(height)


def size_problem(width: int, height: int) -> Optional[str]:
    """Why gpt-image-2 refuses a size, or None when it is legal."""
    if min(width, height) < 1:
        return "both edges must be at least 1 pixel"
    if width % EDGE_STEP or height % EDGE_STEP:
        return f"width and height must both be divisible by {EDGE_STEP}"
    if max(width, height) > MAX_EDGE:
        return f"no edge may be longer than {MAX_EDGE} pixels"
    if max(width, height) > MAX_RATIO * min(width, height):
        return f"the long edge may be at most {MAX_RATIO:.0f} times the short edge"
    if not MIN_PIXELS <= width * height <= MAX_PIXELS:
        return f"the area must be between {MIN_PIXELS:,} and {MAX_PIXELS:,} pixels"
    return None


def nearest_legal_size(width: float, height: float) -> Tuple[int, int]:
    """The legal size nearest to a wished one: first its ratio is kept, then its scale, then the grid."""
    width, height = max(width, 1.0), max(height, 1.0)
    if width > MAX_RATIO * height:
        width, height = math.sqrt(width * height * MAX_RATIO), math.sqrt(width * height / MAX_RATIO)
    elif height > MAX_RATIO * width:
        width, height = math.sqrt(width * height / MAX_RATIO), math.sqrt(width * height * MAX_RATIO)
    grow = math.sqrt(MIN_PIXELS / (width * height))
    shrink = min(math.sqrt(MAX_PIXELS / (width * height)), MAX_EDGE / max(width, height))
    scale = min(max(1.0, grow), shrink)
    width, height = width * scale, height * scale

    def candidates(edge: float) -> List[int]:
        base = int(edge // EDGE_STEP)
        return [step * EDGE_STEP for step in range(max(1, base - 2), base + 4)]

    legal = [(w, h) for w in candidates(width) for h in candidates(height) if size_problem(w, h) is None]
    return min(legal, key=lambda wh: (math.log(wh[0] / width) ** 2 + math.log(wh[1] / height) ** 2, wh))


def resolve_size(text: str) -> Optional[str]:
    """`auto` or `WxH` for a size, a size name (`2k`) or a ratio (`16:9`, `16:9@2k`); None for anything else.

    A ratio alone asks for about 1024x1024 pixels in area, `@2k` for a long edge of 2048, `@4k` of 3840;
    the result is the nearest legal size. An explicit `WxH` is returned as it is, legal or not.
    """
    text = text.strip().lower()
    if text == "auto":
        return text
    if text in _NAMED_SIZES:
        return _NAMED_SIZES[text]
    explicit = parse_size(text)
    if explicit is not None:
        return "{}x{}".format(*explicit)
    ratio, _, tier = text.partition("@")
    across, sep, down = ratio.partition(":")
    if not sep or not (_is_digits(across) and _is_digits(down)) or int(across) < 1 or int(down) < 1:
        return None
    proportion = int(across) / int(down)
    if not tier or tier == "1k":
        height = math.sqrt(_DEFAULT_RATIO_PIXELS / proportion)
        width = height * proportion
    elif tier in _LONG_EDGES:
        longest = _LONG_EDGES[tier]
        width, height = (
            (longest, longest / proportion) if proportion >= 1 else (longest * proportion, longest)
        )
    else:
        return None
    return "{}x{}".format(*nearest_legal_size(width, height))


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


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 6
