"""Windows as far as Python shows it: runs a command of core as if it were there, on a folder that is drive C.

    python -I -S emulated.py DRIVE SOURCE ARGUMENT…

What is emulated: `os.name`, `sys.platform`, `ntpath`, paths with a drive and backslashes, `WindowsPath`,
names without case, names that end in dots, characters that no name may hold, modules and functions that are
not there (`fcntl`, `pwd`, `os.geteuid`, `select.poll` …), `msvcrt.locking`, files that cannot be renamed,
replaced or deleted while they are open here, `os.rename` that replaces nothing, text files in cp1252 with
CRLF where no other is asked for, no descriptors handed to children, who get a Ctrl-C too unless they are in
a group of their own. EMULATED_HELD names a file that another program has open. What is not emulated: the
console, how a Ctrl-C wakes a wait, rights, junctions, long paths, devices.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import io
import ntpath
import os
import re
import select
import signal
import subprocess
import sys
import types
from functools import partial
from urllib.parse import quote, unquote

DRIVE, SOURCE = sys.argv[1:3]
_CWD = ["C:\\work"]
_NO_SUCH_MODULE = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty")
_NO_SUCH = {
    os: """O_CLOEXEC O_DIRECTORY O_NOCTTY O_NOFOLLOW O_NONBLOCK chown fchmod fchown fork getegid geteuid
        getgid getpgid getpgrp getuid killpg lchown mkfifo mknod posix_fadvise posix_fallocate pread pwrite
        setsid statvfs""",
    signal: "SIGALRM SIGCHLD SIGHUP SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 pthread_sigmask setitimer",
    select: "epoll poll",
}
_OF_ONE_PATH = "access chmod listdir lstat mkdir readlink rmdir stat truncate utime"
_BINARY = 1 << 30
_text_descriptors = set()
_is_open_elsewhere = (
    errno.EACCES,
    "The process cannot access the file because it is being used by another process",
)


def real(path):
    """Where a path of this Windows is on disk."""
    if isinstance(path, int) or path is None:
        return path
    path = os.fspath(path)
    path = path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path
    if path.lower() == "nul":
        return "/dev/null"
    if path.startswith("/") and "\\" not in path:
        return path  # Python's own files
    drive, rest = ntpath.splitdrive(ntpath.normpath(ntpath.join(_CWD[0], path)))
    if drive.upper() != "C:":
        raise FileNotFoundError(errno.ENOENT, "The system cannot find the path specified", path)
    here = DRIVE
    for name in filter(None, rest.split("\\")):
        if re.search('[<>:"|?*\x00-\x1f]', name):
            raise OSError(
                errno.EINVAL, "The filename, directory name, or volume label syntax is incorrect", path
            )
        here = _below(here, name.rstrip(". ") or name)
    return here


def _below(folder, name):
    try:
        names = _listdir(folder)
    except OSError:
        names = []
    same = [each for each in names if each.casefold() == name.casefold()]
    return folder + "/" + (same[0] if same and name not in names else name)


def _is_open(path):
    """Whether this process has the file open, or another one, in whose stead a name can be given."""
    if ntpath.basename(path.replace("/", "\\")) == os.environ.get("EMULATED_HELD"):
        return True
    try:
        info = _stat(path, follow_symlinks=False)
    except OSError:
        return False
    for name in _listdir("/proc/self/fd"):
        try:
            if os.path.samestat(info, os.fstat(int(name))):
                return True
        except OSError:
            continue
    return False


_listdir, _stat, _open, _scandir, _write, _io_open = (
    os.listdir,
    os.stat,
    os.open,
    os.scandir,
    os.write,
    io.open,
)


def _of_one_path(function, closed=False):
    def call(path=".", *args, **options):
        there = real(path)
        if closed and _is_open(there):
            raise PermissionError(*_is_open_elsewhere, path)
        return function(there, *args, **options)

    return partial(call)  # no method of a class that takes it, as the built-in is none


def _of_two_paths(function, closed=True, replaces=True):
    def call(source, target, **options):
        there = real(target)
        if closed and (_is_open(real(source)) or _is_open(there)):
            raise PermissionError(*_is_open_elsewhere, source)
        if not replaces and os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, "Cannot create a file when that file already exists", target)
        return function(real(source), there, **options)

    return partial(call)


class _Entry:
    def __init__(self, folder, entry):
        self._entry = entry
        self.name, self.path = entry.name, ntpath.join(folder, entry.name)

    def __getattr__(self, name):
        return getattr(self._entry, name)

    def __fspath__(self):
        return self.path


class _Entries:
    def __init__(self, folder="."):
        self._entries = _scandir(real(folder))
        self._folder = os.fspath(folder)

    def __iter__(self):
        return (_Entry(self._folder, entry) for entry in self._entries)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._entries.close()

    def close(self):
        self._entries.close()


def _open_descriptor(path, flags, mode=0o777, **options):
    descriptor = _open(real(path), flags & ~_BINARY, mode, **options)
    (_text_descriptors.discard if flags & _BINARY else _text_descriptors.add)(descriptor)
    return descriptor


def _write_descriptor(descriptor, data):
    if descriptor in _text_descriptors and b"\n" in bytes(data):
        raise AssertionError("os.write to a file opened without O_BINARY would write CRLF")
    return _write(descriptor, data)


def _open_file(file, mode="r", buffering=-1, encoding=None, errors=None, newline=None, *args, **options):
    if "b" not in mode and encoding is None:
        encoding = "cp1252"
    if "b" not in mode and newline is None and set(mode) & set("wax+"):
        newline = "\r\n"
    return _io_open(real(file), mode, buffering, encoding, errors, newline, *args, **options)


class _Popen(subprocess.Popen):
    def __init__(self, args, **options):
        if options.pop("start_new_session", False) or options.pop("pass_fds", ()):
            raise ValueError("not supported on Windows")
        in_group = options.pop("creationflags", 0) & subprocess.CREATE_NEW_PROCESS_GROUP
        super().__init__([real(args[0]), *args[1:]], start_new_session=bool(in_group), **options)

    def kill(self):
        os.kill(self.pid, 9)


def _locking(descriptor, mode, count):
    try:
        fcntl_lock(descriptor, LOCK, count, 0, os.SEEK_CUR)
    except OSError:
        raise PermissionError(errno.EACCES, "Permission denied") from None


fcntl_lock, LOCK = fcntl.lockf, fcntl.LOCK_EX | fcntl.LOCK_NB


def _uri(path):
    """A path, or an address of one: SQLite takes file:///C:/folder."""
    if not path.startswith("file:"):
        return real(path)
    place, _, query = path.partition("?")
    return "file://" + quote(real(unquote(place[len("file:///") :]))) + "?" + query


def emulate():
    """From here on this is Windows."""
    nt = types.ModuleType("nt")
    nt._getfinalpathname = os.fspath
    msvcrt = types.ModuleType("msvcrt")
    msvcrt.locking, msvcrt.LK_NBLCK, msvcrt.LK_UNLCK = _locking, 2, 0
    sys.modules.update({"nt": nt, "os.path": ntpath})
    sys.getwindowsversion = lambda: (10, 0, 19045, 2, "")
    os.path, os.sep, os.altsep, os.pathsep, os.linesep, os.devnull = ntpath, "\\", "/", ";", "\r\n", "nul"
    os.name, os.O_BINARY = "nt", _BINARY
    os.getcwd = lambda: _CWD[0]
    os.chdir = lambda path: _CWD.__setitem__(0, ntpath.normpath(ntpath.join(_CWD[0], path)))
    for name in _OF_ONE_PATH.split():
        setattr(os, name, _of_one_path(getattr(os, name)))
    os.unlink = os.remove = _of_one_path(os.unlink, closed=True)
    os.link = _of_two_paths(os.link, closed=False)
    os.rename = _of_two_paths(os.rename, replaces=False)
    os.replace = _of_two_paths(os.replace)
    os.scandir, os.open, os.write = _Entries, partial(_open_descriptor), _write_descriptor
    builtins.open = io.open = _open_file
    os.fsencode, os.fsdecode = (lambda path: os.fspath(path).encode("utf-8", "surrogatepass")), os.fspath
    subprocess.Popen, subprocess.CREATE_NEW_PROCESS_GROUP = _Popen, 0x200
    import pathlib  # noqa: F401 - made while the name is nt, and before what it needs is gone
    import shutil
    import sqlite3
    import tempfile  # noqa: F401

    usage = shutil.disk_usage(DRIVE)
    shutil.disk_usage = lambda path: usage if os.path.exists(path) else os.stat(path)
    connect = sqlite3.connect
    sqlite3.connect = lambda path, *args, **options: connect(_uri(path), *args, **options)
    for module, names in _NO_SUCH.items():
        for name in names.split():
            if hasattr(module, name):
                delattr(module, name)
    sys.modules.update(dict.fromkeys(_NO_SUCH_MODULE))
    sys.modules["msvcrt"] = msvcrt
    sys.platform = "win32"


def main():
    sys.path.insert(0, SOURCE)
    emulate()
    from gpt_image2.core import cli

    return cli.main(sys.argv[3:])


if __name__ == "__main__":
    sys.exit(main())
