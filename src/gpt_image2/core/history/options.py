"""The command lines of `history`, `spend` and `cost`. Pure."""

from __future__ import annotations

import argparse
import time
from typing import Sequence, Tuple

from ..api.models import DEFAULT_MODEL, MAX_PARTIAL_IMAGES
from ..api.sizes import SIZE_NAMES
from ..base.about import called
from ..commands.options import (
    ImageCommand,
    add_call_flags,
    add_config_flags,
    add_image_flags,
    add_output_flags,
    add_setting_flags,
    read_prompt,
    request_of,
)
from ..commands.parser import Parser, parser_of
from ..commands.picture_flags import add_picture_flags
from .dates import read_moment
from .spending import GROUPINGS

DEFAULT_LIMIT = 20
_WHEN_HELP = "today, a date, a date-time, or a span back from now: 7d, 12h, 30m"

#: The commands below `history`, with what each does in a line.
HISTORY_COMMANDS: Tuple[Tuple[str, str], ...] = (
    ("show", "show everything about one request"),
    ("redo", "send a request again, with changes"),
    ("forget", "delete requests from the history; images stay"),
)


def history_parser() -> Parser:
    commands = "\n".join(f"  {name:<7} {summary}" for name, summary in HISTORY_COMMANDS)
    description = "List the requests that were sent, newest first."
    epilog = f"commands:\n{commands}\n\nHelp for one: {called()} history COMMAND --help"
    parser = parser_of("history", description, "[show|redo|forget] [options]", epilog)
    parser.add_argument("--search", metavar="TEXT", help="only those with this text in the prompt or a path")
    parser.add_argument(
        "--since", type=_moment, metavar="WHEN", help=f"only those from then on: {_WHEN_HELP}"
    )
    parser.add_argument("--profile", metavar="NAME", help="only those of this profile")
    parser.add_argument(
        "--limit",
        type=int,
        default=DEFAULT_LIMIT,
        metavar="N",
        help=f"at most this many (default {DEFAULT_LIMIT})",
    )
    add_output_flags(parser.add_argument)
    return parser


def show_parser() -> Parser:
    parser = parser_of("history show", "Show everything about one request.", epilog="")
    parser.add_argument(
        "target", metavar="ID|FILE", help="the request's id, or an image that it made, whatever its name now"
    )
    add_output_flags(parser.add_argument)
    return parser


def forget_parser() -> Parser:
    description = "Delete requests from the history. Their images stay."
    parser = parser_of("history forget", description, "ID... | --before WHEN | --all --yes", epilog="")
    parser.add_argument("ids", nargs="*", metavar="ID", type=_id, help="the request's id")
    parser.add_argument("--before", type=_moment, metavar="WHEN", help=f"all that are older: {_WHEN_HELP}")
    parser.add_argument("--all", action="store_true", help="the whole history; needs --yes")
    parser.add_argument("--yes", action="store_true", help="with --all: yes, all of it")
    add_output_flags(parser.add_argument)
    return parser


def spend_parser() -> Parser:
    parser = parser_of("spend", "Add up what the requests of the history cost.", epilog="")
    add = parser.add_argument
    add("--by", choices=tuple(GROUPINGS), default="day", help="a sum for each (default day)")
    add("--since", type=_moment, metavar="WHEN", help=f"only requests from then on: {_WHEN_HELP}")
    add(
        "--today",
        dest="since",
        action="store_const",
        const=_moment("today"),
        help="the same as --since today",
    )
    add_output_flags(add)
    return parser


def cost_parser() -> Parser:
    description = "Tell what a request would cost. Free; sends nothing."
    parser = parser_of("cost", description, "[PROMPT] [options]", epilog="")
    add = parser.add_argument
    add("words", nargs="?", metavar="PROMPT", help="the prompt, whose tokens cost too")
    add("--prompt", metavar="TEXT", help="the prompt, by a flag")
    add("--quality", help="low, medium, high, auto (default); xhigh, max from 2.5 on")
    add("--size", help=f"WxH, auto (default), a ratio, or {', '.join(SIZE_NAMES)}")
    add("--sizes", metavar="RATIO", help="a table of the legal sizes of a ratio (16:9), small to large")
    add("--n", type=int, metavar="N", help="number of images in all, of one call or of many (default 1)")
    add(
        "--image",
        action="append",
        default=[],
        metavar="IMAGE",
        help="an input image of an edit, which costs too, by an estimate; repeatable",
    )
    add("--model", help=f"default {DEFAULT_MODEL}, or what the settings say")
    add("--compare", action="store_true", help="a table of all models and qualities")
    add("--stream", action="store_true", help="as a stream, with previews")
    add("--partial-images", type=int, metavar=f"0-{MAX_PARTIAL_IMAGES}", help="previews under --stream")
    add("--batch", action="store_true", help="by the Batch API, at half the price")
    add_config_flags(add)
    add_output_flags(add)
    return parser


#: The parser of each command below `history`.
def redo_parser() -> Parser:
    description = (
        "Send a request of the history again, with the flags given here in place of its own: it is painted "
        "and paid for anew. The picture gets a free name beside the one that it made."
    )
    parser = parser_of("history redo", description, "ID|FILE [changes]")
    parser.add_argument("target", metavar="ID|FILE", help="the request's id, or an image that it made")
    parser.add_argument("--prompt", metavar="TEXT", help="another prompt; - for stdin")
    parser.add_argument(
        "--missing", action="store_true", help="make only the images that the request did not deliver"
    )
    add_image_flags(parser, is_edit=True)
    add_picture_flags(parser, is_edit=True)
    add_call_flags(parser)
    add_setting_flags(parser)
    parser.set_defaults(command="redo")
    return parser


def read_redo_command(argv: Sequence[str]) -> ImageCommand:
    """A `history redo` command line; what is not to change is None or empty in its request."""
    command = redo_parser().parse_args(list(argv), ImageCommand())
    command.sources = tuple(command.more_images or ())
    prompt = ""
    if command.prompt is not None or command.prompt_file is not None:
        prompt = read_prompt(command.prompt, command.prompt_file, command.sources)
    command.request = request_of(command, prompt)
    return command


def _moment(text: str) -> str:
    return read_moment(text, time.time())


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"an id is a number, found {text!r}")
    return int(text)
