"""Draws pictures in a terminal: kitty's and iTerm2's protocols, sixel, or half blocks for all others.

What a terminal speaks is told by its environment, or else it is asked. Inside tmux, kitty's messages go
through to the terminal behind it; the picture itself is made of letters that tmux moves like any text.
"""

from __future__ import annotations

import base64
import io
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress

import numpy as np
from PIL import Image

from .sizes import flattened

METHODS = ("kitty", "iterm", "sixel", "blocks")
_MAX_EDGE_PX = 1200
_ANSWER_S = 1.0
_TMUX_S = 5.0
_CELL_PX = (10, 20)
_MESSAGE = re.compile(r"\x1b_G.*?\x1b\\", re.DOTALL)
_QUESTION = "\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\"
#: Every terminal answers this one, so that nobody waits for the other's answer. tmux does so for itself,
#: before the terminal behind it has answered.
_WHO = "\x1b[c"
_IS, _TAKES_KITTY = re.compile(r"\x1b\[\?([\d;]*)c"), re.compile("_Gi=31;OK")


def method_for(env: Mapping[str, str], answer: str = "") -> str:
    """Which way of drawing a terminal takes, by its environment, else by its answer to `asked`."""
    program, term = env.get("TERM_PROGRAM", "").lower(), env.get("TERM", "")
    if term in ("xterm-kitty", "xterm-ghostty") or program.startswith(("kitty", "ghostty")):
        return "kitty"
    if program.startswith(("iterm", "wezterm")) or (
        env.get("LC_TERMINAL") == "iTerm2" and not env.get("TMUX")
    ):
        return "iterm"
    if _TAKES_KITTY.search(answer):
        return "kitty"
    attributes = _IS.search(answer)
    if attributes and "4" in attributes[1].split(";"):
        return "sixel"
    return "blocks"


def drawn(image: Image.Image, method: str, columns: int, rows: int, in_tmux: bool = False) -> str:
    """The picture as text for a terminal, at most so many cells wide and high, with a line end."""
    small = image.copy()
    small.thumbnail((_MAX_EDGE_PX, _MAX_EDGE_PX), Image.Resampling.LANCZOS)
    across, down = _cells(small.size, columns, rows)
    if method == "iterm":
        return _as_iterm(small, across, down, in_tmux)
    if method == "blocks":
        return _as_blocks(small, across, down)
    text = _by_library(small, method, across, down)
    return _MESSAGE.sub(lambda match: through_tmux(match[0]), text) if in_tmux else text


def behind_tmux() -> dict[str, str] | None:
    """What tmux knows of the terminal behind it, as that one's environment would say it; None where it lets
    no messages through to it, as it does unless it is told to."""
    what = "#{allow-passthrough}\t#{client_termname}\t#{client_termtype}"
    try:
        done = subprocess.run(
            ["tmux", "display-message", "-p", what], capture_output=True, timeout=_TMUX_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    passes, term, program = done.stdout.decode("utf-8", "replace").rstrip("\n").split("\t")
    return None if passes in ("off", "0") else {"TERM": term, "TERM_PROGRAM": program}


def through_tmux(message: str) -> str:
    """A message for the terminal behind tmux (its `allow-passthrough` must be on)."""
    escaped = message.replace("\x1b", "\x1b\x1b")
    return f"\x1bPtmux;{escaped}\x1b\\"


def asked(descriptor: int, in_tmux: bool) -> str:
    """What a terminal answers when it is asked for what it speaks; empty where it cannot be asked."""
    if os.name == "nt":
        return ""
    import termios
    import tty

    with suppress(OSError):  # of another session's terminal nobody is in the background
        if os.tcgetpgrp(descriptor) != os.getpgrp():
            return ""  # one in the background is stopped when it changes its terminal
    with suppress(OSError, termios.error):
        before = termios.tcgetattr(descriptor)
        try:
            tty.setcbreak(descriptor)
            question = through_tmux(_QUESTION) if in_tmux else _QUESTION
            os.write(descriptor, (question + _WHO).encode())
            return _answer(descriptor, _TAKES_KITTY if in_tmux else _IS)
        finally:  # what comes later than that is not left for the shell
            termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)
    return ""


def _answer(descriptor: int, last: re.Pattern[str]) -> str:
    """What has come when `last` has, or time is up."""
    answer, until = "", time.monotonic() + _ANSWER_S
    while not last.search(answer):
        left = until - time.monotonic()
        if left <= 0 or not select.select([descriptor], [], [], left)[0]:
            break
        answer += os.read(descriptor, 1024).decode("latin-1")
    return answer


def _cells(size: tuple[int, int], columns: int, rows: int) -> tuple[int, int]:
    """How many cells wide and high it is drawn: as large as fits, and no larger than its pixels."""
    width, height = size[0] / _CELL_PX[0], size[1] / _CELL_PX[1]
    scale = min(1.0, columns / width, rows / height)
    return max(1, int(width * scale)), max(1, int(height * scale))


def _as_iterm(image: Image.Image, across: int, down: int, in_tmux: bool) -> str:
    out = io.BytesIO()
    image.save(out, "PNG")
    data = out.getvalue()
    how = f"inline=1;size={len(data)};width={across};height={down};preserveAspectRatio=1"
    message = f"\x1b]1337;File={how}:{base64.b64encode(data).decode()}\x07"
    return (through_tmux(message) if in_tmux else message) + "\n"


def _as_blocks(image: Image.Image, across: int, down: int) -> str:
    """Two pixels a cell, the upper as the colour of a half block, the lower as its ground."""
    pixels = np.asarray(flattened(image, "#808080").resize((across, 2 * down), Image.Resampling.LANCZOS))
    lines: list[str] = []
    for upper, lower in zip(pixels[::2].tolist(), pixels[1::2].tolist(), strict=True):
        cells = (
            "\x1b[38;2;{};{};{};48;2;{};{};{}m▀".format(*above, *below)
            for above, below in zip(upper, lower, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m\n")
    return "".join(lines)


def _by_library(image: Image.Image, method: str, across: int, down: int) -> str:
    """As `textual-image` draws it."""
    with _standing_in() as stdout:
        from rich.console import Console
        from textual_image.renderable import SixelImage, TGPImage

        console = Console(
            file=stdout, force_terminal=True, color_system="truecolor", width=across + 1, height=down
        )
        if method == "kitty":
            console.print(TGPImage(image, width=across, height=down), end="")
        else:
            console.print(SixelImage(flattened(image, "#808080"), width=across, height=down), end="")
        return stdout.getvalue()


@contextmanager
def _standing_in() -> Generator[io.StringIO]:
    """The library asks and writes to the standard output that Python began with, which is for results: here
    something else stands there."""
    before = sys.__stdout__
    stand_in = io.StringIO()
    try:
        setattr(sys, "__stdout__", stand_in)  # noqa: B010 (it is declared final)
        yield stand_in
    finally:
        setattr(sys, "__stdout__", before)  # noqa: B010
