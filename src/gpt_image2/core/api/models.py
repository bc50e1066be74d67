"""What models accept, and how long they take. Pure.

Source of every limit here: the Images API reference and the image guide, as of 2026-11.
"""

from __future__ import annotations

from typing import Mapping

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

#: Seconds that one call usually takes, by quality (the API's own figures; "auto" is shown as medium).
TYPICAL_SECONDS: Mapping[str, float] = {"low": 70.0, "medium": 120.0, "auto": 120.0, "high": 276.0}
