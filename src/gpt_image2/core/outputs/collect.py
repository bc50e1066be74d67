"""Where the images of one answer go: each is numbered, and gets its name the moment it is whole.

A collector knows what is a final image and what a preview, and keeps aside what turns out to be no image: it
was paid for.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple

from ..base.errors import OutputError
from ..base.outcome import SavedImage
from .naming import OutputPlan
from .store import ImageWriter, NotAnImage

#: So many files above what was asked for one answer may make.
MOST_UNASKED = 500


class ImageCollector:
    """Where the images of one answer go.

    `indices` gives the 1-based number of each image; `on_saved` and `on_partial` are told of each file, and
    `on_warning` where one got its name otherwise than planned. An image above `asked` has a name that nobody
    planned, so it never replaces a file, and beyond `MOST_UNASKED` of them none is made any more. `known` are
    the SHA-256 of images that are saved already, `inputs` those of what was sent: an answer that repeats one
    has not made it. `note` is given what becomes of each file before and after it does: with that, another
    process can finish what this one began.
    """

    def __init__(
        self,
        plan: OutputPlan,
        indices: Iterator[int],
        on_saved: Callable[[SavedImage, str], object] = lambda _image, _reason: None,
        on_partial: Callable[[int, Optional[str], int, str], object] = lambda _i, _path, _n, _part: None,
        save_partials: bool = False,
        asked: Optional[int] = None,
        on_warning: Callable[[str], None] = lambda _: None,
        note: Callable[[Mapping[str, object]], None] = lambda _: None,
        known: Iterable[str] = (),
        inputs: Iterable[str] = (),
    ) -> None:
        self._plan = plan
        self._asked = asked
        self._indices = indices
        self._on_saved = on_saved
        self._on_partial = on_partial
        self._on_warning = on_warning
        self._save_partials = save_partials
        self._note = note
        #: Where each image came from, by its SHA-256.
        self._places: Dict[str, Optional[Tuple[str, ...]]] = dict.fromkeys(known)
        self._inputs = set(inputs)
        self._echoes: List[Tuple[ImageWriter, Tuple[str, ...]]] = []
        self._index: Optional[int] = None
        self._preview: Optional[ImageWriter] = None
        self._writers: List[ImageWriter] = []
        self.images: Tuple[SavedImage, ...] = ()
        #: Where the bytes are that were to be images and are none.
        self.kept_aside: Tuple[str, ...] = ()
        #: Why images were lost: no folder took them.
        self.lost: Tuple[str, ...] = ()
        #: How many images came beyond the bound: they stay in the answer.
        self.left_out = 0

    @property
    def is_full(self) -> bool:
        """Whether more came than any answer has that is one."""
        return len(self.images) + len(self.kept_aside) >= (self._asked or 1) + MOST_UNASKED

    @property
    def sizes(self) -> Dict[ImageWriter, int]:
        """How many bytes each image has that is under way."""
        return {writer: writer.size_bytes for writer in self._writers}

    def begin(self, url: str = "") -> ImageWriter:
        """A writer for the next image, which is fetched from `url` where it did not come itself.

        An `OutputError` where no folder takes it.
        """
        if self._index is None:
            self._index = next(self._indices)
        writer = ImageWriter(self._plan, self._plan.path(self._index))
        self._writers.append(writer)
        self._note({"part": str(writer.part), "number": self._index, "url": url})
        return writer

    def finish(self, writer: ImageWriter, place: Tuple[str, ...] = ()) -> None:
        """A final image is whole: it gets its name, unless the same one came from another place of the answer
        or is known; one that was sent waits for `nothing_else_came`."""
        if writer.sha256 in self._inputs:
            if any(writer.sha256 == echo.sha256 for echo, _ in self._echoes):
                self._abandon(writer)
            else:
                self._echoes.append((writer, place))
            return
        if self._places.setdefault(writer.sha256, place) != place:
            self._abandon(writer)
            return
        index = self._index or next(self._indices)
        target, part = self._plan.path(index), str(writer.part)
        self._note({"part": part, "target": str(target), "sha256": writer.sha256})
        try:
            unasked = self._asked is not None and index > self._asked
            image = writer.commit(target, index, keep_existing=unasked)
        except NotAnImage as error:
            self.kept_aside += (error.kept,)
        except OutputError as error:
            self.lost += (error.message,)
        else:
            self.images += (image,)
            self._note({"part": part, "saved": image.path})
            self._drop_preview()
            self._on_saved(image, writer.rescue_reason)
            for warning in writer.warnings:
                self._on_warning(warning)
        self._index = None
        self._writers.remove(writer)

    def nothing_else_came(self) -> None:
        """Images that were sent are the result after all, where there is no other."""
        echoes, self._echoes = self._echoes, []
        if self.images or not echoes:
            return
        self._inputs.clear()
        for echo in echoes:
            self.finish(*echo)

    def comes_again(self) -> None:
        """The answer broke off, and will be asked for once more: what is saved of it is known."""
        self._preview, self._echoes = None, []
        for writer in list(self._writers):
            self._abandon(writer)
        self._places = dict.fromkeys(self._places)

    def let_go(self, writer: ImageWriter) -> None:
        """A final image is whole, and somebody else names it."""
        self._writers.remove(writer)

    def preview(self, writer: ImageWriter, partial_index: int) -> None:
        """A preview is whole: it is saved when asked for, else held until something better comes."""
        path: Optional[str] = None
        index, part = self._index or 1, str(writer.part)
        self._note({"part": part, "preview": partial_index})
        if self._save_partials:
            self._writers.remove(writer)
            try:
                path = writer.commit(self._plan.partial_path(index, partial_index), index).path
                for warning in writer.warnings:
                    self._on_warning(warning)
            except NotAnImage as error:
                self.kept_aside += (error.kept,)
            except OutputError as error:
                self.lost += (error.message,)
        else:
            self._drop_preview()
            self._preview = writer
        self._on_partial(partial_index, path, index, path or part)

    def keep_aside(self, writer: ImageWriter, name: str) -> None:
        """What arrived is no image: it is kept under another name."""
        self._writers.remove(writer)
        self._index = None
        try:
            self.kept_aside += (writer.keep(name),)
        except OutputError as error:
            self.lost += (error.message,)

    def take(self, url: str, fetch: Callable[[Callable[[bytes], object], Callable[[], None]], None]) -> None:
        """An image whose bytes `fetch(take, restart)` brings; when that raises, `close` deletes what came."""
        writer = self.begin(url)

        def restart() -> None:
            nonlocal writer
            self._abandon(writer)
            writer = self.begin(url)

        fetch(lambda data: writer.write(data), restart)
        self.finish(writer)

    def lose(self, reason: str) -> None:
        """No folder took an image."""
        self.lost += (reason,)

    def break_off(self) -> None:
        """Closes every file as it is: what was noted tells what to do with them."""
        for writer in self._writers:
            writer.close()
        self._writers = []

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
