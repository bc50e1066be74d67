"""The command `config`: writes a config file, and says which settings are in force, and why."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Dict, Sequence

from ..base.interrupt import StopSwitch
from ..base.outcome import ExitCode
from ..base.redact import show
from ..outputs.files import write_config
from ..settings.base_url import DEFAULT_BASE_URL
from ..settings.keys import OFFICIAL_KEY_VARIABLE
from ..settings.places import config_locations, home_folder, state_folder
from ..telling.output import Output
from .options import YES_NO, ServerFlags, add_config_flags, add_output_flags
from .parser import Parser, parser_of

TEMPLATE = json.dumps({"base_url": DEFAULT_BASE_URL, "api_key_env": OFFICIAL_KEY_VARIABLE}, indent=2) + "\n"


class ConfigCommand(ServerFlags):
    """A `config` command line."""

    init: bool
    show: bool
    list: bool
    force: bool


def config_parser() -> Parser:
    description = "Create a config file, or show which settings are in force and where they come from."
    parser = parser_of("config", description, epilog="")
    parser.add_argument("--init", action="store_true", help="write a template config file (mode 0600)")
    parser.add_argument(
        "--show", action="store_true", help="show every setting and its source, keys masked (default)"
    )
    parser.add_argument("--force", action="store_true", help="with --init: overwrite an existing file")
    parser.set_defaults(base_url=None, api_key=None)
    parser.add_argument("--list", action="store_true", help="list the profiles of the config file")
    add_config_flags(parser.add_argument)
    add_output_flags(parser.add_argument)
    return parser


def run_config(words: Sequence[str], output: Output, _: StopSwitch) -> int:
    args = config_parser().parse_args(list(words), ConfigCommand())
    outcome: Dict[str, object] = {"ok": True, "command": "config"}
    if args.init:
        path = _init(args)
        outcome["created"] = str(path)
        output.result(f"Created: {path}")
        output.say("edit it, or set the variable that api_key_env names; then: config --show")
    if args.list:
        from .profiles import list_profiles

        outcome.update(list_profiles(args, output))
    if args.show or not (args.init or args.list):
        outcome.update(_show_config(args, output))
    output.finish(outcome)
    return ExitCode.OK


def _init(args: ConfigCommand) -> Path:
    """Writes a config file, or one more profile into the one that is there; its path."""
    if args.profile:
        from .profiles import add_profile

        return add_profile(args.profile, args.config, args.force)
    places = config_locations(os.environ)
    # Without a place: an error that says what is missing.
    found = places[0] if places else home_folder(os.environ)
    path = Path(os.path.expanduser(args.config)).absolute() if args.config else found
    write_config(path, TEMPLATE, force=args.force)
    return path


def _show_config(args: ConfigCommand, output: Output) -> Dict[str, object]:
    settings = args.settings()
    active = settings.config_file.path if settings.config_file else None
    file = settings.config_file
    own_prices = (*file.prices, *file.text_prices) if file else ()
    sources = {**settings.sources, "state_folder": "XDG_STATE_HOME or its default"}
    if not settings.auth_headers:
        sources["api_key"] = settings.key_problem or "no source has one"
    values: Dict[str, str] = {
        "profile": show(settings.profile) or "none",
        "base_url": settings.base_url,
        "api_key": settings.masked_key,
        "model": settings.model,
        "format_field": settings.format_field,
        "image_field": settings.image_field,
        "streams": YES_NO[settings.streams],
        "history": YES_NO[settings.history],
        "stream": YES_NO[settings.stream],
        "prices": f"list prices, but for {', '.join(own_prices)}" if own_prices else "list prices",
        "state_folder": str(state_folder(os.environ)),
    }
    if settings.headers or settings.query or settings.poll:
        from ..settings.of_host import shown_values

        values.update(shown_values(settings))
    for warning in settings.warnings:
        output.warn(warning)
    output.result(f"Active config: {active or 'none'}")
    looked_in = [str(path) for path in config_locations(os.environ)]
    if active is None:
        for place in looked_in:
            output.result(f"  looked for {place}")
    for name, value in values.items():
        output.result(f"{name:<13} {value}  ({sources[name]})")
    return {
        "active": active,
        "looked_in": looked_in,
        "settings": {name: {"value": value, "source": sources[name]} for name, value in values.items()},
        "warnings": list(settings.warnings),
    }
