"""The commands around a call: `config` and `doctor`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Optional

from .config import TEMPLATE, config_locations, load_settings, state_folder
from .doctor import Check, check_json, examine, verdict
from .files import write_config
from .interrupt import StopSwitch
from .options import config_parser, doctor_parser
from .outcome import Billed, ExitCode
from .output import Output
from .redact import mask_key

_STATUS_WIDTH = 5
_NAME_WIDTH = 13


def run_config(rest: List[str], output: Output) -> ExitCode:
    """Runs `config`: writes a template, shows the settings in force, or both.

    Raises:
        GptImage2Error: a file cannot be read or written.
    """
    args = config_parser().parse_args(rest)
    outcome: Dict[str, object] = {"ok": True, "command": "config"}
    if args.init:
        named = Path(os.path.expanduser(args.config)) if args.config else config_locations(os.environ)[0]
        path = named.absolute()
        write_config(path, TEMPLATE, force=args.force)
        outcome["created"] = str(path)
        output.result(f"Created: {path}")
        output.say("edit it, or set the variable that api_key_env names; then: config --show")
    if args.show or not args.init:
        outcome.update(_show_config(args.config, output))
    output.finish(outcome)
    return ExitCode.OK


def _show_config(config: Optional[str], output: Output) -> Dict[str, object]:
    """Says which settings are in force and where each comes from; the same as an object."""
    settings = load_settings(os.environ, config=config)
    active = settings.config_file.path if settings.config_file else None
    key, key_source = "(none)", settings.key_problem or "no source has one"
    if settings.api_key:
        key, key_source = mask_key(settings.api_key.value), settings.api_key.source
    rows = [
        ("base_url", settings.base_url.value, settings.base_url.source),
        ("api_key", key, key_source),
        ("format_field", settings.format_field.value, settings.format_field.source),
        ("state_folder", str(state_folder(os.environ)), "XDG_STATE_HOME or its default"),
    ]
    for warning in settings.warnings:
        output.warn(warning)
    output.result(f"Active config: {active or 'none'}")
    looked_in = [str(path) for path in config_locations(os.environ)]
    if active is None:
        for place in looked_in:
            output.result(f"  looked for {place}")
    for name, value, source in rows:
        output.result(f"{name:<13} {value}  ({source})")
    return {
        "active": active,
        "looked_in": looked_in,
        "settings": {name: {"value": value, "source": source} for name, value, source in rows},
        "warnings": list(settings.warnings),
    }


def run_doctor(rest: List[str], output: Output, stop: StopSwitch) -> ExitCode:
    """Runs `doctor`: every check in turn, and the exit code of the first that failed.

    Raises:
        GptImage2Error: the arguments are wrong.
    """
    args = doctor_parser().parse_args(rest)
    checks: List[Check] = []
    found = examine(os.environ, stop, config=args.config, base_url=args.base_url, api_key=args.api_key)
    for check in found:
        checks.append(check)
        _say_check(check, output)
    failed = next((check for check in checks if check.status == "fail"), None)
    error: Optional[Dict[str, object]] = None
    if failed is not None:
        error = {"code": f"doctor_{failed.name}", "message": failed.detail, "hint": failed.cure}
    output.finish(
        {
            "ok": failed is None,
            "command": "doctor",
            "checks": [check_json(check) for check in checks],
            "billed": Billed.NO.value,
            "error": error,
        }
    )
    return verdict(checks)


def _say_check(check: Check, output: Output) -> None:
    seconds = f" in {check.elapsed_s:.3f} s" if check.elapsed_s is not None else ""
    output.result(f"{check.status:<{_STATUS_WIDTH}} {check.name:<{_NAME_WIDTH}} {check.detail}{seconds}")
    if check.cure:
        output.result(f"{'':<{_STATUS_WIDTH}} {'':<{_NAME_WIDTH}} → {check.cure}")
