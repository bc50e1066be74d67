"""Terminals for what draws on one: a pseudo terminal of a width, and tmux, which lays lines out anew when it
is resized. Imports nothing of the project."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import Dict, Iterator, List, Optional, Sequence, Tuple

from harness import Started

HAS_TMUX = shutil.which("tmux") is not None


def open_terminal(columns: int, lines: int = 24) -> Tuple[int, int]:
    """A pseudo terminal of this size: our end and that of a program."""
    ours, theirs = os.openpty()
    resize(theirs, columns, lines)
    return ours, theirs


def resize(terminal: int, columns: int, lines: int = 24) -> None:
    """Gives a terminal another size."""
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))


def talk(
    command: Sequence[str],
    env: Dict[str, str],
    cwd: Path,
    columns: int,
    lines: int,
    answers: Sequence[Tuple[bytes, bytes]] = (),
    stdout: Optional[int] = None,
) -> Tuple[bytes, bytes]:
    """What a program prints on a terminal of this size, and on its stdout where that is a pipe. When it has
    printed the first of a pair, the second is typed: each once, in their order."""
    ours, theirs = open_terminal(columns, lines)
    out = theirs if stdout is None else stdout
    with Started(command, env=env, cwd=str(cwd), stdin=theirs, stdout=out, stderr=theirs) as process:
        os.close(theirs)
        seen, waiting = b"", list(answers)
        while True:
            try:
                seen += os.read(ours, 65536)
            except OSError:  # Linux says so when the last writer has gone
                break
            if waiting and waiting[0][0] in seen:
                os.write(ours, waiting.pop(0)[1])
        printed = process.communicate()[0] or b""
        assert process.returncode == 0, seen
    os.close(ours)
    return seen, printed


class Tmux:
    """A program in the one pane of a tmux of its own, which is told and asked by tmux's control mode."""

    def __init__(self, process: subprocess.Popen) -> None:
        self._process = process
        self.printed = ""
        self._blocks: List[List[str]] = []

    def ask(self, *words: str) -> List[str]:
        """What a tmux command prints, line by line."""
        self._blocks.clear()
        self._process.stdin.write(_joined(words).encode() + b"\n")
        self._process.stdin.flush()
        while not self._blocks:
            self._read_on()
        return self._blocks[0]

    def resize(self, columns: int, lines: int) -> None:
        """Gives the window another size."""
        self.ask("refresh-client", "-C", f"{columns}x{lines}")

    def screen(self, *flags: str) -> List[str]:
        """What is seen, without the blank lines at its end."""
        return "\n".join(self.ask("capture-pane", "-p", *flags)).rstrip("\n").split("\n")

    def read_until(self, pattern: str) -> None:
        """Returns when the program has printed something since this was last called."""
        self.printed = ""
        while not re.search(pattern, self.printed):
            self._read_on()

    def _read_on(self) -> None:
        line = self._read_line()
        if line.startswith("%begin"):
            block: List[str] = []
            while not re.match(r"%(end|error) ", line):
                line = self._read_line()
                block.append(line)
            self._blocks.append(block[:-1])
        elif line.startswith("%output"):
            text = line.split(" ", 2)[2]
            self.printed += re.sub(r"\\(\d{3})", lambda found: chr(int(found.group(1), 8)), text)

    def _read_line(self) -> str:
        line = self._process.stdout.readline()
        assert line, "tmux has ended"
        return line.decode("utf-8", "replace").rstrip("\n")  # it cuts what is printed anywhere


def _joined(words: Sequence[str]) -> str:
    return " ".join(map(shlex.quote, words))


@contextmanager
def in_tmux(
    command: Sequence[str], env: Dict[str, str], cwd: Path, columns: int, lines: int, said: str = ""
) -> Iterator[Tmux]:
    """A program in a tmux window of this size, below what was `said` before; the window outlives it."""
    shell = f"printf {shlex.quote(said)}; {_joined(command)}; cat"
    with tmux_command(env, "-C") as tmux:
        session = [*tmux, "new-session", "-x", str(columns), "-y", str(lines), shell]
        terminal = {**env, "TERM": "xterm-256color"}
        pipe = subprocess.PIPE
        with Started(session, env=terminal, cwd=str(cwd), stdin=pipe, stdout=pipe) as process:
            yield Tmux(process)
            process.kill()


@contextmanager
def tmux_command(env: Dict[str, str], *flags: str, conf: str = os.devnull) -> Iterator[List[str]]:
    """How tmux is called, as a server of a test's own, which is gone at the end."""
    tmux = ["tmux", "-S", os.path.join(env["TMPDIR"], "tmux")]
    try:
        yield [*tmux, "-f", conf, *flags]
    finally:
        subprocess.run([*tmux, "kill-server"], env=env, check=False, stderr=subprocess.DEVNULL)
