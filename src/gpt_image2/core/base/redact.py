"""Makes text safe to show and to keep: keys masked, control characters gone, length bounded. Pure."""

from __future__ import annotations

import re
from typing import Iterable, Optional

MAX_SHOWN_CHARS = 500

_KEY_LIKE = r"\bsk-[A-Za-z0-9_\-]{8,}|(?<=[Bb]earer )[^\s\"',;]{8,}"
_CONTROL = "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]|[\ud800-\udfff]"


def mask_key(key: str) -> str:
    """A key as it may be shown: its first three and last four characters when it is long, else stars."""
    return f"{key[:3]}…{key[-4:]}" if len(key) >= 20 else "****"


def mask_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with every given secret, and everything that looks like a key, masked."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, mask_key(secret))
    return re.sub(_KEY_LIKE, lambda match: mask_key(match.group()), text)


def printable(text: str) -> str:
    """The text on one line, without characters that could steer a terminal."""
    if not text.isprintable():
        text = re.sub(_CONTROL, "", text)
    return " ".join(text.split())


def show(text: str, secrets: Iterable[str] = (), limit: Optional[int] = MAX_SHOWN_CHARS) -> str:
    """Foreign text as it may be printed: keys masked, one line, at most `limit` characters."""
    text = printable(mask_secrets(text, secrets))
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"
