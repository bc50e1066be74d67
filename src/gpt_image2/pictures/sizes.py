"""Sizes: the one at which a picture is sent, the legal one that covers a wished one, and fitting to it."""

from __future__ import annotations

from gpt_image2.core.api.models import MAX_EDGE, MAX_PIXELS


def sent_size(width: int, height: int) -> tuple[int, int]:
    """The size at which a picture is sent: its own, or the largest of its shape within the API's limits."""
    scale = min(1.0, MAX_EDGE / max(width, height), (MAX_PIXELS / (width * height)) ** 0.5)
    if scale == 1.0:
        return width, height
    return max(1, int(width * scale)), max(1, int(height * scale))
