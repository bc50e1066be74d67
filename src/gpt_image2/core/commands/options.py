"""The flags that commands have, and from the words of `generate`, `edit` and `history redo` to a request.

A parsed command line is a typed namespace: a subclass of `argparse.Namespace` that names the flags. Reads
only the prompt.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from ..api.models import MAX_INPUT_IMAGES, MAX_PROMPT_CHARS
from ..api.request import REQUEST_FIELDS, ImageRequest, parse_extra
from ..base.errors import UsageError
from ..base.interrupt import StopSwitch
from ..base.untrusted import written_text
from ..calls.client import DEFAULT_TIMEOUT_S, Client
from ..calls.download import DEFAULT_MAX_DOWNLOAD_BYTES
from ..calls.inputs import open_stdin
from ..calls.retry import DEFAULT_RETRIES
from ..settings.config import Settings, load_settings
from .field_flags import add_field_flags
from .parser import Parser, mistake, parser_of, unrecognized

MEGABYTE = 1024 * 1024
PROFILE_HELP = "this profile of the config file (see: config --list)"
#: Flags for what is done with pictures around a call. What knows them lies beside the script.
PICTURE_FLAGS = (
    "--area",
    "--keep-outside",
    "--extend",
    "--to",
    "--exact",
    "--fit",
    "--under",
    "--cutout",
    "--glass",
    "--show",
)
YES_NO = {True: "yes", False: "no", None: "unknown"}


class ServerFlags(argparse.Namespace):
    """Which server a command talks to, and with which key."""

    config: Optional[str]
    profile: Optional[str]
    base_url: Optional[str]
    api_key: Optional[str]
    no_history: bool
    sandbox: bool = False

    def settings(self) -> Settings:
        return load_settings(
            os.environ,
            config=self.config,
            profile=self.profile,
            base_url=self.base_url,
            api_key=self.api_key,
        )

    @property
    def history(self) -> Optional[bool]:
        """Whether calls are recorded; None leaves that to the settings."""
        return False if self.no_history else None


class CallFlags(ServerFlags):
    """How calls are sent, and sent again."""

    timeout: float
    retries: int
    retry_ambiguous: bool
    max_download: float  # MB


class ImageCommand(CallFlags):
    """A `generate`, `edit` or `history redo` command line: its words and flags, and what they ask for."""

    image: Optional[str]
    prompt: Optional[str]
    more_images: Optional[List[str]]
    mask: Optional[str]
    markup: Optional[str]
    output: Optional[str]
    prompt_file: Optional[str]
    save_partials: bool
    no_wait: bool
    dry_run: bool
    max_cost: Optional[float]
    no_clobber: bool
    json: bool
    area: Optional[List[str]]
    extend: Optional[str]
    to: Optional[str]
    target: str  # of `history redo`: an id or a file
    missing: bool  # of `history redo`

    command: str
    request: ImageRequest
    sources: Tuple[str, ...]
    expected_sha256: Tuple[Tuple[str, str], ...]  # of sources that must not have changed
    #: Reads the flags for pictures; there only where the parser knows them (`commands/picture_flags`).
    read_wishes: Callable[[argparse.Namespace], Any]


def image_parser(command: str, words: Sequence[str] = ()) -> Parser:
    """The parser of `generate` or `edit`; it knows the flags for pictures where such words are there, or ask
    for help."""
    is_edit = command == "edit"
    description = "Make new images from images and a text." if is_edit else "Make images from a text."
    parser = parser_of(command, description, f"{'IMAGE ' if is_edit else ''}PROMPT [options]")
    if is_edit:
        parser.add_argument(
            "image", nargs="?", help="the image to edit: a file, an http(s) address, or - for stdin"
        )
    parser.add_argument(
        "prompt", nargs="?", help=f"what to show, up to {MAX_PROMPT_CHARS:,} characters; - for stdin"
    )
    add_image_flags(parser, is_edit)
    add_call_flags(parser)
    add_setting_flags(parser)
    asked = {word.partition("=")[0] for word in words if word.startswith("-")}
    known = parser._option_string_actions  # pyright: ignore[reportPrivateUsage]
    if asked & {"-h", "--help"} or any(word.startswith("--") and word not in known for word in asked):
        try:
            from .picture_flags import add_picture_flags

            add_picture_flags(parser, is_edit)
        except UsageError:  # the script lies alone: its help is that of what it can do
            if not asked.isdisjoint(PICTURE_FLAGS):
                raise
    parser.set_defaults(command=command, expected_sha256=())
    if not is_edit:
        parser.set_defaults(image=None, more_images=None, mask=None, markup=None)
    return parser


def read_image_command(name: str, argv: Sequence[str]) -> ImageCommand:
    command = _parse(name, list(argv))
    sources = list(command.more_images or ())
    prompt = command.prompt
    if command.image is not None:
        if sources and prompt is None and command.prompt_file is None:
            prompt = command.image  # edit --image a.png --image b.png "prompt"
        else:
            sources.insert(0, command.image)
    command.sources = tuple(sources)
    if prompt is None and command.prompt_file is None:
        raise mistake("prompt", "a prompt is missing", name, sources)
    command.request = request_of(command, read_prompt(prompt, command.prompt_file, sources))
    return command


def request_of(flags: argparse.Namespace, prompt: str) -> ImageRequest:
    """The request of a command line; its model is empty where that names none."""
    fields: Dict[str, Any] = {name: getattr(flags, name) for name in REQUEST_FIELDS if hasattr(flags, name)}
    if fields.get("model") == "":
        raise UsageError("the model is empty", hint="leave --model out for the one that the settings name")
    fields["model"] = fields.get("model") or ""
    extra = tuple(parse_extra(text) for text in getattr(flags, "param", ()))
    return ImageRequest(prompt=prompt, extra=extra, **fields)


def client_of(flags: CallFlags, stop: StopSwitch, waits_for_server: bool = True) -> Client:
    return Client(
        config=flags.config,
        profile=flags.profile,
        base_url=flags.base_url,
        api_key=flags.api_key,
        timeout_s=flags.timeout,
        retries=flags.retries,
        retry_ambiguous=flags.retry_ambiguous,
        max_download_bytes=int(flags.max_download * MEGABYTE),
        waits_for_server=waits_for_server,
        history=flags.history,
        stop=stop,
    )


def _parse(name: str, argv: List[str]) -> ImageCommand:
    """The words of a command line; what stands after `--` is never a flag (argparse forgets that here)."""
    end = argv.index("--") if "--" in argv else len(argv)
    parser = image_parser(name, argv[:end])
    command, more = parser.parse_known_intermixed_args(argv[:end], ImageCommand())
    places = ["image", "prompt"] if name == "edit" else ["prompt"]
    words = [word for word in (getattr(command, place) for place in places) if word is not None]
    words += argv[end + 1 :]
    if more or len(words) > len(places):
        raise mistake("words", unrecognized(more or words[len(places) :]), parser, argv, more)
    for place, word in zip(places, words):
        setattr(command, place, word)
    return command


def amount(text: str) -> float:
    """A flag's value as a number from 0 up."""
    value = float(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"it must be a number from 0 up, found {text!r}")
    return value


def add_image_flags(parser: Parser, is_edit: bool) -> None:
    group = parser.add_argument_group("the image")
    add = group.add_argument
    if is_edit:
        add(
            "--image",
            dest="more_images",
            action="append",
            metavar="IMAGE",
            help=f"one more input image; repeatable, up to {MAX_INPUT_IMAGES} in all",
        )
        add(
            "--mask",
            metavar="PNG",
            help="PNG with the size of the first image; its transparent area is edited",
        )
        add(
            "--markup",
            metavar="PNG",
            help="PNG with the size of the first image; what is drawn on it guides the edit; from 2.5 on",
        )
    add(
        "-o",
        "--output",
        metavar="PATH",
        help="output file, DIR/ for names from the prompt, - for stdout (default ~/gpt-image2-output.png)",
    )
    add("--prompt-file", metavar="FILE", help="read the prompt from a file")
    add_field_flags(add)
    add("--no-wait", action="store_true", help="where the host makes it a task, end with the task's id")
    add("--save-partials", action="store_true", help="keep the previews, as NAME.partial-0.png")


def add_call_flags(parser: Parser) -> None:
    group = parser.add_argument_group("the call")
    add = group.add_argument
    add("--dry-run", action="store_true", help="print the exact request and its cost; send nothing")
    add(
        "--max-cost",
        type=amount,
        metavar="USD",
        help="refuse a request that may cost more (input images by an estimate)",
    )
    add("--no-clobber", action="store_true", help="never overwrite: take the next free name")
    add_sending_flags(add)
    add_output_flags(add)


def add_timeout_flag(add: Callable[..., object], text: str) -> None:
    add(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT_S,
        metavar="S",
        help=f"{text} (default {DEFAULT_TIMEOUT_S:.0f})",
    )


def add_sending_flags(add: Callable[..., object]) -> None:
    add_timeout_flag(add, "seconds for the whole call")
    add(
        "--retries",
        type=int,
        default=DEFAULT_RETRIES,
        metavar="N",
        help=f"how often to send again what cannot have been billed (default {DEFAULT_RETRIES})",
    )
    add(
        "--retry-ambiguous",
        action="store_true",
        help="also send again what may have been billed: you may pay twice",
    )
    add(
        "--max-download",
        type=amount,
        default=DEFAULT_MAX_DOWNLOAD_BYTES / MEGABYTE,
        metavar="MB",
        help="largest image to accept (default 100)",
    )
    add("--no-history", action="store_true", help="leave no trace of this call in the history")


def add_output_flags(add: Callable[..., object]) -> None:
    add("--json", action="store_true", help="print one JSON object on stdout instead of lines")
    add("--events", action="store_true", help="progress as JSON lines on stderr")
    add("--quiet", action="store_true", help="nothing but errors on stderr")
    add("--debug", action="store_true", help="show the traceback of an internal error")


def add_config_flags(add: Callable[..., object]) -> None:
    """Adds the flags for commands that speak to no server of their own."""
    add("--config", metavar="PATH", help="this config file instead of the one that is found")
    add("--profile", metavar="NAME", help=PROFILE_HELP)


def add_setting_flags(parser: Parser) -> None:
    add = add_server_flags(parser)
    add("--sandbox", action="store_true", help="use an offline sandbox instead: no key, no cost")


def add_server_flags(parser: Parser) -> Callable[..., object]:
    """Adds the flags for server and key; returns what adds further flags to their group."""
    group = parser.add_argument_group("settings (see: config --show)")
    add = group.add_argument
    add("--config", metavar="PATH", help="this config file; what it sets goes before all flags")
    add("--profile", metavar="NAME", help=PROFILE_HELP)
    add("--base-url", metavar="URL", help="the API's base URL")
    add(
        "--api-key",
        metavar="KEY",
        help="the API key (visible in ps: prefer the config file or the environment)",
    )
    return add


def read_prompt(prompt: Optional[str], prompt_file: Optional[str], sources: Sequence[str]) -> str:
    if prompt is not None and prompt_file is not None:
        raise UsageError("the prompt is given twice", hint="give PROMPT or --prompt-file, not both")
    if prompt_file is not None and prompt_file != "-":
        try:
            return written_text(Path(os.path.expanduser(prompt_file)).read_bytes()).rstrip("\r\n")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "it is no text in UTF-8 or UTF-16"
            raise UsageError(
                f"cannot read the prompt file {prompt_file}: {reason}", hint="check the path"
            ) from None
    if prompt == "-" or prompt_file == "-":
        if "-" in sources:
            raise UsageError(
                "prompt and image cannot both come from standard input", hint="use --prompt-file FILE"
            )
        try:
            return written_text(open_stdin("prompt").read()).rstrip("\r\n")
        except OSError as error:  # io.UnsupportedOperation is a ValueError as well
            raise UsageError(
                f"cannot read standard input: {error.strerror or error}", hint="use --prompt-file FILE"
            ) from None
        except ValueError:
            raise UsageError(
                "the prompt on standard input is no text in UTF-8 or UTF-16", hint="mend its encoding"
            ) from None
    return prompt or ""
