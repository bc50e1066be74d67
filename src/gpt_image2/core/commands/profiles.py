"""What `config` does with profiles: writes one into a config file, and lists those that are there."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, cast

from ..base.errors import ConfigError, UsageError
from ..base.redact import show
from ..outputs.files import private_turn, write_private_file
from ..settings.config import find_config, load_settings
from ..settings.config_file import read_object
from ..settings.places import config_locations, home_folder
from ..settings.profiles import profiles_of
from ..telling.output import Output
from .options import ServerFlags

_NEW_HOST = "https://relay.example/v1"
_NAME_CHARS = 64


def add_profile(name: str, config: Optional[str], force: bool) -> Path:
    """Writes a profile to fill in into the config file that is named, found, or new; the file's path.

    Raises:
        UsageError: the name is none, or is taken and `force` is false.
    """
    if not name.strip() or not name.isprintable() or len(name) > _NAME_CHARS:
        raise UsageError("a profile needs a name of printable characters", hint="such as --profile relay")
    places = config_locations(os.environ) or [home_folder(os.environ)]
    found = [place for place in places if os.path.isfile(str(place))]
    path = Path(os.path.expanduser(config)).absolute() if config else [*found, *places][0]
    variable = re.sub("[^A-Z0-9]+", "_", name.upper()).strip("_") or "RELAY"
    with private_turn(path):
        content: Mapping[str, Any] = read_object(path)[1] if os.path.exists(str(path)) else {}
        profiles = dict(_profiles_in(content, path))
        if name in profiles and not force:
            raise UsageError(
                f"config {path} has a profile {name!r} already",
                hint="edit it, or add --force to write it anew",
            )
        profiles[name] = {"base_url": _NEW_HOST, "api_key_env": f"{variable}_API_KEY"}
        text = json.dumps({**content, "profiles": profiles}, indent=2, ensure_ascii=False)
        write_private_file(path, text + "\n")
    return path


def list_profiles(flags: ServerFlags, output: Output) -> Dict[str, object]:
    """Prints the profiles of the config file, each with its host and what it lacks; the same for `--json`."""
    path = find_config(os.environ, flags.config)
    in_force = ""
    try:
        in_force = flags.settings().profile
    except ConfigError as error:
        output.warn(error.message)
    rows: List[Dict[str, object]] = []
    for name in _profiles_in(read_object(path)[1], path) if path else ():
        base_url = problem = ""
        try:
            settings = load_settings(os.environ, config=flags.config, profile=name)
            base_url = settings.base_url
            settings.require_key()
        except ConfigError as error:
            problem = show(error.message, limit=None)
        is_in_force = name == in_force
        rows.append({"name": name, "in_force": is_in_force, "base_url": base_url, "problem": problem})
        lack = f"  ({problem})" if problem else ""
        output.result(f"{'*' if is_in_force else ' '} {show(name):<12} {base_url}{lack}")
    if not rows:
        output.say("there are no profiles; write one: config --init --profile NAME")
    return {"active": str(path) if path else None, "profiles": rows}


def _profiles_in(content: Mapping[str, Any], path: Path) -> Mapping[str, Mapping[str, Any]]:
    def place(*_: str) -> str:
        return f"config {path}"

    return profiles_of(content, cast(Any, place))
