"""Takes bytes that were paid for and makes sure that they end up on disk somewhere: images and kept answers.

Where the target cannot be written any more, an image goes on in the state folder, and failing that in the
system's temp folder.
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

from ..api.images import SNIFF_BYTES, read_image_info, sniff_format
from ..base.errors import OutputError
from ..base.outcome import SavedImage
from ..base.redact import mask_key
from .files import (
    copy_bytes,
    open_part,
    private_folder,
    rename,
    rename_if_free,
    rescue_folders,
    shortened,
    write_all,
)
from .naming import OutputPlan

_SPOOL_BYTES = 1 << 20
_BASE64_BLOCK = 3 << 18


class NotAnImage(Exception):
    """What was to be an image is none; `kept` is where its bytes are."""

    def __init__(self, kept: str) -> None:
        super().__init__(kept)
        self.kept = kept


class ImageWriter:
    """One image on its way to disk: `write` its bytes, then `commit`, `keep` or `discard` it.

    A failing write moves what there is to a rescue folder and goes on there; `OutputError` is raised only
    when no folder at all takes the bytes.
    """

    def __init__(self, plan: OutputPlan, target: Path) -> None:
        self._plan = plan
        self._target = target
        self._hash = hashlib.sha256()
        self._head = b""
        self._open: Optional[Tuple[Path, IO[bytes]]] = None
        self.size_bytes = 0
        #: Why the image is not going where it was asked for; empty while it is.
        self.rescue_reason = ""
        try:
            # A symlink keeps pointing where it did: the file behind it is what is replaced.
            self._open = open_part(Path(os.path.realpath(str(target))))
        except OSError as error:
            self._rescue(error)

    def write(self, data: bytes) -> None:
        """Appends bytes.

        Raises:
            OutputError: neither the target's folder nor any rescue folder takes them.
        """
        if len(self._head) < SNIFF_BYTES:
            self._head = (self._head + data[:SNIFF_BYTES])[:SNIFF_BYTES]
        self._hash.update(data)
        try:
            write_all(self._file, data)
        except OSError as error:
            self._rescue(error, more=data)
        self.size_bytes += len(data)

    @property
    def sha256(self) -> str:
        """The SHA-256 of what was written so far, in hex."""
        return self._hash.hexdigest()

    def aim(self, plan: OutputPlan) -> None:
        """Says by which plan it is to be named, where that was not known at its beginning."""
        self._plan = plan

    @property
    def looks_like_image(self) -> bool:
        """Whether the first bytes are those of a png, jpeg or webp."""
        return sniff_format(self._head) is not None

    def commit(self, target: Path, index: int, keep_existing: bool = False) -> SavedImage:
        """Renames the whole image to its target and says where it is. With `keep_existing`, as under
        `--no-clobber`, it takes the next free name instead of replacing a file.

        Raises:
            NotAnImage: the bytes are none; they are kept in the rescue folder.
            OutputError: no folder takes the image.
        """
        self._target = target
        info = read_image_info(self._file)
        if info is None:
            raise NotAnImage(self.keep("not-an-image.bin"))
        if not self.rescue_reason:
            try:
                self._place(index, self._plan.no_clobber or keep_existing)
            except OSError as error:
                self._rescue(error)
        if self.rescue_reason:
            self._place_rescued(self._target.name)
        self._file.close()
        return SavedImage(
            path=str(self._target),
            size_bytes=self.size_bytes,
            format=info.format,
            width=info.width,
            height=info.height,
            sha256=self._hash.hexdigest(),
            rescued=bool(self.rescue_reason),
        )

    def keep(self, name: str) -> str:
        """Moves what there is to the rescue folder under a name of its own; its path there."""
        if not self.rescue_reason:
            self._rescue(OSError("kept aside"))
        self._place_rescued(name)
        self._file.close()
        return str(self._target)

    def undo_base64(self) -> None:
        """Turns what was written back into base64 text, so that a faulty text can be kept as it came."""
        self._rescue(OSError("not base64"), fill=_copy_as_base64)

    def discard(self) -> None:
        """Deletes what was written."""
        _remove(self._part, self._file)

    @property
    def _part(self) -> Path:
        assert self._open is not None
        return self._open[0]

    @property
    def _file(self) -> IO[bytes]:
        assert self._open is not None
        return self._open[1]

    def _place(self, index: int, keep_existing: bool) -> None:
        """Gives the part its final name, atomically."""
        if keep_existing:
            for path in self._plan.free_paths(self._target, index):
                if rename_if_free(self._part, path, self._file):
                    self._target = path
                    return
        real = Path(os.path.realpath(str(self._target)))
        with suppress(OSError):
            os.chmod(str(self._part), stat.S_IMODE(real.stat().st_mode))
        rename(self._part, real, self._file)

    def _place_rescued(self, name: str) -> None:
        path = self._part.with_name(_rescued_name(name))
        try:
            rename(self._part, path, self._file)
        except OSError as error:  # the rescue folder went as well
            self._rescue(error)
            path = self._part.with_name(path.name)
            with suppress(OSError):
                rename(self._part, path, self._file)
                self._target = path
                return
            path = self._part
        self._target = path

    def _rescue(
        self,
        reason: OSError,
        more: bytes = b"",
        fill: Callable[[IO[bytes], IO[bytes], int], None] = copy_bytes,
    ) -> None:
        """Goes on in the first rescue folder that takes what was written so far, and `more`."""
        old = self._open
        self.rescue_reason = reason.strerror or str(reason)
        for folder in rescue_folders(self._plan.rescue_folder):
            with suppress(OSError):
                part, file = open_part(private_folder(folder) / self._target.name, 0o600)
                try:
                    if old:
                        fill(old[1], file, self.size_bytes)
                    write_all(file, more)
                except OSError:
                    _remove(part, file)
                    continue
                self._open = part, file
                if old:
                    _remove(*old)
                return
        raise OutputError(
            f"no folder takes the image {self._target.name}: {self.rescue_reason}",
            hint="free some disk space; this image is lost",
        )


class Spool:
    """Keeps the small part of an answer in memory, and the whole of a long one in the state folder.

    Secrets are masked on the way in, also where they fall between two writes.
    """

    def __init__(self, rescue_folder: Path, secrets: Tuple[str, ...] = ()) -> None:
        self._folder = rescue_folder
        self._masks = [(secret.encode(), mask_key(secret).encode()) for secret in secrets if secret]
        self._hold = max((len(secret) - 1 for secret, _ in self._masks), default=0)
        self._held = b""
        self._memory: List[bytes] = []
        self._open: Optional[Tuple[Path, IO[bytes]]] = None
        self._is_full = False
        self.size_bytes = 0

    def write(self, data: bytes) -> None:
        """Appends bytes. When no disk takes them, the rest of this record is lost, never the call."""
        self._held += data
        for secret, mask in self._masks:
            self._held = self._held.replace(secret, mask)
        cut = max(0, len(self._held) - self._hold)
        self._store(self._held[:cut])
        self._held = self._held[cut:]

    def keep(self, name: str) -> Optional[str]:
        """Stores all that was written as a private file; its path, or None when no folder takes it."""
        self._flush()
        if self._open is None:
            self._spill()
        if self._open is None:
            return None
        part, file = self._open
        path = part.with_name(_rescued_name(name))
        rename(part, path, file)
        file.close()
        self._open = None
        return str(path)

    def text(self) -> str:
        """All that was written as text, when it is short enough to be held in memory; else its beginning."""
        self._flush()
        if self._open is None:
            data = b"".join(self._memory)
        else:
            self._open[1].seek(0)
            data = self._open[1].read(_SPOOL_BYTES)
            self._open[1].seek(0, 2)
        return data.decode("utf-8", "replace")

    def discard(self) -> None:
        """Forgets what was written."""
        if self._open is not None:
            _remove(*self._open)
        self._open, self._memory = None, []

    def _store(self, data: bytes) -> None:
        if self._is_full:
            return
        self.size_bytes += len(data)
        if self._open is None:
            self._memory.append(data)
            if self.size_bytes > _SPOOL_BYTES:
                self._spill()
            return
        try:
            write_all(self._open[1], data)
        except OSError:
            self._spill(data)

    def _spill(self, more: bytes = b"") -> None:
        """Goes on in the first folder that takes what was written so far, and `more`."""
        old = self._open
        for folder in rescue_folders(self._folder):
            with suppress(OSError):
                part, file = open_part(private_folder(folder) / "answer", 0o600)
                try:
                    if old:
                        copy_bytes(old[1], file, self.size_bytes - len(more))
                    write_all(file, b"".join(self._memory) + more)
                except OSError:
                    _remove(part, file)
                    continue
                self._open, self._memory = (part, file), []
                if old:
                    _remove(*old)
                return
        self._is_full = True

    def _flush(self) -> None:
        held, self._held = self._held, b""
        self._store(held)


def _rescued_name(name: str) -> str:
    """A name of its own for what is rescued."""
    return shortened(f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}-{name}")


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
