"""Reads a config file: the fields in force, and what is odd about it, by file, line and field."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, cast

from ..api.cost import NO_TEXT_PRICES, TextPrices
from ..api.models import Prices
from ..base.errors import ConfigError
from ..base.record import Record
from ..base.untrusted import written_text
from .host_field import HostField
from .poll import Poll

#: The fields of a config file, and the JSON type of each. A profile has them too, but for the last two.
CONFIG_FIELDS: Mapping[str, type] = {
    "base_url": str,
    "api_key": str,
    "api_key_env": str,
    "format_field": str,
    "model": str,
    "history": bool,
    "stream": bool,
    "prices": dict,
    "headers": dict,
    "query": dict,
    "poll": dict,
    "profile": str,
    "profiles": dict,
}
_KIND_NAMES: Mapping[type, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    type(None): "null",
}
_CURES: Mapping[type, str] = {
    str: "put the value in double quotes, or remove the field",
    bool: "write true or false without quotes, or remove the field",
    dict: 'it should look like {"name": …}; mend it, or remove the field',
}
NO_PRICES: Mapping[str, Prices] = {}


class ConfigFile(Record):
    """A config file as read: its path, its known fields, and what is odd about it.

    `fields` are those in force that hold text. `history` and `stream` are None where the file does not say.
    `profile` is the name of the one in force, empty without one; `of_profile` are the fields that it sets.
    """

    path: str
    fields: Mapping[str, str]
    warnings: Tuple[str, ...] = ()
    history: Optional[bool] = None
    stream: Optional[bool] = None
    prices: Mapping[str, Prices] = NO_PRICES
    text_prices: Mapping[str, TextPrices] = NO_TEXT_PRICES
    headers: Tuple[HostField, ...] = ()
    query: Tuple[HostField, ...] = ()
    poll: Optional[Poll] = None
    profile: str = ""
    profile_source: str = ""
    of_profile: Tuple[str, ...] = ()
    #: The base URL at the top of the file where no key stands beside it; empty elsewhere.
    keyless_host: str = ""

    @property
    def given(self) -> Tuple[str, ...]:
        has_prices = bool(self.prices or self.text_prices)
        flags = (("history", self.history is not None), ("stream", self.stream is not None))
        others = (*flags, ("prices", has_prices))
        return (*self.fields, *(name for name, is_set in others if is_set))

    @property
    def has_own_host(self) -> bool:
        """Whether the profile in force names a host, and is not just another word for the file's own."""
        return "base_url" in self.of_profile

    def source(self, name: str) -> str:
        """Where a field in force stands, in words."""
        return f"profile {self.profile} in {self.path}" if name in self.of_profile else self.path


def read_config_file(
    path: Path, env: Mapping[str, str], profile: Optional[str] = None, profile_source: str = ""
) -> ConfigFile:
    """A config file with the profile of that name in force; None is that which the file names, empty none.

    Raises:
        ConfigError: it cannot be used, or has no such profile.
    """
    text, content = read_object(path)
    fields, of_profile = content, ()
    if profile is None and "profile" in content:
        profile, profile_source = content["profile"], f'"profile" in {path}'

    def place(*names: str) -> str:
        inside = ("profiles", str(profile)) if names[0] in of_profile else ()
        return f"config {path}, line {_line_of(text, *inside, *names)}"

    _check_types(content, place)
    if profile or "profiles" in content:
        from .profiles import chosen, profiles_of, with_profile

        profiles = profiles_of(content, place)
        if profile:
            own = chosen(profiles, profile, profile_source, str(path))
            fields, of_profile = with_profile(content, own), tuple(own)
            _check_types(fields, place)
    known = CONFIG_FIELDS if fields is content else [name for name in CONFIG_FIELDS if "profile" not in name]
    warnings = _mode_warnings(path, text)
    warnings += [
        f"{place(name)}: unknown field {name!r} is ignored (known: {', '.join(known)})"
        for name in fields
        if name not in known
    ]
    extras: Dict[str, Any] = {}
    if not {"headers", "query", "poll"}.isdisjoint(fields):
        from .profiles import read_host_fields, read_poll

        extras = {
            kind: read_host_fields(kind, fields.get(kind, {}), env, place) for kind in ("headers", "query")
        }
        extras["poll"] = read_poll(fields["poll"], place) if "poll" in fields else None
    if "prices" in fields:
        from .price_fields import read_prices

        extras["prices"], extras["text_prices"] = read_prices(fields["prices"], place)
    return ConfigFile(
        path=str(path),
        fields={name: value for name, value in fields.items() if CONFIG_FIELDS.get(name) is str and value},
        warnings=tuple(warnings),
        history=fields.get("history"),
        stream=fields.get("stream"),
        profile=profile or "",
        profile_source=profile_source,
        of_profile=of_profile,
        keyless_host=""
        if content.get("api_key") or content.get("api_key_env")
        else content.get("base_url", ""),
        **extras,
    )


def read_object(path: Path) -> Tuple[str, Dict[str, Any]]:
    """A config file's text, and the JSON object that it is; a `ConfigError` where it is none."""
    try:
        text = written_text(path.read_bytes())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8 or UTF-16"
        raise ConfigError(f"cannot read config {path}: {reason}", hint="name a readable JSON file") from None
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise ConfigError(
            f"config {path}, line {line}: not valid JSON ({getattr(error, 'msg', error)})",
            hint="mend that line, or write a fresh file with: config --init --force",
        ) from None
    if not isinstance(content, dict):
        raise ConfigError(
            f"config {path}, line 1: expected a JSON object, found {_json_type(content)}",
            hint='it should look like {"base_url": "…", "api_key_env": "OPENAI_API_KEY"}',
        )
    return text, cast(Dict[str, Any], content)


def _check_types(fields: Mapping[str, Any], place: Callable[..., str]) -> None:
    for name, value in fields.items():
        kind = CONFIG_FIELDS.get(name)
        if kind is not None and not isinstance(value, kind):
            raise ConfigError(
                f"{place(name)}: field {name!r} must be {_KIND_NAMES[kind]}, found {_json_type(value)}",
                hint=_CURES[kind],
            )


def _mode_warnings(path: Path, text: str) -> List[str]:
    if os.name != "posix" or not path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return []
    what = "holds an API key and is" if re.search(r'"api_key"\s*:\s*"[^"]', text) else "is"
    return [f"config {path} {what} readable by group or others; run: chmod 600 {path}"]


def _line_of(text: str, *names: str) -> int:
    """The line of a field, named with the fields around it, outermost first; 1 where it is not found."""
    at = 0
    for name in names:
        match = re.compile(re.escape(json.dumps(name)) + r"\s*:").search(text, at)
        if match is None:
            return 1
        at = match.start()
    return text.count("\n", 0, at) + 1


def _json_type(value: object) -> str:
    return _KIND_NAMES.get(type(value), "a number")
