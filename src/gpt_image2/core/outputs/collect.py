"""Takes images out of text that is still arriving and puts each on disk the moment it is whole.

One collector serves one answer. It knows what is a final image and what a preview, numbers the images, and
keeps aside what turns out to be no image: it was paid for.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Callable, Iterator, List, Optional, Tuple

from ..base.errors import OutputError
from ..base.outcome import SavedImage
from ..wire.base64_stream import BadBase64, Base64Decoder
from .naming import OutputPlan
from .store import ImageWriter, NotAnImage

_HEAD_BYTES = 8
_MAX_URI_HEADER_BYTES = 256
_MAX_ADDRESS_BYTES = 16384
_ADDRESS_STARTS = (b"http://", b"https://")


class ImageCollector:
    """Where the images of one answer go.

    `indices` gives the 1-based number of each image; `on_saved` and `on_partial` are told of each file. An
    image above `asked` has a name that nobody planned, so it never replaces a file.
    """

    def __init__(
        self,
        plan: OutputPlan,
        indices: Iterator[int],
        on_saved: Callable[[SavedImage, str], None],
        on_partial: Callable[[int, Optional[str]], None],
        save_partials: bool = False,
        asked: Optional[int] = None,
    ) -> None:
        self._plan = plan
        self._asked = asked
        self._indices = indices
        self._on_saved = on_saved
        self._on_partial = on_partial
        self._save_partials = save_partials
        self._index: Optional[int] = None
        self._preview: Optional[ImageWriter] = None
        self._writers: List[ImageWriter] = []
        self.images: Tuple[SavedImage, ...] = ()
        #: Where the bytes are that were to be images and are none.
        self.kept_aside: Tuple[str, ...] = ()
        #: Why images were lost: no folder took them.
        self.lost: Tuple[str, ...] = ()

    def begin(self) -> ImageWriter:
        """A writer for the next image.

        Raises:
            OutputError: no folder takes it.
        """
        if self._index is None:
            self._index = next(self._indices)
        writer = ImageWriter(self._plan, self._plan.path(self._index))
        self._writers.append(writer)
        return writer

    def finish(self, writer: ImageWriter) -> None:
        """A final image is whole: it gets its name."""
        self._writers.remove(writer)
        index, self._index = self._index or next(self._indices), None
        try:
            unasked = self._asked is not None and index > self._asked
            image = writer.commit(self._plan.path(index), index, keep_existing=unasked)
        except NotAnImage as error:
            self.kept_aside += (error.kept,)
            return
        except OutputError as error:
            self.lost += (error.message,)
            return
        self.images += (image,)
        self._drop_preview()
        self._on_saved(image, writer.rescue_reason)

    def let_go(self, writer: ImageWriter) -> None:
        """A final image is whole, and somebody else names it."""
        self._writers.remove(writer)

    def preview(self, writer: ImageWriter, partial_index: int) -> None:
        """A preview is whole: it is saved when asked for, else held until something better comes."""
        path: Optional[str] = None
        if self._save_partials:
            self._writers.remove(writer)
            index = self._index or 1
            try:
                path = writer.commit(self._plan.partial_path(index, partial_index), index).path
            except NotAnImage as error:
                self.kept_aside += (error.kept,)
            except OutputError as error:
                self.lost += (error.message,)
        else:
            self._drop_preview()
            self._preview = writer
        self._on_partial(partial_index, path)

    def keep_aside(self, writer: ImageWriter, name: str) -> None:
        """What arrived is no image: it is kept under another name."""
        self._writers.remove(writer)
        self._index = None
        try:
            self.kept_aside += (writer.keep(name),)
        except OutputError as error:
            self.lost += (error.message,)

    def take(self, fetch: Callable[[Callable[[bytes], None], Callable[[], None]], None]) -> None:
        """An image whose bytes `fetch(take, restart)` brings; nothing of it stays when that raises."""
        writer = self.begin()

        def restart() -> None:
            nonlocal writer
            self._abandon(writer)
            writer = self.begin()

        try:
            fetch(lambda data: writer.write(data), restart)
        except BaseException:
            self._abandon(writer)
            raise
        self.finish(writer)

    def lose(self, reason: str) -> None:
        """No folder took an image."""
        self.lost += (reason,)

    def close(self) -> Optional[str]:
        """Ends the collection: unfinished images are deleted. Where no image came, the last preview is kept
        in the rescue folder; its path, or None."""
        kept: Optional[str] = None
        if self._preview is not None and not self.images and self._preview.looks_like_image:
            preview, self._preview = self._preview, None
            self._writers.remove(preview)
            with suppress(OutputError):
                kept = preview.keep("last-preview" + self._plan.suffix)
        for writer in self._writers:
            writer.discard()
        self._writers = []
        return kept

    def _drop_preview(self) -> None:
        if self._preview is not None:
            self._abandon(self._preview)
            self._preview = None

    def _abandon(self, writer: ImageWriter) -> None:
        self._writers.remove(writer)
        writer.discard()


class ImageText:
    """The sink for one string that may hold an image: base64, a data URI, or the address of an image.

    `on_image(writer)` is called when the string has ended and was an image's; `on_text(text, is_address)`
    gets a string that is none, a very long one in pieces. Bytes go to disk as they come; a fault in the
    base64 keeps the text aside as it was.
    """

    def __init__(
        self,
        collector: ImageCollector,
        is_base64: bool,
        on_image: Callable[[ImageWriter], None],
        on_text: Callable[[bytes, bool], None],
    ) -> None:
        self._collector = collector
        self._is_base64 = is_base64
        self._on_image = on_image
        self._on_text = on_text
        self._head: Optional[bytes] = b""
        self._text: Optional[bytes] = None
        self._is_long = False
        self._decoder: Optional[Base64Decoder] = Base64Decoder()
        self._writer: Optional[ImageWriter] = None
        self._lost = False

    def __call__(self, piece: Optional[bytes]) -> None:
        """Takes the next piece, or None at the end."""
        if piece is None:
            self._end()
        elif self._head is not None:
            self._head += piece
            self._decide(at_end=False)
        elif self._text is not None:
            self._text += piece
            if len(self._text) > _MAX_ADDRESS_BYTES:
                self._is_long = True
                self._on_text(self._text, False)
                self._text = b""
        else:
            self._decode(piece)

    def _decide(self, at_end: bool) -> None:
        """Tells by the first bytes what the string is."""
        head = self._head or b""
        if head[:5].lower() == b"data:":
            comma = head.find(b",")
            if comma < 0 and len(head) < _MAX_URI_HEADER_BYTES and not at_end:
                return
            if comma >= 0 and head[:comma].lower().endswith(b";base64"):
                self._head = None
                self._decode(head[comma + 1 :])
                return
        elif len(head) < _HEAD_BYTES and not at_end:
            return
        self._head = None
        if self._is_base64 and not head.lower().startswith(_ADDRESS_STARTS):
            self._decode(head)
        else:
            self._text = head

    def _decode(self, piece: bytes) -> None:
        if self._lost or not piece:
            return
        try:
            if self._writer is None:
                self._writer = self._collector.begin()
            if self._decoder is None:
                self._writer.write(piece)
                return
            self._writer.write(self._decoder.feed(piece))
        except BadBase64 as error:
            self._give_up_decoding(error.rest)
        except OutputError as error:
            self._lost = True
            self._collector.lose(error.message)

    def _give_up_decoding(self, rest: bytes) -> None:
        assert self._writer is not None
        self._decoder = None
        try:
            self._writer.undo_base64()
            self._writer.write(rest)
        except OutputError as error:
            self._lost = True
            self._collector.lose(error.message)

    def _end(self) -> None:
        if self._head is not None:
            self._decide(at_end=True)
        if self._text is not None:
            is_address = not self._is_long and self._text.lower().startswith(_ADDRESS_STARTS)
            self._on_text(self._text, is_address)
        if self._writer is None or self._lost:
            return
        try:
            if self._decoder is not None:
                self._writer.write(self._decoder.finish())
        except BadBase64 as error:
            self._give_up_decoding(error.rest)
        except OutputError as error:
            self._lost = True
            self._collector.lose(error.message)
        if self._lost:
            return
        if self._decoder is None:
            self._collector.keep_aside(self._writer, "bad-base64.txt")
        else:
            self._on_image(self._writer)
