"""Where the user's files are: the home folder, config files, the state folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import List, Mapping, Optional

from ..base.errors import ConfigError

CONFIG_NAME = "gpt-image-2"


def config_locations(env: Mapping[str, str]) -> List[Path]:
    """The places where a config file is looked for, best first; those in the home folder only where there is
    one."""
    xdg = env.get("XDG_CONFIG_HOME", "")
    places = [Path(xdg) / CONFIG_NAME / "config.json"] if Path(xdg).is_absolute() else []
    home = _find_home(env)
    if home is None:
        return places
    return [
        *places,
        home / ".config" / CONFIG_NAME / "config.json",
        home / ".gpt-image-2-config.json",
        home / ".hermes" / "gpt-image-2-config.json",
    ]


def home_folder(env: Mapping[str, str]) -> Path:
    """The user's home folder by the environment, else by the system; a `ConfigError` where there is none."""
    home = _find_home(env)
    if home is None:
        raise ConfigError(
            "there is no home folder: HOME is not set, and the system knows none for this user",
            hint="set HOME to a folder that can be written to",
            code="no_home",
        )
    return home


def state_folder(env: Mapping[str, str]) -> Path:
    """Where rescued images and kept answers live: `$XDG_STATE_HOME/gpt-image-2` or its default; a
    `ConfigError` where there is neither that variable nor a home folder."""
    xdg = env.get("XDG_STATE_HOME", "")
    base = Path(xdg) if Path(xdg).is_absolute() else home_folder(env) / ".local" / "state"
    return base / CONFIG_NAME


def _find_home(env: Mapping[str, str]) -> Optional[Path]:
    home = env.get("HOME") or env.get("USERPROFILE") or ""
    if not home and os.name == "posix":
        import pwd

        with suppress(KeyError):  # a user whom the system does not know, as in a container
            home = pwd.getpwuid(os.getuid()).pw_dir
    elif not home:
        home = os.path.expanduser("~")
    return Path(home) if os.path.isabs(home) else None
