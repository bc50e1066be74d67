"""The family of models as data: what each accepts and costs, and how long it takes. Pure.

Source of every limit here, where no other is named: the Images API reference, the image guide, the price page
and the types of the official client 3.57, as of 2026-11.
"""

from __future__ import annotations

from typing import Mapping, Optional, Tuple

from ..base.record import Record

DEFAULT_MODEL = "gpt-image-2"

QUALITIES = ("auto", "low", "medium", "high", "xhigh", "max")
OUTPUT_FORMATS = ("png", "jpeg", "webp", "gif", "svg")
INPUT_FORMATS = ("png", "jpeg", "webp")
BACKGROUNDS = ("auto", "opaque", "transparent")
MODERATIONS = ("auto", "low")
COMPLEXITIES = ("low", "medium", "high")
SVG_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

MAX_PROMPT_CHARS = 32_000
MAX_N = 10
MAX_PARTIAL_IMAGES = 3
MAX_INPUT_IMAGES = 16
MAX_INPUT_BYTES = 50 * 1024 * 1024
MAX_MASK_BYTES = 4 * 1024 * 1024
MIN_FRAMES, DEFAULT_FRAMES, MAX_FRAMES = 2, 9, 16
DEFAULT_FRAME_MS, MAX_FRAME_MS = 200, 655_350

#: Seconds that one call usually takes, by quality: the API's own figures. It gives none above high; "auto" is
#: shown as medium.
TYPICAL_SECONDS: Mapping[str, float] = {
    "low": 70.0, "medium": 120.0, "auto": 120.0, "high": 276.0, "xhigh": 276.0, "max": 276.0
}  # fmt: skip


class Prices(Record):
    """What a model's tokens cost, in USD per 1,000,000."""

    text_in: float
    image_in: float
    image_out: float
    cached_text_in: float
    cached_image_in: float


#: The whole family costs the same a token.
_LIST = Prices(text_in=5.0, image_in=8.0, image_out=30.0, cached_text_in=1.25, cached_image_in=2.0)


class Model(Record):
    """What a model accepts and costs; `names` begins with the one that is not dated.

    `token_factors` are those of `cost.output_tokens`, by quality; None where nobody has published any.
    `typical_s` is how long a call takes, None where that is a matter of the quality.
    """

    names: Tuple[str, ...]
    qualities: Tuple[str, ...] = QUALITIES
    output_formats: Tuple[str, ...] = ("png", "jpeg", "webp")
    takes_complexity: bool = False
    takes_markup: bool = True
    token_factors: Optional[Mapping[str, int]] = None
    prices: Prices = _LIST
    typical_s: Optional[float] = None


#: The factors of 2.5 are those of a gateway's published table: they fit all of its 30 sizes and qualities.
_FACTORS_2_5 = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}

#: Oldest first, so that the first that takes something has taken it for longest.
MODELS = (
    Model(  # since 2026-04; the factors are the official price calculator's
        ("gpt-image-2", "gpt-image-2-2026-04-21"),
        qualities=("auto", "low", "medium", "high"),
        takes_markup=False,
        token_factors={"low": 16, "medium": 48, "high": 96},
    ),
    # Since 2026-09-08.
    Model(("gpt-image-2.5-flare", "gpt-image-2.5-flare-2026-09-08"), token_factors=_FACTORS_2_5),
    Model(("gpt-image-2.5-sunburst", "gpt-image-2.5-sunburst-2026-09-08"), token_factors=_FACTORS_2_5),
    # Since 2026-11-04. That Flare takes 8 to 12 s is reported.
    Model(("gpt-image-2.6-flare",), output_formats=OUTPUT_FORMATS, takes_complexity=True, typical_s=10.0),
    Model(("gpt-image-2.6-sunburst",), output_formats=OUTPUT_FORMATS, takes_complexity=True),
)
FAMILY: Mapping[str, Model] = {name: model for model in MODELS for name in model.names}
KNOWN_MODELS = tuple(FAMILY)

#: When models of before were, or will be, shut down.
ENDS: Mapping[str, str] = {
    "dall-e-2": "2026-05-12",
    "dall-e-3": "2026-05-12",
    "gpt-image-1": "2026-10-23",
    "gpt-image-1.5": "2026-12-01",
    "gpt-image-1-mini": "2026-12-01",
    "chatgpt-image-latest": "2026-12-01",
}


def typical_seconds(model: str, quality: str) -> float:
    """How long one call usually takes, in seconds."""
    known = FAMILY.get(model)
    by_quality = TYPICAL_SECONDS.get(quality, TYPICAL_SECONDS["auto"])
    return by_quality if known is None or known.typical_s is None else known.typical_s
