"""A program of yours, which `test_poster.py` tests without a network, a key or a cent."""

from __future__ import annotations

from pathlib import Path

import gpt_image2


def poster(event: str, photo: bytes, folder: Path, max_cost_usd: float = 0.25) -> Path:
    """A poster for an event, made of a photo; where the model refuses the photo, made without it."""
    prompt = f"A poster for {event}, bold letters, two colours"
    output = folder / "poster.png"
    try:
        result = gpt_image2.edit(
            photo, prompt, output=output, size="portrait", quality="medium", max_cost_usd=max_cost_usd
        )
    except gpt_image2.ModerationError:
        result = gpt_image2.generate(
            prompt, output=output, size="portrait", quality="medium", max_cost_usd=max_cost_usd
        )
    path = result.image.path
    assert path is not None
    return path
