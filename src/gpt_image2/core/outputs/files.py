"""The only place that writes outputs to disk: folders, private files, parts, renames, the sweep of strays.

An image is written to `.<name>.<random>.part` beside its target and renamed in place when it is whole, so a
target is always the old file or the whole new one.
"""

from __future__ import annotations

import os
import re
import threading
import time
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import IO, Callable, Generator, Iterable, List, Optional, Tuple

from ..base.errors import OutputError, UsageError
from .ours import check_replaceable, folder_lock, is_mine, real_path, try_lock
from .owned import STALE_S, owned_folder

#: The code of an error before sending: no room for what is asked for.
NO_SPACE = "no_space"

PART = r"(?s)^\.(?P<name>.+)\.gi2-[0-9a-f]{12}\.part$"
_TEMP_PREFIX = "gpt-image-2-"
_TEMP_FOLDER = _TEMP_PREFIX + r"[0-9a-f]{8}$"
_MAX_PART_NAME_BYTES = 200
_COPY_BYTES = 1 << 20


def prepare_folder(
    folder: Path,
    hint: str = "choose another place with -o; nothing was sent",
    what: str = "output folder",
) -> None:
    """Makes a folder and probes that files can be written there; a `UsageError` where not."""
    try:
        try:
            _probe(folder)
        except FileNotFoundError:  # a batch that came to nothing took a folder away that it had made
            _probe(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"cannot write to the {what} {folder}: {reason}",
            hint=hint,
            code="output_not_writable",
        ) from None


def _probe(folder: Path) -> None:
    real_path(folder)  # no link of somebody else leads there
    folder.mkdir(parents=True, exist_ok=True)
    probe, file = open_part(folder / "probe", 0o600)
    try:
        file.write(b"?")
    finally:
        file.close()
        os.unlink(str(probe))


def free_bytes(folder: Path) -> Optional[int]:
    """What the disk of a folder takes still, which need not be there yet; None where nobody can tell."""
    while not os.path.exists(str(folder)) and folder != folder.parent:
        folder = folder.parent
    try:
        if not hasattr(os, "statvfs"):
            import shutil  # it takes 5 ms

            return shutil.disk_usage(str(folder)).free
        info = os.statvfs(str(folder))
        # A file system that has no size is none on a disk.
        return info.f_bavail * info.f_frsize if info.f_blocks and os.access(str(folder), os.W_OK) else None
    except OSError:
        return None


class Room:
    """The room on disk that calls under way are going to need. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = 0

    def take(self, size_bytes: int, folders: Iterable[Path]) -> Callable[[], None]:
        """As many bytes more are needed in each of these folders, until what is returned is called; a
        `UsageError` where one has not enough for all that is under way."""
        with self._lock:
            self._taken += size_bytes
            needed = self._taken
        for folder in folders:
            free = free_bytes(folder)
            if free is not None and free < needed:
                self._give_back(size_bytes)
                raise UsageError(
                    f"{folder} has room for {free / 1e6:.1f} MB; up to {needed / 1e6:.1f} MB may come",
                    hint="free some space there, or choose another place (-o for the output, "
                    "XDG_STATE_HOME for the state folder); nothing was sent",
                    code=NO_SPACE,
                )
        return lambda: self._give_back(size_bytes)

    def _give_back(self, size_bytes: int) -> None:
        with self._lock:
            self._taken -= size_bytes


@contextmanager
def temporary_folder() -> Generator[Path, None, None]:
    """A private (0700) folder of the system's temp folder, deleted at the end whatever happens.

    It may vanish at any moment, as a cleaner of that folder likes; leaving it never raises.
    """
    try:
        folder = owned_folder(temp_place(), _TEMP_PREFIX)
    except OSError as error:
        raise UsageError(
            f"cannot make a temporary folder: {error.strerror or error}",
            hint="free some space there, or name another with TMPDIR",
            code="temp_not_writable",
        ) from None
    with folder:
        yield folder.path


def temp_place() -> Path:
    """The system's folder for temporary files; an `OSError` where it has none."""
    for place in (os.environ.get("TMPDIR", ""), "/tmp"):  # noqa: S108
        if os.name == "posix" and os.path.isabs(place) and os.access(place, os.W_OK | os.X_OK):
            return Path(place)
    import tempfile  # it knows more places, and takes 5 ms

    return Path(tempfile.gettempdir())


def new_private_file(path: Path) -> IO[bytes]:
    """A new file that only the user may read (0600), open for writing."""
    return os.fdopen(os.open(str(path), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")


def write_private(path: Path, data: bytes) -> None:
    """Writes a new file that only the user may read (0600)."""
    with new_private_file(path) as file:
        file.write(data)


def write_config(path: Path, text: str, force: bool) -> None:
    """As `write_private_file`; a `UsageError` where there is such a file and `force` is false."""
    with private_turn(path):
        if not force and os.path.exists(str(path)):  # unlike Path.exists it never raises
            raise UsageError(f"config {path} exists already", hint="add --force to overwrite it")
        write_private_file(path, text)


@contextmanager
def private_turn(path: Path) -> Generator[None, None, None]:
    """One of our processes after the other looks at such a file and writes it (see `folder_lock`), so that
    none undoes what another has written meanwhile; its folder is made, 0700.

    An `OutputError` where that cannot be.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None
    with folder_lock(path.parent):
        yield


def write_private_file(path: Path, text: str) -> None:
    """Writes a file that only the user may read (0600), whole or not at all, in its `private_turn`; an
    `OutputError` where it cannot be written."""
    write_whole(path, [text], 0o600)


def write_whole(path: Path, pieces: Iterable[str], mode: int = 0o666) -> None:
    """Writes a text file from its pieces, whole or not at all; an `OutputError` where it cannot."""
    try:
        part, file = open_part(path, mode)
        try:
            with file:
                for piece in pieces:
                    write_all(file, piece.encode("utf-8", "replace"))
            check_replaceable(path)
            os.replace(str(part), str(path))
        except BaseException:
            with suppress(OSError):
                part.unlink()
            raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}") from None


def sweep(folder: Path, rescue_folder: Path) -> List[str]:
    """Clears what dead processes left a day ago or longer; the paths of whole images that were rescued.

    Stray parts in both folders are deleted, except whole images, which get a name in the rescue folder.
    """
    parts = [part for place in (folder, rescue_folder) for part in _stale(place, PART)]
    folders: List[str] = []
    with suppress(OSError):
        folders = _stale(temp_place(), _TEMP_FOLDER)
    if not (parts or folders):
        return []
    try:
        from .sweeping import clear

        return clear(parts, folders, rescue_folder)
    except UsageError:  # the script lies alone
        return []


def _stale(folder: Path, pattern: str) -> List[str]:
    """The paths of what this user left in a folder under such a name, a day ago or longer."""
    found: List[str] = []
    with suppress(OSError), os.scandir(str(folder)) as entries:
        for entry in entries:
            if not re.match(pattern, entry.name):
                continue
            with suppress(OSError):
                info = entry.stat(follow_symlinks=False)
                if is_mine(info) and time.time() - info.st_mtime > STALE_S:
                    found.append(entry.path)
    return found


def rescue_folders(rescue_folder: Path) -> List[Path]:
    """Where an image goes that its target does not take, best first."""
    user = str(os.getuid()) if hasattr(os, "getuid") else "user"
    folders = [rescue_folder]
    with suppress(OSError):
        folders.append(temp_place() / f"{_TEMP_PREFIX}rescued-{user}")
    return folders


def private_folder(folder: Path) -> Path:
    """The folder, made with mode 0700 where it was missing; an `OSError` where somebody else owns it."""
    folder.mkdir(parents=True, mode=0o700, exist_ok=True)
    if not is_mine(os.lstat(str(folder))):
        raise PermissionError(f"{folder} belongs to another user")
    return folder


def write_all(file: IO[bytes], data: bytes) -> None:
    """Writes every byte to an unbuffered file. Tests inject a full disk here."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def open_part(target: Path, mode: int = 0o666) -> Tuple[Path, IO[bytes]]:
    """A new, empty, unbuffered file beside the target, and its path. While it is open it is locked, which
    tells that its process lives."""
    part = target.with_name(f".{shortened(target.name)}.gi2-{os.urandom(6).hex()}.part")
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    descriptor = os.open(str(part), flags, mode)
    try_lock(descriptor)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return part, os.fdopen(descriptor, "r+b", buffering=0)


def shortened(name: str) -> str:
    """A file name to which something can be added, its end kept."""
    while len(os.fsencode(name)) > _MAX_PART_NAME_BYTES:
        name = name[1:]
    return name


def copy_bytes(source: IO[bytes], target: IO[bytes], size: int) -> None:
    """Copies the first `size` bytes of an open file to the end of another."""
    source.seek(0)
    while size > 0:
        block = source.read(min(_COPY_BYTES, size))
        if not block:
            raise OSError("the part could not be read back")
        write_all(target, block)
        size -= len(block)


def rename(part: Path, target: Path, file: IO[bytes]) -> None:
    """Replaces the target atomically. Windows cannot rename an open file, so there it is closed first."""
    if os.name == "nt":
        file.close()
    os.replace(str(part), str(target))


def rename_if_free(part: Path, target: Path, file: IO[bytes]) -> bool:
    """Gives the part this name unless something has it; False when it is taken."""
    try:
        if os.name == "nt":  # where no open file can be deleted, and no rename replaces anything
            file.close()
            os.rename(str(part), str(target))
            return True
        os.link(str(part), str(target))
    except FileExistsError:
        return False
    except OSError:
        # A file system without hard links: a check and a rename is the best there is.
        if os.path.lexists(str(target)):
            return False
        rename(part, target, file)
        return True
    with suppress(OSError):
        os.unlink(str(part))
    return True


def finish_rename(path: Path) -> None:
    """Takes the part's name away where `rename_if_free` is, or was killed, between its two steps."""
    names: List[str] = []
    with suppress(OSError):
        if os.lstat(str(path)).st_nlink > 1:
            names = os.listdir(str(path.parent))
    for name in names:
        match = re.match(PART, name)
        part = path.with_name(name)
        if match and match.group("name") == shortened(path.name) and is_same(str(part), str(path)):
            with suppress(OSError):
                os.unlink(str(part))


def move_aside(path: Path) -> Path:
    """Gives a file the next free name of `NAME.1.png`, `NAME.2.png` …; the name.

    The old name stands as well until something is renamed over it, so a kill between the two loses nothing.
    """
    for number in count(1):
        aside = path.with_name(f"{path.stem}.{number}{path.suffix}")
        try:
            os.link(str(path), str(aside))
        except FileExistsError:
            if not is_same(str(path), str(aside)):
                continue  # else a call that was killed here had come so far
        except OSError:
            # A file system without hard links: a check and a rename is the best there is.
            if os.path.lexists(str(aside)):
                continue
            os.rename(str(path), str(aside))
        return aside
    raise AssertionError("numbers do not end")


def is_same(path: str, other: str) -> bool:
    """Whether two paths are names of one file; a link is not what it leads to."""
    try:
        return os.path.samestat(os.lstat(path), os.lstat(other))
    except OSError:
        return False
