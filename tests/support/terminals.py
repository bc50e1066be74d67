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
from typing import Dict, Iterator, List, Sequence, Tuple

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
        return line.decode("utf-8").rstrip("\n")


def _joined(words: Sequence[str]) -> str:
    return " ".join(map(shlex.quote, words))


@contextmanager
def in_tmux(
    command: Sequence[str], env: Dict[str, str], cwd: Path, columns: int, lines: int, said: str = ""
) -> Iterator[Tmux]:
    """A program in a tmux window of this size, below what was `said` before; the window outlives it."""
    socket = ["tmux", "-f", "/dev/null", "-S", os.path.join(env["TMPDIR"], "tmux")]
    shell = f"printf {shlex.quote(said)}; {_joined(command)}; cat"
    session = ["new-session", "-x", str(columns), "-y", str(lines), shell]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [*socket, "-C", *session],
        env={**env, "TERM": "xterm-256color"},
        cwd=str(cwd),
        stdin=pipe,
        stdout=pipe,
    )
    try:
        yield Tmux(process)
    finally:
        subprocess.run([*socket, "kill-server"], env=env, check=False)
        process.communicate()
