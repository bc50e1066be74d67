"""What is ours in folders that others can write to as well: files that are opened only when they are this
user's own, links that are followed only when their owner may be trusted, and locks.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Generator, Optional, Union

_LOCKED_BYTE = 1 << 40  # far behind any content: Windows locks are mandatory
_LOCK_WAIT_S = 2.0
_MAX_LINKS = 40  # what Linux follows
_MAX_EXCHANGES = 20
#: Nothing is followed, waited for or handed to children. Windows has none of the first three.
_CAREFUL = sum(
    getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_CLOEXEC", "O_BINARY")
)
_KINDS = {
    stat.S_IFLNK: "a link",
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class NotOurs(PermissionError):
    """What lies at a path is not ours to use; `strerror` says what it is and what to do."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(errno.EPERM, reason, str(path))


def is_mine(info: os.stat_result) -> bool:
    """Whether this user owns it; on Windows the folder's own rights decide."""
    return not hasattr(os, "geteuid") or info.st_uid == os.geteuid()


def stat_of(path: Union[str, Path]) -> Optional[os.stat_result]:
    """What is at a path, a link being itself; None where nothing is."""
    try:
        return os.lstat(str(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


def kind_of(info: os.stat_result) -> str:
    """What it is in words; empty for a regular file."""
    kind = stat.S_IFMT(info.st_mode)
    return "" if kind == stat.S_IFREG else _KINDS.get(kind, "no regular file")


def check_replaceable(path: Path) -> None:
    """A `NotOurs` where something else than a regular file would be renamed over."""
    info = stat_of(path)
    if info is not None and kind_of(info):
        raise NotOurs(path, f"it is {kind_of(info)}; move it away")


def check_ours(path: Path) -> None:
    """A `NotOurs` where there is something else than a regular file of this user with one name."""
    info = stat_of(path)
    if info is not None:
        _check(path, info)


def open_ours(path: Path, flags: int, mode: int = 0o600) -> int:
    """Opens a regular file of this user with one name: no link leads to it, and nothing else is opened.

    Raises:
        NotOurs: it is something else.
        OSError: it cannot be opened.
    """
    for _ in range(_MAX_EXCHANGES):  # another of our processes may put a new one in its place
        check_ours(path)
        descriptor = os.open(str(path), flags | _CAREFUL, mode)
        try:
            info, there = os.fstat(descriptor), stat_of(path)
            if there is not None and os.path.samestat(there, info):
                _check(path, info)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
    raise NotOurs(path, "it was exchanged while it was opened; look at who writes there")


def read_ours(path: Path) -> bytes:
    """The content of a file that `open_ours` opens."""
    with os.fdopen(open_ours(path, os.O_RDONLY), "rb") as file:
        return file.read()


def real_path(path: Path, follow: bool = True) -> Path:
    """The path with its links followed; without `follow` the last part stays as it is.

    A link in a folder that everybody may write to and that is sticky, such as /tmp, is followed only where it
    is this user's or the folder's owner's. Linux does the same where `fs.protected_symlinks` is on.

    Raises:
        NotOurs: there is a link of somebody else.
        OSError: it cannot be looked at, or links lead round and round.
    """
    if not follow:
        return real_path(path.parent) / path.name
    if os.name == "nt":
        return Path(os.path.realpath(str(path)))
    here, links = "/", 0
    rest = os.path.abspath(str(path)).split("/")[::-1]
    while rest:
        name = rest.pop()
        if name == "..":
            here = os.path.dirname(here)
        if name in ("", ".", ".."):
            continue
        there = os.path.join(here, name)
        info = stat_of(there)
        if info is None or not stat.S_ISLNK(info.st_mode):
            here = there
            continue
        _check_link(there, info, os.lstat(here))
        links += 1
        if links > _MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = os.readlink(there)
        here = "/" if target.startswith("/") else here
        rest += target.split("/")[::-1]
    return Path(here)


def try_lock(descriptor: int) -> Optional[bool]:
    """Locks an open file until it is closed. False where somebody else has it locked, None where files have
    no locks."""
    try:
        if sys.platform == "win32":
            import msvcrt

            os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return False if error.errno in (errno.EACCES, errno.EAGAIN, errno.EDEADLK) else None
    return True


@contextmanager
def folder_lock(folder: Path) -> Generator[bool, None, None]:
    """One of our processes and threads after the other, where folders have locks (not on Windows).

    Nobody waits for long: a stopped process must not keep an image from its name. False where somebody else
    has the lock still.
    """
    descriptor = -1
    with suppress(OSError):
        if hasattr(os, "O_DIRECTORY"):
            descriptor = os.open(str(folder), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        deadline = time.monotonic() + _LOCK_WAIT_S
        is_ours = descriptor < 0 or try_lock(descriptor) is not False
        while not is_ours and time.monotonic() < deadline:
            time.sleep(0.002)
            is_ours = try_lock(descriptor) is not False
        yield is_ours
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _check(path: Path, info: os.stat_result) -> None:
    kind = kind_of(info)
    if kind:
        raise NotOurs(path, f"it is {kind}, which is not followed or written to; move it away")
    if info.st_nlink > 1:
        raise NotOurs(path, "it is a hard link, the file has another name too; put a copy in its place")
    if not is_mine(info) and info.st_uid != _owner_of_new_files(path.parent):
        raise NotOurs(path, "it belongs to another user; put a copy of your own in its place")


def _owner_of_new_files(folder: Path) -> int:
    """Whose the files are that we make there: some file systems give all files to one user."""
    probe = folder / f".gi2-{os.urandom(6).hex()}.tmp"
    try:
        descriptor = os.open(str(probe), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError:
        return -1
    try:
        return os.fstat(descriptor).st_uid
    finally:
        os.close(descriptor)
        with suppress(OSError):
            os.unlink(str(probe))


def _check_link(link: str, info: os.stat_result, folder: os.stat_result) -> None:
    is_open_to_all = folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH
    if is_open_to_all and not is_mine(info) and info.st_uid != folder.st_uid:
        raise NotOurs(Path(link), f"{link} is a link of another user in a folder that everybody may write to")
