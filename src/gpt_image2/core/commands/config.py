"""The command `config`: writes a config file, and says which settings are in force, and why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, Optional, Sequence

from ..base.interrupt import StopSwitch
from ..base.outcome import ExitCode
from ..outputs.files import write_config
from ..settings.config import TEMPLATE, load_settings
from ..settings.places import config_locations, home_folder, state_folder
from ..telling.output import Output
from .options import YES_NO, config_parser


def run_config(words: Sequence[str], output: Output, _: StopSwitch) -> int:
    args = config_parser().parse_args(list(words))
    outcome: Dict[str, object] = {"ok": True, "command": "config"}
    if args.init:
        named = Path(os.path.expanduser(args.config)) if args.config else _first_location()
        path = named.absolute()
        write_config(path, TEMPLATE, force=args.force)
        outcome["created"] = str(path)
        output.result(f"Created: {path}")
        output.say("edit it, or set the variable that api_key_env names; then: config --show")
    if args.show or not args.init:
        outcome.update(_show_config(args.config, output))
    output.finish(outcome)
    return ExitCode.OK


def _first_location() -> Path:
    places = config_locations(os.environ)
    return places[0] if places else home_folder(os.environ)  # an error that says what is missing


def _show_config(config: Optional[str], output: Output) -> Dict[str, object]:
    settings = load_settings(os.environ, config=config)
    active = settings.config_file.path if settings.config_file else None
    file = settings.config_file
    own_prices = (*file.prices, *file.text_prices) if file else ()
    sources = {**settings.sources, "state_folder": "XDG_STATE_HOME or its default"}
    if settings.api_key is None:
        sources["api_key"] = settings.key_problem or "no source has one"
    values = {
        "base_url": settings.base_url,
        "api_key": settings.masked_key,
        "model": settings.model,
        "format_field": settings.format_field,
        "image_field": settings.image_field,
        "streams": YES_NO[settings.streams],
        "history": YES_NO[settings.history],
        "prices": f"list prices, but for {', '.join(own_prices)}" if own_prices else "list prices",
        "state_folder": str(state_folder(os.environ)),
    }
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
