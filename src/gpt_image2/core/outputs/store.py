"""Takes bytes that were paid for and makes sure that they end up on disk somewhere: images and kept answers.

Where the target cannot be written any more, they go on in the state folder, and failing that in the system's
temp folder.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Callable, List, Optional, Tuple

from ..api.images import SNIFF_BYTES, is_whole_image, read_image_info, sniff_format
from ..base.errors import OutputError
from ..base.outcome import SavedImage
from ..base.record import replace
from ..base.redact import show
from .files import (
    copy_bytes,
    move_aside,
    open_part,
    private_folder,
    rename,
    rename_if_free,
    rescue_folders,
    shortened,
    write_all,
)
from .naming import OutputPlan, mark_of
from .ours import check_replaceable, folder_lock, real_path

_SPOOL_BYTES = 1 << 18
_BASE64_BLOCK = 3 << 18
_SEAM_BYTES = 48  # by so many bytes the end of an image is found in a text


class NotAnImage(Exception):
    """The bytes of an image are no image; `kept` is where they are."""

    def __init__(self, kept: str) -> None:
        super().__init__(kept)
        self.kept = kept


class MovingFile:
    """A file without its final name yet, which goes on in a rescue folder when its own takes no more bytes.

    Whatever needs a folder raises `OutputError` when no folder takes the bytes.
    """

    def __init__(
        self,
        rescue_folder: Path,
        name: str,
        target: Optional[Path] = None,
        follow: bool = True,
        there: Optional[Path] = None,
    ) -> None:
        """Opens it beside `target`, or with `follow` beside what a link there leads to; where that fails, or
        there is no target, in a rescue folder. A file that is `there` is opened as it is."""
        self._rescue_folder = rescue_folder
        self._name = name
        self._open: Optional[Tuple[Path, IO[bytes]]] = None
        self.size_bytes = 0
        #: Why it is not beside its target; empty while it is.
        self.moved_reason = ""
        if there is not None:
            self._open = there, there.open("rb")
            return
        try:
            if target is None:
                raise OSError("it has no target")
            self._open = open_part(real_path(target, follow))
        except OSError as error:
            self.move(error)

    @property
    def path(self) -> Path:
        """Where it is now."""
        assert self._open is not None
        return self._open[0]

    @property
    def file(self) -> IO[bytes]:
        """The open file."""
        assert self._open is not None
        return self._open[1]

    def write(self, data: bytes) -> None:
        """Appends bytes."""
        try:
            self.file.seek(self.size_bytes)  # over what a defect has left half written
            write_all(self.file, data)
            self.size_bytes += len(data)
        except OSError as error:
            self.move(error, more=data)

    def move(
        self,
        reason: OSError,
        more: bytes = b"",
        fill: Callable[[IO[bytes], IO[bytes], int], None] = copy_bytes,
    ) -> None:
        """Goes on in the first rescue folder that takes what was written so far, and `more`."""
        self.moved_reason = reason.strerror or str(reason)
        for folder in rescue_folders(self._rescue_folder):
            with suppress(OSError):
                if self._open and self.file.closed:  # for a rename on Windows, which failed
                    self._open = self.path, open(str(self.path), "rb", buffering=0)  # noqa: SIM115
                part, file = open_part(private_folder(folder) / self._name, 0o600)
                try:
                    if self._open:
                        fill(self.file, file, self.size_bytes)
                    write_all(file, more)
                except OSError:
                    _remove(part, file)
                    continue
                if self._open:
                    self.remove()
                self._open, self.size_bytes = (part, file), file.tell()
                return
        raise OutputError(
            f"no folder takes the image {self._name}: {self.moved_reason}",
            hint="free some disk space; this image is lost",
        )

    def name_rescued(self, name: str) -> Path:
        """Gives it a name of its own in its rescue folder, and closes it; where it is then."""
        name = shortened(f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}-{name}")
        path = self.path.with_name(name)
        try:
            rename(self.path, path, self.file)
        except OSError as error:  # the rescue folder went as well
            self.move(error)
            path = self.path
            with suppress(OSError):
                rename(path, path.with_name(name), self.file)
                path = path.with_name(name)
        self.file.close()
        return path

    def remove(self) -> None:
        _remove(self.path, self.file)


class ImageWriter:
    """One image on its way to disk: `write` its bytes, then `commit`, `keep` or `discard` it.

    Whatever writes raises `OutputError` when neither the target's folder nor a rescue folder takes it.
    """

    def __init__(self, plan: OutputPlan, target: Path, there: Optional[Path] = None) -> None:
        """`there` is a whole image that has another name still, for `take_name`."""
        self._plan = plan
        self._hash = hashlib.sha256()
        self._head = b""
        # A symlink keeps pointing where it did: the file behind it is what is replaced.
        self._file = MovingFile(
            plan.rescue_folder, target.name, target, follow=not plan.no_clobber, there=there
        )
        self.size_bytes = 0
        #: What the user should know of the image and how it got its name.
        self.warnings: List[str] = []

    @property
    def part(self) -> Path:
        """Where the bytes are until they have a name."""
        return self._file.path

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written so far, in hex."""
        return self._hash.hexdigest()

    @property
    def rescue_reason(self) -> str:
        """Why the image is not going where it was asked for; empty while it is."""
        return self._file.moved_reason

    @property
    def looks_like_image(self) -> bool:
        """Whether the first bytes are those of a png, jpeg or webp."""
        return sniff_format(self._head) is not None

    def aim(self, plan: OutputPlan) -> None:
        """Says by which plan it is to be named, where that was not known at its beginning."""
        self._plan = plan

    def write(self, data: bytes) -> None:
        """Appends bytes."""
        if len(self._head) < SNIFF_BYTES:
            self._head = (self._head + data[:SNIFF_BYTES])[:SNIFF_BYTES]
        self._hash.update(data)
        self._file.write(data)
        self.size_bytes += len(data)

    def commit(self, target: Path, number: int, keep_existing: bool = False) -> SavedImage:
        """Renames the whole image to its target and says where it is. With `keep_existing`, as under
        `--no-clobber`, it takes the next free name instead of replacing a file.

        Raises:
            NotAnImage: the bytes are no image; they are kept in the rescue folder.
            OutputError: no folder takes the image.
        """
        info = read_image_info(self._file.file)
        if info is None:
            raise NotAnImage(self.keep("not-an-image.bin"))
        is_whole = is_whole_image(self._file.file)
        path = target
        if not self.rescue_reason:
            try:
                path = self._place(target, number, self._plan.no_clobber or keep_existing)
            except OSError as error:
                self._file.move(error)
        if self.rescue_reason:
            path = self._file.name_rescued(target.name)
        self._file.file.close()
        if not is_whole:
            place = show(str(path), limit=None)
            self.warnings.append(f"{place} does not end as a {info.format} file ends: it may be cut")
        return SavedImage(
            path=str(path),
            size_bytes=self.size_bytes,
            format=info.format,
            width=info.width,
            height=info.height,
            sha256=self.sha256,
            rescued=bool(self.rescue_reason),
            number=number,
        )

    def take_name(self, image: SavedImage) -> SavedImage:
        """Gives an image that is saved already the name that the plan has for it, by the rules of `commit`.

        Raises:
            OSError: it cannot have that name; it is where it was.
        """
        with self._file.file:
            path = self._place(self._plan.path(image.number), image.number, self._plan.no_clobber)
        return replace(image, path=str(path))

    def keep(self, name: str) -> str:
        """Moves what there is to the rescue folder under a name of its own; its path there."""
        if not self.rescue_reason:
            self._file.move(OSError("kept aside"))
        return str(self._file.name_rescued(name))

    def undo_base64(self) -> None:
        """Turns what was written back into base64 text, so that a faulty text can be kept as it came."""
        self._file.move(OSError("not base64"), fill=_copy_as_base64)

    def give_back(self, size: int, keep: Callable[[bytes], object], text: bytes) -> bytes:
        """Gives the first `size` bytes to `keep` as they came, plain or base64, unless they are a whole
        image; what of `text`, the end of what came, is not in them."""
        file = self._file.file
        if size < _SEAM_BYTES or is_whole_image(file):
            return text
        file.seek(size - _SEAM_BYTES)
        plain = file.read(_SEAM_BYTES)
        for seam, written in ((plain, bytes), (base64.b64encode(plain), base64.b64encode)):
            at = text.rfind(seam)
            if at >= 0:
                file.seek(0)
                for start in range(0, size, _BASE64_BLOCK):
                    keep(written(file.read(min(_BASE64_BLOCK, size - start))))
                return text[at + len(seam) :]
        return text

    def discard(self) -> None:
        self._file.remove()

    def close(self) -> None:
        """Leaves the part as it is."""
        self._file.file.close()

    def _place(self, target: Path, number: int, keep_existing: bool) -> Path:
        """Gives the part its final name, atomically; the name."""
        real = real_path(target, follow=not keep_existing)
        with folder_lock(real.parent) as is_alone:
            if keep_existing:
                return self._take_free_name(target, number)
            if self._replace(real, target, is_alone):
                if self._plan.met is not None:
                    self._plan.met[target.name] = mark_of(real)
                return target
            # The part lies beside what a link leads to, and cannot be renamed further than that.
            path = self._take_free_name(real if target.is_symlink() else target, number)
        self.warnings.append(
            f"{show(str(target), limit=None)} was written by somebody else during the call; "
            f"the image was saved as {show(str(path), limit=None)}"
        )
        return path

    def _take_free_name(self, target: Path, number: int) -> Path:
        part, file = self._file.path, self._file.file
        names = self._plan.free_paths(target, number)
        return next(path for path in names if rename_if_free(part, path, file))

    def _replace(self, real: Path, target: Path, is_alone: bool) -> bool:
        """Gives the part a name that nothing has, or the file that was met there; False for another file, as
        any may be where it `is_alone` no longer.

        Raises:
            NotOurs: it is no file.
        """
        part, file = self._file.path, self._file.file
        check_replaceable(real)
        now = mark_of(real)
        if now is None:
            return rename_if_free(part, real, file)
        met = now if self._plan.met is None else self._plan.met.get(target.name, now)
        if not is_alone or (met != now and not self._plan.moves_aside):
            return False
        with suppress(OSError):
            os.chmod(str(part), stat.S_IMODE(real.stat().st_mode))
        if self._plan.moves_aside:
            aside = move_aside(real)
            self.warnings.append(
                f"the picture that was {show(str(target), limit=None)} is now {show(str(aside), limit=None)}"
            )
        rename(part, real, file)
        return True


class Spool:
    """An answer as it came, but for its images: on disk after each `flush`, its beginning in memory too."""

    def __init__(self, rescue_folder: Path, path: Optional[Path] = None) -> None:
        """`path` is where it goes; where that fails, or there is none, a rescue folder."""
        self._rescue_folder = rescue_folder
        self._path = path
        self._file: Optional[MovingFile] = None
        self._pending = bytearray()
        self._beginning = bytearray()
        self._is_full = False
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Appends bytes. When no disk takes them, the rest of this record is lost, never the call."""
        self.size_bytes += len(data)
        self._pending += data
        if len(self._beginning) < _SPOOL_BYTES:
            self._beginning += data[: _SPOOL_BYTES - len(self._beginning)]
        if len(self._pending) > _SPOOL_BYTES:
            self.flush()

    def flush(self) -> None:
        """All that was written is on disk, where a disk takes it."""
        data, self._pending = bytes(self._pending), bytearray()
        if self._is_full or not data:
            return
        try:
            if self._file is None:
                self._file = MovingFile(self._rescue_folder, "answer", self._path)
            self._file.write(data)
        except OutputError:
            self._is_full = True

    def keep(self, name: str) -> Optional[str]:
        """Gives all that was written a name in the rescue folder; its path, None when no folder takes it."""
        self.flush()
        file, self._file = self._file, None
        if file is None:
            return None
        try:
            if not file.moved_reason:
                file.move(OSError("kept"))
            return str(file.name_rescued(name))
        except OutputError:
            return None

    def text(self) -> str:
        """The beginning of what was written, as text: all of a usual answer."""
        return self._beginning.decode("utf-8", "replace")

    def discard(self) -> None:
        if self._file is not None:
            self._file.remove()
        self._file = None
        self._pending = bytearray()


def _copy_as_base64(source: IO[bytes], target: IO[bytes], size: int) -> None:
    """Copies bytes as base64 text; `size` is a multiple of 3 but at the end."""
    source.seek(0)
    while size > 0:
        block = source.read(min(_BASE64_BLOCK, size))
        if not block:
            raise OSError("the part could not be read back")
        write_all(target, base64.b64encode(block))
        size -= len(block)


def _remove(part: Path, file: IO[bytes]) -> None:
    file.close()
    with suppress(OSError):
        os.unlink(str(part))
