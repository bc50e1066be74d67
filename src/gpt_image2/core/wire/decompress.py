"""Undoes the compression of an answer that nobody asked to be compressed, in pieces of bounded size. Pure."""

from __future__ import annotations

import zlib
from typing import Callable, Iterator, List

from .messages import NO_ENCODING, BadEncoding

_PIECE_BYTES = 1 << 16
_FREE_BYTES = 64 << 20  # so much may come out of anything
_MAX_RATIO = 200  # above it: an answer with images shrinks to no less than a half
_MAX_LAYERS = 3
_GZIP_START = b"\x1f\x8b"
_JSON_STARTS = (b"{", b"[")  # no text that is compressed begins so
_ZLIB = ("gzip", "x-gzip", "deflate")


class BodyDecoder:
    """`feed` the body as it came, then `finish`; both give it in pieces as it was meant.

    What is not compressed although the header says so passes as it is: gateways decompress and leave the
    header. So does what is compressed in a way that only others know, for `finish` to refuse. What is gzip
    without any header is taken for what it is: no image and no text begins like it.
    """

    def __init__(self, encoding: str) -> None:
        names = [name.strip().lower() for name in encoding.split(",")]
        self._names = [name for name in names if name not in NO_ENCODING] or ["gzip"]
        self._unknown = [name for name in self._names[:_MAX_LAYERS] if name not in _ZLIB]
        self._unknown += self._names[_MAX_LAYERS:][:1]
        self._layers: List[_Inflater] = []
        if not self._unknown:
            # The last that is named was the last to be applied.
            self._layers = [_Inflater(name) for name in reversed(self._names)]
        self._came = 0
        self._given = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The pieces that these bytes bring.

        Raises:
            BadEncoding: they are damaged, or grow beyond all measure.
        """
        self._came += len(data)
        yield from self._through(data, 0)

    def finish(self) -> Iterator[bytes]:
        """The last pieces.

        Raises:
            BadEncoding: the body ends too early, or its compression is unknown.
        """
        for number, layer in enumerate(self._layers):
            for piece in layer.finish():
                yield from self._through(piece, number + 1)
        if self._came and self._unknown:
            raise BadEncoding(f"it is compressed by {', '.join(self._unknown)}, which cannot be undone here")

    def _through(self, data: bytes, layer: int) -> Iterator[bytes]:
        if layer < len(self._layers):
            for piece in self._layers[layer].feed(data):
                yield from self._through(piece, layer + 1)
        elif data:
            self._given += len(data)
            if self._layers and self._given > max(_FREE_BYTES, _MAX_RATIO * self._came):
                raise BadEncoding(f"the answer grows without end: {self._given:,} bytes from {self._came:,}")
            yield data


class _Inflater:
    """One layer of gzip or deflate."""

    def __init__(self, name: str) -> None:
        self._is_gzip = name != "deflate"
        self._start = b""
        self._passes = False
        self._zlib = zlib.decompressobj(31)
        self._begun = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        if not self._begun:
            self._start += data
            if len(self._start) < len(_GZIP_START):
                return
            data, self._start, self._begun = self._start, b"", True
            self._choose(data)
        if self._passes:
            yield data
            return
        data, self._start = self._start + data, b""
        while data:
            if self._zlib.eof:
                # One more part of gzip may follow; anything else is padding.
                if not self._is_gzip or not data.startswith(_GZIP_START[: len(data)]):
                    return
                if len(data) < len(_GZIP_START):
                    self._start = data
                    return
                self._zlib = zlib.decompressobj(31)
            before = self._zlib.copy()
            try:
                piece = self._zlib.decompress(data, _PIECE_BYTES)
            except zlib.error as error:
                yield from _until_damage(before.decompress, data)
                raise BadEncoding(f"the compressed answer is damaged ({error})") from None
            if piece:
                yield piece
            data = self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail

    def finish(self) -> Iterator[bytes]:
        if not self._begun:
            if self._start:
                yield self._start
            return
        if self._passes:
            return
        while not self._zlib.eof:
            piece = self._zlib.decompress(self._zlib.unconsumed_tail, _PIECE_BYTES)
            if not piece:
                raise BadEncoding("the compressed answer ends too early")
            yield piece

    def _choose(self, start: bytes) -> None:
        """Tells by the first bytes what it is: what servers call deflate comes in two forms."""
        if self._is_gzip:
            self._passes = not start.startswith(_GZIP_START)
            return
        if start[:1] in _JSON_STARTS:
            self._passes = True
            return
        is_zlib = start[0] & 0x0F == 8 and int.from_bytes(start[:2], "big") % 31 == 0
        self._zlib = zlib.decompressobj(15 if is_zlib else -15)


def _until_damage(inflate: Callable[[bytes], bytes], data: bytes) -> Iterator[bytes]:
    """What came before the byte that is wrong, which zlib throws away together with it."""
    for at in range(len(data)):
        try:
            yield inflate(data[at : at + 1])
        except zlib.error:
            return
