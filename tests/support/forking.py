"""Runs of the script that do not wait for Python to start.

A parent, started with the flags of the script, imports what the script imports, and forks a child for each
run, which then runs the whole script from its first line. A child has its own process id, arguments,
environment, working folder and standard streams, and no state of an earlier run.

What is different from a fresh process: modules of the standard library are loaded before the script asks for
them, and nothing is taken down at its end, so that what a file left open has not written is lost; the
children of a parent share its hash seed, umask and limits; `/proc` shows the parent's command line and
environment; a traceback that leaves the script begins in this module. All streams are pipes: for other ones,
and to send a signal, `Home` has `start` and `run_program`.

Of a run that takes too long it is told where it was.
"""

from __future__ import annotations

import atexit
import faulthandler
import importlib
import json
import marshal
import os
import re
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from importlib.machinery import SourcelessFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, Dict, Iterator, List, Mapping, NamedTuple, Optional, Sequence

#: What Python, although it is isolated, and the loader of programs read before the script begins.
_AT_START = {"LANG": "C.UTF-8"}
_NAMES_AT_START = ("LANG", "LC_", "LD_")
_IMPORT = re.compile(r"^ *(?:import ([\w.]+)|from ([\w.]+) import )", re.MULTILINE)
_NUMBER_BYTES = 16
#: On which a child says where each of its threads is; how long it may take to begin with that, and how long
#: it is silent when it has ended.
_TELL, _TELLING_S, _SILENCE_S = signal.SIGUSR1, 10.0, 1.0


class Job(NamedTuple):
    """A run of a compiled script: `command` is the script and its words."""

    command: Sequence[str]
    env: Mapping[str, str]
    cwd: str
    stdin: bytes
    timeout_s: float

    @property
    def can_fork(self) -> bool:
        """Whether a child does the same as a fresh process. On other systems than Linux, libraries may not
        stand it that a process goes on after a fork; a longer input would have to wait for its reader."""
        at_start = {name: self.env[name] for name in self.env if name.startswith(_NAMES_AT_START)}
        return sys.platform == "linux" and at_start == _AT_START and len(self.stdin) <= select.PIPE_BUF

    def run(self) -> subprocess.CompletedProcess[bytes]:
        """What `subprocess.run` returns and raises, done by a parent that is idle."""
        try:
            parent = _idle.pop()
        except IndexError:
            parent = Parent(self.command[0])
        done = parent.run(self)
        _idle.append(parent)
        return done


_idle: List[Parent] = []


class Parent:
    """A process that forks a child for each job of one script, one after the other."""

    def __init__(self, script: str) -> None:
        self._child: Optional[int] = None
        self._channel, theirs = socket.socketpair()
        command = [sys.executable, "-I", "-S", __file__, script, str(theirs.fileno())]
        # What Python makes of a standard stream depends on its kind: a child's are pipes as well.
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        with theirs:
            self._process = subprocess.Popen(command, env=_AT_START, pass_fds=[theirs.fileno()], **pipes)
        atexit.register(self.close)

    def close(self) -> None:
        """Ends it."""
        self._channel.close()
        with self._process:
            atexit.unregister(self.close)

    def run(self, job: Job) -> subprocess.CompletedProcess[bytes]:
        """Does a job. Where that fails, child and parent have ended."""
        deadline = time.monotonic() + job.timeout_s
        (given, feed), (out, told), (err, complained) = os.pipe(), os.pipe(), os.pipe()
        with _closing(out, err):
            try:
                with _closing(given, feed, told, complained):
                    os.write(feed, job.stdin)
                    streams = [f"/proc/{os.getpid()}/fd/{end}" for end in (given, told, complained)]
                    message = json.dumps([job.command, dict(job.env), job.cwd, streams])
                    self._channel.sendall(f"{message}\n".encode())
                    self._child = self._receive()
                return self._follow(job, out, err, deadline)
            except BaseException:
                if self._child:
                    os.kill(self._child, signal.SIGKILL)
                self.close()
                raise

    def _receive(self) -> int:
        number = self._channel.recv(_NUMBER_BYTES, socket.MSG_WAITALL)
        if not number:
            raise RuntimeError(self._process.stderr.read().decode())
        return int(number)

    def _follow(self, job: Job, out: int, err: int, deadline: float) -> subprocess.CompletedProcess[bytes]:
        texts: Dict[int, List[bytes]] = {out: [], err: []}
        status = 0
        with selectors.DefaultSelector() as waiting:
            for source in (out, err, self._channel):
                waiting.register(source, selectors.EVENT_READ)
            while waiting.get_map():
                ready = waiting.select(max(0, deadline - time.monotonic()))
                if not ready:
                    self._tell_where_it_is(err)
                    raise subprocess.TimeoutExpired(job.command, job.timeout_s)
                for key, _ in ready:
                    if key.fileobj is self._channel:
                        status, chunk = self._receive(), b""
                        self._child = None
                    else:
                        chunk = os.read(key.fd, 1 << 16)
                        texts[key.fd].append(chunk)
                    if not chunk:
                        waiting.unregister(key.fileobj)
        code = -os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)
        return subprocess.CompletedProcess(job.command, code, b"".join(texts[out]), b"".join(texts[err]))

    def _tell_where_it_is(self, err: int) -> None:
        if self._child:
            os.kill(self._child, _TELL)
            patience_s = _TELLING_S
            while select.select([err], [], [], patience_s)[0]:
                said = os.read(err, 1 << 16)
                if not said:
                    break
                print(said.decode(errors="replace"), end="")
                patience_s = _SILENCE_S


@contextmanager
def _closing(*ends: int) -> Iterator[None]:
    try:
        yield
    finally:
        for end in ends:
            os.close(end)


# In the parent


def _import_what_it_imports(script: Path, source: Path) -> None:
    for path in (source, *script.parent.glob("*.py")):
        for names in _IMPORT.findall(path.read_text(encoding="utf-8")):
            with suppress(ImportError):  # of another system, or words of a text
                importlib.import_module("".join(names))


def _fork_for_each_job(channel: socket.socket) -> Optional[List[Any]]:
    """Returns the job in the child, and None in the parent when the tests have ended."""
    jobs = channel.makefile("rb")
    for line in jobs:
        job = json.loads(line)
        streams = [
            os.open(path, flags) for path, flags in zip(job[-1], (os.O_RDONLY, os.O_WRONLY, os.O_WRONLY))
        ]
        pid = os.fork()
        if not pid:
            for number, stream in enumerate(streams):
                os.dup2(stream, number)
                os.close(stream)
            jobs.close()
            channel.close()
            faulthandler.register(_TELL)
            return job
        for stream in streams:
            os.close(stream)
        channel.sendall(b"%*d" % (_NUMBER_BYTES, pid))
        channel.sendall(b"%*d" % (_NUMBER_BYTES, os.waitpid(pid, 0)[1]))
    return None


def _run_as_main(code: CodeType, words: List[str], env: Dict[str, str], cwd: str) -> None:
    os.chdir(cwd)
    os.environ.update(env)
    time.tzset()
    sys.argv[:] = words
    main = sys.modules["__main__"] = ModuleType("__main__")
    main.__file__, main.__loader__ = words[0], SourcelessFileLoader("__main__", words[0])
    exec(code, vars(main))


def _end(code: int) -> None:
    """Ends as Python does, but leaves what is loaded to the system: to take it down takes longer than most
    runs. Returns where an output does not take what is left, of which Python tells."""
    threading._shutdown()
    atexit._run_exitfuncs()
    with suppress(OSError, ValueError):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _script = Path(sys.argv[1])
    _code = marshal.loads(_script.read_bytes()[16:])  # after the header of a compiled file
    _import_what_it_imports(_script, Path(_code.co_filename))
    _job = _fork_for_each_job(socket.socket(fileno=int(sys.argv[2])))
    if _job:
        try:
            _run_as_main(_code, *_job[:-1])
        except SystemExit as ended:
            if isinstance(ended.code, int):
                _end(ended.code)
            raise
        _end(0)
