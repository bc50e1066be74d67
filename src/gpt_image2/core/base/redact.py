"""Makes text safe to show and to keep: keys masked, control characters made visible, length bounded. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Iterable, Match, Optional, Pattern

MAX_SHOWN_CHARS = 500

#: Shorter secrets are words (`1`, `none`, `local`): masked, they would mangle what is shown and hide nothing.
MIN_SECRET_CHARS = 8

#: Characters that show nothing, by which a key may be echoed in pieces.
_INVISIBLE = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f"
    "\u2028-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
#: What may stand between two characters of a key that is known: also as JSON writes it. Bounded, since a
#: server that knows how keys begin could make an endless search of it.
_GAP = rf"(?:[{_INVISIBLE}\s]|\\u(?!00[2-7])[0-9a-fA-F]{{4}}|\\[bfnrt]){{0,8}}"
_KEY_LIKE = rf"\bsk-[A-Za-z0-9_\-{_INVISIBLE}]{{8,}}|(?<=[Bb]earer )[^\s\"',;]{{8,}}"
_HAS_ESCAPES = r"%[0-9a-fA-F]{2}|&#|\\u00"
#: What ends a line, somewhere; and the blanks after it.
_LINE_ENDS = "[\t-\r\x85\u2028\u2029][ \t-\r\x85\u2028\u2029]*"
#: What steers a terminal, turns the direction of text, or hides in it. Joiners (U+200C, U+200D) are part of
#: ordinary words and of emoji, and stay.
_CONTROL = (
    "[\x00-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
    "|[\ud800-\udfff]|[\U000e0000-\U000e007f]"
)


def mask_key(key: str) -> str:
    """A key as it may be shown: its first three and last four characters when it is long, else stars."""
    return f"{key[:3]}…{key[-4:]}" if len(key) >= 20 else "****"


def is_maskable(secret: str) -> bool:
    """Whether a secret is long enough to be masked in a text."""
    return len(secret) >= MIN_SECRET_CHARS


def mask_secrets(text: str, secrets: Iterable[str] = ()) -> str:
    """The text with every given secret, and everything that looks like a key, masked: also one that is
    written in another case, with characters in it that cannot be seen, with escapes for its characters, in
    base64 or in hexadecimal."""
    for secret in secrets:
        if is_maskable(secret):
            mask = mask_key(secret)
            forms = (_in_pieces, _in_base64, *((_in_escapes,) if re.search(_HAS_ESCAPES, text) else ()))
            for form in forms:
                text = form(secret).sub(lambda _: mask, text)  # noqa: B023
    return re.sub(_KEY_LIKE, lambda match: mask_key(re.sub(f"[{_INVISIBLE}]", "", match.group())), text)


@lru_cache(maxsize=32)
def _in_pieces(secret: str) -> Pattern[str]:
    return re.compile(_GAP.join(map(re.escape, secret)), re.IGNORECASE)


@lru_cache(maxsize=32)
def _in_base64(secret: str) -> Pattern[str]:
    """A secret in hexadecimal, and in either base64 whatever stands around it."""
    import base64

    data = secret.encode("utf-8", "replace")
    forms = [data.hex()]
    for at in range(3):  # so many bytes before it belong to its first three
        text = base64.b64encode(b"\0" * at + data).decode().rstrip("=")
        text = text[(8 * at + 5) // 6 : len(text) - bool((at + len(data)) % 3)]
        forms.append("".join({"+": "[+-]", "/": r"(?:\\?/|_)"}.get(char, char) for char in text))
    return re.compile("|".join(forms), re.IGNORECASE)


@lru_cache(maxsize=32)
def _in_escapes(secret: str) -> Pattern[str]:
    """A secret whose characters are escaped, all or some, as addresses, pages and JSON do."""
    return re.compile(_GAP.join(map(_escaped, secret)), re.IGNORECASE)


def _escaped(char: str) -> str:
    code = ord(char)
    percent = "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "replace"))
    return rf"(?:{re.escape(char)}|{percent}|&#0{{0,4}}{code};|&#x0{{0,4}}{code:x};|\\u{code:04x})"


def printable(text: str) -> str:
    """The text on one line, with the characters that could steer a terminal or hide written as escapes."""
    if not text.isprintable():
        text = re.sub(_CONTROL, _escape_of, re.sub(_LINE_ENDS, " ", text))
    return text.strip()


def show(text: str, secrets: Iterable[str] = (), limit: Optional[int] = MAX_SHOWN_CHARS) -> str:
    """Foreign text as it may be printed: keys masked, one line, at most `limit` characters."""
    text = printable(mask_secrets(text, secrets))
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def _escape_of(match: Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
