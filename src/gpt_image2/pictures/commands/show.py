"""`gpt-image2 show`: pictures in the terminal, on standard error, and only where that is one."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence

from gpt_image2.core.base.redact import show
from gpt_image2.core.commands.parser import Parser
from gpt_image2.core.telling.output import output_for
from gpt_image2.core.telling.streams import print_text

from ..files import Picture, open_picture
from ..terminal import METHODS, asked, behind_tmux, drawn, method_for
from .ending import finish, picture_parser

COMMAND = "show"
_SPARE_ROWS = 4


def main(argv: Sequence[str]) -> int:
    """Runs the command; its exit code."""
    output = output_for(list(argv))
    options = _parser().parse_args(argv)
    pictures = [open_picture(path) for path in options.files]
    warnings: list[str] = []
    method = "none"
    if sys.stderr.isatty():
        method = options.via or _found()
    else:
        warnings.append("standard error is no terminal: nothing was drawn")
    for picture in pictures:
        if method != "none":
            draw(picture, method)
        width, height = picture.size
        path = show(picture.path, limit=None)
        output.result(f"{path} ({width}x{height}, {picture.format}, {max(1, picture.size_bytes // 1024)} KB)")
    return finish(output, COMMAND, [], [picture.path for picture in pictures], method, {}, (), warnings)


def drawer() -> Callable[[str], None]:
    """What draws the picture in a file on the terminal of standard error."""
    method = _found()
    return lambda path: draw(open_picture(path), method)


def draw(picture: Picture, method: str) -> None:
    """Draws a picture on standard error, as wide as the terminal and not higher."""
    size = os.get_terminal_size(sys.stderr.fileno())
    columns, rows = (size.columns or 80) - 1, max(1, (size.lines or 24) - _SPARE_ROWS)
    print_text(drawn(picture.image, method, columns, rows, _in_tmux()), sys.stderr)


def _found() -> str:
    """What this terminal takes; it is asked only where its environment does not tell."""
    env = behind_tmux() if _in_tmux() else os.environ
    if env is None:
        return "blocks"
    known = method_for(env)
    return method_for(env, asked(sys.stderr.fileno(), _in_tmux())) if known == "blocks" else known


def _in_tmux() -> bool:
    return bool(os.environ.get("TMUX"))


def _parser() -> Parser:
    parser = picture_parser(
        COMMAND,
        "Show pictures in the terminal: by the protocol of kitty or iTerm2, sixel, or half blocks.",
        "FILE… [options]",
    )
    add = parser.add_argument
    add("files", nargs="+", metavar="FILE", help="the pictures")
    add(
        "--via",
        choices=METHODS,
        help="how to draw (default: what the terminal speaks; inside tmux it needs allow-passthrough)",
    )
    return parser
