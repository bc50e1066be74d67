"""Where every setting comes from, and which source won. Reads the config file and the environment.

Priority, field by field: the file named by `--config` > flags > the config file that was found >
environment variables > defaults. A key belongs to a host: `OPENAI_API_KEY` is used by itself only for the
official base URL, and a key from a file is not sent to another host than the one that file states.
"""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple, cast
from urllib.parse import SplitResult, urlsplit

from .errors import ConfigError
from .hosts import load_facts
from .models import PRICES, Prices
from .prices import read_prices
from .record import Record, replace
from .redact import mask_key

DEFAULT_BASE_URL = "https://api.openai.com/v1"
DEFAULT_FORMAT_FIELD = "output_format"
DEFAULT_IMAGE_FIELD = "image[]"
CONFIG_NAME = "gpt-image-2"

KEY_VARIABLE = "GPT_IMAGE2_API_KEY"
BASE_URL_VARIABLE = "GPT_IMAGE2_BASE_URL"
OFFICIAL_KEY_VARIABLE = "OPENAI_API_KEY"

#: The fields of a config file, and the JSON type of each.
CONFIG_FIELDS: Mapping[str, type] = {
    "base_url": str,
    "api_key": str,
    "api_key_env": str,
    "format_field": str,
    "history": bool,
    "prices": dict,
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
    dict: 'it should look like {"gpt-image-2": {"image_out": 30}}; mend it, or remove the field',
}
TEMPLATE = json.dumps({"base_url": DEFAULT_BASE_URL, "api_key_env": OFFICIAL_KEY_VARIABLE}, indent=2) + "\n"

_DEFAULT = "default"
NO_PRICES: Mapping[str, Prices] = {}


class Setting(Record):
    """One effective value and the source that won, in words (`--base-url`, a path, a variable, `default`)."""

    value: str
    source: str


class ConfigFile(Record):
    """A config file as read: its path, its known fields, and what is odd about it.

    `fields` are those that hold text. `history` is None where the file does not say.
    """

    path: str
    fields: Mapping[str, str]
    warnings: Tuple[str, ...] = ()
    history: Optional[bool] = None
    prices: Mapping[str, Prices] = NO_PRICES

    @property
    def given(self) -> Tuple[str, ...]:
        """The names of the fields that are set in it."""
        others = (("history", self.history is not None), ("prices", bool(self.prices)))
        return (*self.fields, *(name for name, is_set in others if is_set))


class Settings(Record):
    """The effective settings of a call. `api_key` is None when no source gives one for this base URL.

    `history` is whether calls are recorded. `prices` are the list prices and those of the config file.
    """

    base_url: Setting
    api_key: Optional[Setting]
    format_field: Setting
    image_field: Setting
    streams: Optional[bool]  # None: nobody knows
    config_file: Optional[ConfigFile]
    history: bool = True
    prices: Mapping[str, Prices] = PRICES
    key_problem: str = ""
    key_hint: str = ""
    warnings: Tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Settings(base_url={self.base_url!r}, api_key={self.masked_key})"

    @property
    def secrets(self) -> Tuple[str, ...]:
        """What must never be shown."""
        return (self.api_key.value,) if self.api_key else ()

    @property
    def masked_key(self) -> str:
        """The key as it may be shown, or a word that there is none."""
        return mask_key(self.api_key.value) if self.api_key else "(none)"

    def require_key(self) -> str:
        """The key.

        Raises:
            ConfigError: there is none for this base URL; the hint says how to give one.
        """
        if self.api_key is None:
            raise ConfigError(
                self.key_problem or f"no API key for {self.base_url.value}",
                hint=self.key_hint or _key_hint(self.base_url.value),
                code="no_api_key",
            )
        return self.api_key.value


def config_locations(env: Mapping[str, str]) -> List[Path]:
    """The places where a config file is looked for, best first."""
    home = home_folder(env)
    places = [home / ".config" / CONFIG_NAME / "config.json"]
    xdg = env.get("XDG_CONFIG_HOME", "")
    if Path(xdg).is_absolute():
        places.insert(0, Path(xdg) / CONFIG_NAME / "config.json")
    return [*places, home / ".gpt-image-2-config.json", home / ".hermes" / "gpt-image-2-config.json"]


def home_folder(env: Mapping[str, str]) -> Path:
    """The user's home folder by the environment, else by the system."""
    home = env.get("HOME") or env.get("USERPROFILE")
    return Path(home) if home else Path.home()


def state_folder(env: Mapping[str, str]) -> Path:
    """Where rescued images and kept answers live: `$XDG_STATE_HOME/gpt-image-2` or its default."""
    xdg = env.get("XDG_STATE_HOME", "")
    base = Path(xdg) if Path(xdg).is_absolute() else home_folder(env) / ".local" / "state"
    return base / CONFIG_NAME


def load_settings(
    env: Mapping[str, str],
    *,
    config: Optional[str] = None,
    base_url: Optional[str] = None,
    api_key: Optional[str] = None,
) -> Settings:
    """The effective settings from flags (or keyword arguments), the config file and the environment.

    Raises:
        ConfigError: a file, URL or key is unusable; the message names file, line and field. That there is no
            key shows only in `Settings.require_key`.
    """
    file = _active_file(env, config)
    flags = {"base_url": base_url, "api_key": api_key}
    warnings = list(file.warnings) if file else []
    file_first = config is not None
    if file and file_first:
        warnings += _shadowed_flags(file, flags)
    url = _pick_base_url(env, file, base_url, file_first)
    check_base_url(url.value, url.source)
    hint = ""
    try:
        key, problem = _pick_key(env, file, api_key, file_first, url)
    except ConfigError as error:  # it matters only when something is sent
        key, problem, hint = None, error.message, error.hint
    if key:
        _check_key(key)
        parts = urlsplit(url.value)
        if parts.scheme == "http" and not _is_loopback_name(parts):
            warnings.append(f"the key goes to {url.value} unencrypted; use https")
    url = replace(url, value=url.value.rstrip("/"))
    facts = load_facts(state_folder(env), url.value)
    learnt = f"doctor --probe on {facts.probed_on}" if facts else ""
    format_field = Setting(DEFAULT_FORMAT_FIELD, _DEFAULT)
    if facts and facts.format_field:
        format_field = Setting(facts.format_field, learnt)
    image_field = Setting(DEFAULT_IMAGE_FIELD, _DEFAULT)
    if facts and facts.image_field:
        image_field = Setting(facts.image_field, learnt)
    if file and "format_field" in file.fields:
        format_field = Setting(file.fields["format_field"], file.path)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", format_field.value):
            raise ConfigError(
                f"config {file.path}: format_field {format_field.value!r} is no name of an API field",
                hint=f'leave it out for "{DEFAULT_FORMAT_FIELD}", or use "format"',
            )
    return Settings(
        base_url=url,
        api_key=key,
        format_field=format_field,
        image_field=image_field,
        streams=facts.streams if facts else None,
        config_file=file,
        history=file is None or file.history is not False,
        prices={**PRICES, **file.prices} if file else PRICES,
        key_problem=problem,
        key_hint=hint,
        warnings=tuple(warnings),
    )


def read_config_file(path: Path) -> ConfigFile:
    """A config file's known fields.

    Raises:
        ConfigError: unreadable, not JSON, not an object, or a field of the wrong type.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
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
    fields = cast(Dict[str, Any], content)

    def place(*names: str) -> str:
        return f"config {path}, line {_line_of(text, *names)}"

    warnings = _mode_warnings(path, fields)
    for name, value in fields.items():
        kind = CONFIG_FIELDS.get(name)
        if kind is None:
            known = ", ".join(CONFIG_FIELDS)
            warnings.append(f"{place(name)}: unknown field {name!r} is ignored (known: {known})")
        elif not isinstance(value, kind):
            raise ConfigError(
                f"{place(name)}: field {name!r} must be {_KIND_NAMES[kind]}, found {_json_type(value)}",
                hint=_CURES[kind],
            )
    return ConfigFile(
        path=str(path),
        fields={name: value for name, value in fields.items() if CONFIG_FIELDS.get(name) is str and value},
        warnings=tuple(warnings),
        history=fields.get("history"),
        prices=read_prices(fields.get("prices", {}), place),
    )


def check_base_url(url: str, source: str) -> None:
    """Refuses a base URL that cannot be one.

    Raises:
        ConfigError: no http(s) scheme or host, or it carries credentials, a query or a control character.
    """
    problem = _base_url_problem(url)
    if problem:
        raise ConfigError(
            f"base URL from {source} {problem}",
            hint=f"expected something like {DEFAULT_BASE_URL}",
            code="bad_base_url",
        )


def is_official(url: str) -> bool:
    """Whether a base URL is OpenAI's own, over TLS."""
    return _origin(url) == _origin(DEFAULT_BASE_URL)


def is_loopback(url: str) -> bool:
    """Whether a base URL leads to this machine."""
    try:
        return _is_loopback_name(urlsplit(url))
    except ValueError:
        return False


def _base_url_problem(url: str) -> Optional[str]:
    if re.search(r"[\x00-\x20\x7f\\]", url):
        return "has a blank, a backslash or a control character in it"
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (raises for a port that is no number)
    except ValueError as error:
        return f"cannot be read: {error}"
    if "@" in parts.netloc:
        return "has credentials in it; give the key by api_key_env instead"
    if parts.scheme not in ("http", "https"):
        return f"needs http:// or https:// in front, found {url!r}"
    if not parts.hostname:
        return f"has no host: {url!r}"
    if parts.query or parts.fragment:
        return "has a query or a fragment; only scheme, host and path belong in it"
    return None


def _active_file(env: Mapping[str, str], config: Optional[str]) -> Optional[ConfigFile]:
    if config is not None:
        path = Path(os.path.expanduser(config))
        if not os.path.isfile(path):  # unlike Path.is_file it never raises
            raise ConfigError(
                f"config {path} does not exist", hint=f"create it: config --init --config {path}"
            )
        return read_config_file(path.absolute())
    for path in config_locations(env):
        if os.path.isfile(path):
            return read_config_file(path)
    return None


def _shadowed_flags(file: ConfigFile, flags: Mapping[str, Optional[str]]) -> List[str]:
    key_in_file = "api_key" in file.fields or "api_key_env" in file.fields
    shadowed = {"base_url": "base_url" in file.fields, "api_key": key_in_file}
    return [
        f"--{name.replace('_', '-')} is not used: {file.path}, named by --config, sets it and goes first"
        for name, value in flags.items()
        if value is not None and shadowed[name]
    ]


def _pick_base_url(
    env: Mapping[str, str], file: Optional[ConfigFile], flag: Optional[str], file_first: bool
) -> Setting:
    found: List[Setting] = []
    if flag is not None:
        found.append(Setting(flag, "--base-url"))
    if file and "base_url" in file.fields:
        found.insert(0 if file_first else len(found), Setting(file.fields["base_url"], file.path))
    if env.get(BASE_URL_VARIABLE):
        found.append(Setting(env[BASE_URL_VARIABLE], BASE_URL_VARIABLE))
    found.append(Setting(DEFAULT_BASE_URL, _DEFAULT))
    return found[0]


def _pick_key(
    env: Mapping[str, str], file: Optional[ConfigFile], flag: Optional[str], file_first: bool, url: Setting
) -> Tuple[Optional[Setting], str]:
    """The key that goes to this base URL, or None and why the nearest candidate does not."""
    by_flag = Setting(flag, "--api-key") if flag is not None else None
    if by_flag and not file_first:
        return by_flag, ""
    from_file, problem = _file_key(env, file, url.value) if file else (None, "")
    found = from_file or by_flag
    if found:
        return found, ""
    if env.get(KEY_VARIABLE):
        return Setting(env[KEY_VARIABLE], KEY_VARIABLE), ""
    if env.get(OFFICIAL_KEY_VARIABLE) and not problem:
        if is_official(url.value):
            return Setting(env[OFFICIAL_KEY_VARIABLE], OFFICIAL_KEY_VARIABLE), ""
        problem = f"no API key for {url.value} ({OFFICIAL_KEY_VARIABLE} goes to {DEFAULT_BASE_URL} only)"
    return None, problem


def _file_key(env: Mapping[str, str], file: ConfigFile, url: str) -> Tuple[Optional[Setting], str]:
    if file.fields.get("api_key"):
        key = Setting(file.fields["api_key"], file.path)
    elif file.fields.get("api_key_env"):
        name = file.fields["api_key_env"]
        if not env.get(name):
            raise ConfigError(
                f"config {file.path} names the variable {name} in api_key_env, and it is not set",
                hint=f"set it (export {name}=…), or change api_key_env"
                + (
                    f"; {KEY_VARIABLE} is set, but the config file goes first"
                    if env.get(KEY_VARIABLE)
                    else ""
                ),
                code="no_api_key",
            )
        key = Setting(env[name], f"{name}, named by api_key_env in {file.path}")
    else:
        return None, ""
    owner = file.fields.get("base_url")
    if owner is None and file.fields.get("api_key_env") == OFFICIAL_KEY_VARIABLE:
        owner = DEFAULT_BASE_URL
    if owner is None or _origin(owner) == _origin(url) or _is_loopback_name(urlsplit(url)):
        return key, ""
    return None, f"the key in {file.path} belongs to {owner} and is not sent to {url}"


def _check_key(key: Setting) -> None:
    if not key.value.strip() or not key.value.isascii() or not key.value.isprintable() or " " in key.value:
        raise ConfigError(
            f"the API key from {key.source} has a line break, a blank or another character no key has",
            hint="set it again without line breaks or quotes",
            code="bad_api_key",
        )


def _mode_warnings(path: Path, fields: Mapping[str, Any]) -> List[str]:
    if os.name != "posix" or not path.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        return []
    what = "holds an API key and is" if fields.get("api_key") else "is"
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


def _origin(url: str) -> Tuple[str, str, Optional[int]]:
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return "", url, None
    return parts.scheme, parts.hostname or "", port


def _is_loopback_name(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None


def _key_hint(base_url: str) -> str:
    if is_official(base_url):
        return f"export {OFFICIAL_KEY_VARIABLE}=…, or run config --init and edit the file it names"
    return f"give this host its own key: {KEY_VARIABLE}, or api_key_env in the config file beside base_url"
