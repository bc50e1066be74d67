"""Images in the words of an error."""

from __future__ import annotations

import re
from typing import Callable, Optional

from .response import Answer, AnswerReader

_QUOTED_STREAM = rb'(?:event: ?|data: ?\{"type": ?")image_(?:edit|generation)\.'
_MOST_BEFORE_QUOTE = 1 << 10


class ErrorWords:
    """The sink for the words of an error. A proxy may quote the stream in them that it could not read, as
    LiteLLM does where an edit is streamed: its images were paid for, and are read out of there."""

    def __init__(
        self, keep: Callable[[bytes, bool], None], quoted: AnswerReader, on_quoted: Callable[[Answer], None]
    ) -> None:
        self._keep = keep
        self._quoted = quoted
        self._on_quoted = on_quoted
        self._words = b""
        self._is_quoting = False

    def __call__(self, piece: Optional[bytes]) -> None:
        if self._is_quoting:
            if piece is None:
                self._on_quoted(self._quoted.close())
            else:
                self._quoted.feed(piece)
            return
        words = self._words + (piece or b"")
        start = re.search(_QUOTED_STREAM, words)
        if start is not None:
            self._is_quoting = True
            self._keep(words[: start.start()], False)
            self._quoted.feed(words[start.start() :])
        elif piece is None or len(words) > _MOST_BEFORE_QUOTE:
            self._keep(words, False)
            words = b""
        self._words = words
