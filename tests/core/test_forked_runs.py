"""A forked run of a script (see `forking`) sees what a fresh process sees, and ends as it ends."""

from __future__ import annotations

import py_compile
import re
import shutil
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Iterator, List, Tuple

import pytest
from forking import Job, Parent
from harness import Home
from processes import is_alive
from servers import Recorder

#: Does what its first word says.
PROGRAM = "import atexit, locale, os, re, signal, sys, threading, time\nexec(sys.argv[1])\n"
#: What a program can find out about itself, but for its process id, its parent, and the time.
LOOK = """
print(__name__, __file__, __doc__, __spec__, __package__, vars(sys.modules["__main__"]) is globals())
print(sys.argv, sys.flags, sys.path, sys.warnoptions, os.getcwd(), os.environ)
for stream in (sys.stdin, sys.stdout, sys.stderr, sys.__stdin__, sys.__stdout__, sys.__stderr__):
    print(stream, stream.errors, stream.line_buffering, stream.buffer.raw)
print([(number, signal.getsignal(number)) for number in sorted(signal.valid_signals())])
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.sigpending(), signal.set_wakeup_fd(-1))
print(sorted(map(int, os.listdir("/proc/self/fd")))[:-1], os.umask(0o22), os.getpgrp(), os.getsid(0))
print(sys.getrecursionlimit(), locale.setlocale(locale.LC_CTYPE), time.tzname, sys.exc_info())
print(repr(sys.stdin.read()), flush=True)
os.system("env; umask; ls /proc/self/fd")
"""
#: What a program can leave behind.
SPOIL = """
os.environ["LEFT"] = "1"; os.chdir("/"); sys.path.append("left"); sys.setrecursionlimit(500); os.open("/", 0)
signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.alarm(1000); sys.stdin.read(); sys.argv.append("left")
"""
ENDS = {
    "a code": "sys.exit(7)",
    "words": "sys.exit('some words')",
    "much to tell": "sys.stdout.write('x' * 1_000_000); sys.stderr.write('y' * 1_000_000)",
    "a signal": "os.kill(os.getpid(), signal.SIGTERM); signal.pause()",
    "a Ctrl-C": "os.kill(os.getpid(), signal.SIGINT); signal.pause()",
    "at once": "print('never seen'); os._exit(3)",
    "stdout closed": "print(1); os.close(1)",
    "last words": "atexit.register(print, 'at', 'its', 'end'); print('ł')",
    "a thread": "threading.Timer(0.01, print, ['later']).start()",
    "a defect": "1 / 0",
}
COMMANDS = (
    "--version",
    "--help",
    "batch --help",
    "history",
    "config --show",
    "generate cat -o cat.png",
    "generate cat -o cat.png --json",
    "generate - -o cat.png --events",
    "generate cat --no-such-flag --json",
    "edit missing.png cat --json",
)
ENV = {"LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "TZ": "EST-13", "WORD": "łódź\udcff"}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux only")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A compiled script."""
    source = tmp_path_factory.mktemp("program") / "program.py"
    source.write_text(PROGRAM, encoding="utf-8")
    return str(py_compile.compile(str(source), cfile=f"{source}c", doraise=True))


@pytest.fixture(scope="module")
def parent(program: str) -> Iterator[Parent]:
    with closing(Parent(program)) as parent:
        yield parent


def job(program: str, *words: str) -> Job:
    return Job((program, *words), ENV, str(Path(program).parent), b"\xc5\x82\n", 60.0)


def fresh(job: Job) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-I", "-S", *job.command]
    return subprocess.run(command, env=job.env, cwd=job.cwd, input=job.stdin, capture_output=True)


def told(done: subprocess.CompletedProcess[bytes]) -> Tuple[int, str, str]:
    """The code, stdout, and stderr, of which a traceback's last line."""
    *_, words = f"\n{done.stderr.decode()}".rpartition("\n  ")
    return done.returncode, done.stdout.decode("utf-8", "surrogateescape"), words


def test_it_sees_what_a_fresh_process_sees(parent: Parent, program: str) -> None:
    look = job(program, LOOK, "--word", "", "łódź\udcff", "a\nb")
    forked = parent.run(look)
    assert told(forked) == told(fresh(look))
    assert forked.returncode == 0 and b"WORD=\xc5\x82" in forked.stdout


def test_it_sees_nothing_of_the_run_before(parent: Parent, program: str) -> None:
    before = told(parent.run(job(program, LOOK)))
    assert parent.run(job(program, SPOIL)).returncode == 0
    assert told(parent.run(job(program, LOOK))) == before


@pytest.mark.parametrize("end", ENDS)
def test_it_ends_as_a_fresh_process_ends(end: str, parent: Parent, program: str) -> None:
    ending = job(program, ENDS[end])
    assert told(parent.run(ending)) == told(fresh(ending))


def test_one_that_takes_too_long_says_where_it_is_and_is_killed_and_so_is_its_parent(
    program: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parent = Parent(program)
    words = "open('pids', 'w').write(f'{os.getpid()} {os.getppid()}'); print(flush=True); time.sleep(99)"
    waits = job(program, words)
    pids = Path(waits.cwd, "pids")
    # All its time is over as soon as it has said who it is.
    monkeypatch.setattr(time, "monotonic", lambda: waits.timeout_s if pids.exists() else 0.0)
    with pytest.raises(subprocess.TimeoutExpired):
        parent.run(waits)
    assert not any(map(is_alive, map(int, pids.read_text(encoding="utf-8").split())))
    assert 'File "<string>", line 1 in <module>' in capsys.readouterr().out


@pytest.mark.parametrize("words", COMMANDS)
def test_a_command_says_and_does_the_same(
    words: str, tmp_path: Path, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def seen(way: str) -> List[str]:
        home = Home(tmp_path)
        command = words.split() if way == "forked" else home.command(*words.split())
        run = (home.run if way == "forked" else home.run_program)(
            *command, base_url=recorder.base_url, stdin=b"cat"
        )
        files = sorted(str(path) for path in tmp_path.rglob("*"))
        for folder in (home.root, home.cwd, home.tmp):
            shutil.rmtree(str(folder))
        return [re.sub(r"\d+", "0", text) for text in (repr(run), *files)]

    as_fresh = seen("fresh")
    monkeypatch.setattr(Home, "run_program", None)
    assert seen("forked") == as_fresh
