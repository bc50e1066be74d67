"""Where every setting comes from, and which source won. Reads the config file and the environment.

Priority, field by field: the file named by `--config` > flags > the config file that was found >
environment variables > defaults. A key belongs to a host: `OPENAI_API_KEY` is used by itself only for the
official base URL, or as a pair with `OPENAI_BASE_URL`, as the SDKs read them; a key from a file is not sent
to another host than the one that file states.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import List, Mapping, Optional, Tuple
from urllib.parse import urlsplit

from ..api.cost import NO_TEXT_PRICES, PRICES, TextPrices
from ..api.models import DEFAULT_MODEL, Prices
from ..base.errors import ConfigError
from ..base.record import Record
from ..base.redact import mask_key
from .base_url import DEFAULT_BASE_URL, check_base_url, has_same_origin, is_loopback, is_official
from .config_file import ConfigFile, read_config_file
from .hosts import HostFacts, load_facts
from .places import config_locations, state_folder
from .poll import Poll

DEFAULT_FORMAT_FIELD = "output_format"
DEFAULT_IMAGE_FIELD = "image[]"

KEY_VARIABLE = "GPT_IMAGE2_API_KEY"
BASE_URL_VARIABLE = "GPT_IMAGE2_BASE_URL"
MODEL_VARIABLE = "GPT_IMAGE2_MODEL"
OFFICIAL_KEY_VARIABLE = "OPENAI_API_KEY"
OFFICIAL_URL_VARIABLE = "OPENAI_BASE_URL"


TEMPLATE = json.dumps({"base_url": DEFAULT_BASE_URL, "api_key_env": OFFICIAL_KEY_VARIABLE}, indent=2) + "\n"

_DEFAULT = "default"
_QUOTES = tuple("\"'`\u2018\u2019\u201c\u201d")


#: A value, and the source that gave it, in words (`--base-url`, a path, a variable, `default`).
_Found = Tuple[str, str]


class Settings(Record):
    """The effective settings of a call. `api_key` is None when no source gives one for this base URL.

    `model` is that of requests which name none. `history` is whether calls are recorded. `prices` are the
    list prices and those of the config file; `text_prices` are those of models that write SVGs.
    `sources` says in words where each setting comes from, by its name.
    """

    base_url: str
    api_key: Optional[str]
    format_field: str
    image_field: str
    streams: Optional[bool]  # None: nobody knows
    sources: Mapping[str, str]
    config_file: Optional[ConfigFile]
    history: bool = True
    model: str = DEFAULT_MODEL
    prices: Mapping[str, Prices] = PRICES
    text_prices: Mapping[str, TextPrices] = NO_TEXT_PRICES
    key_problem: str = ""
    key_hint: str = ""
    warnings: Tuple[str, ...] = ()
    #: How tasks of this host are asked for; None where the config does not say.
    poll: Optional[Poll] = None

    def __repr__(self) -> str:
        return f"Settings(base_url={self.base_url!r}, api_key={self.masked_key})"

    @property
    def secrets(self) -> Tuple[str, ...]:
        return (self.api_key,) if self.api_key else ()

    @property
    def masked_key(self) -> str:
        """The key as it may be shown, or a word that there is none."""
        return mask_key(self.api_key) if self.api_key else "(none)"

    def require_key(self) -> str:
        """The key; a `ConfigError` whose hint says how to give one where there is none for this base URL."""
        if self.api_key is None:
            raise ConfigError(
                self.key_problem or f"no API key for {self.base_url}",
                hint=self.key_hint or _key_hint(self.base_url),
                code="no_api_key",
            )
        return self.api_key


def load_settings(
    env: Mapping[str, str],
    *,
    config: Optional[str] = None,
    base_url: Optional[str] = None,
    api_key: Optional[str] = None,
) -> Settings:
    """The effective settings from flags (or keyword arguments), the config file and the environment. An
    unusable file, URL or key is a `ConfigError`; that there is no key shows only in
    `Settings.require_key`."""
    file = _active_file(env, config)
    flags = {"base_url": base_url, "api_key": api_key}
    warnings = list(file.warnings) if file else []
    file_first = config is not None
    if file and file_first:
        warnings += _shadowed_flags(file, flags)
    url, url_source = _pick_base_url(env, file, flags, file_first)
    check_base_url(url, url_source)
    warnings += _shadowed_urls(env, file, url, url_source)
    hint = ""
    try:
        key, problem = _pick_key(env, file, api_key, file_first, url)
    except ConfigError as error:  # it matters only when something is sent
        key, problem, hint = None, error.message, error.hint
    if key:
        _check_key(*key)
        if urlsplit(url).scheme == "http" and not is_loopback(url):
            warnings.append(f"the key goes to {url} unencrypted; use https")
    url = url.rstrip("/")
    facts = _facts_of(env, url)
    format_field, format_source = _pick_format_field(file, facts)
    model, model_source = _pick_model(env, file)
    image_field = facts.image_field if facts else None
    streams = facts.streams if facts else None
    return Settings(
        base_url=url,
        api_key=key[0] if key else None,
        format_field=format_field,
        image_field=image_field or DEFAULT_IMAGE_FIELD,
        streams=streams,
        sources={
            "base_url": url_source,
            "api_key": key[1] if key else "",
            "model": model_source,
            "format_field": format_source,
            "image_field": _probe_source(facts) if facts and image_field else _DEFAULT,
            "streams": "not probed" if streams is None else "doctor --probe",
            "history": file.path if file and "history" in file.given else _DEFAULT,
            "prices": file.path if file and "prices" in file.given else _DEFAULT,
        },
        config_file=file,
        history=file is None or file.history is not False,
        model=model,
        prices={**PRICES, **file.prices} if file else PRICES,
        text_prices=file.text_prices if file else NO_TEXT_PRICES,
        key_problem=problem,
        key_hint=hint,
        warnings=tuple(warnings),
    )


def _facts_of(env: Mapping[str, str], url: str) -> Optional[HostFacts]:
    try:
        return load_facts(state_folder(env), url)
    except ConfigError:  # without a home nothing was learnt
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


def _shadowed_urls(env: Mapping[str, str], file: Optional[ConfigFile], url: str, source: str) -> List[str]:
    """Warnings for a base URL of the environment that is passed over: the user would pay elsewhere than they
    think."""
    by_file = file is not None and source == file.path
    names = [BASE_URL_VARIABLE] if by_file else []
    if by_file and file and file.fields.get("api_key_env") == OFFICIAL_KEY_VARIABLE:
        names.append(OFFICIAL_URL_VARIABLE)
    why = f"{source} sets it and goes first"
    if source == _DEFAULT:
        names = [OFFICIAL_URL_VARIABLE]
        why = f"it goes with {OFFICIAL_KEY_VARIABLE} only; {BASE_URL_VARIABLE} goes with every key"
    shadowed = [name for name in names if env.get(name) and env[name].rstrip("/") != url.rstrip("/")]
    return [f"{name} is not used: {why}" for name in shadowed]


def _pick_base_url(
    env: Mapping[str, str], file: Optional[ConfigFile], flags: Mapping[str, Optional[str]], file_first: bool
) -> _Found:
    found: List[_Found] = []
    if flags["base_url"] is not None:
        found.append((flags["base_url"], "--base-url"))
    if file and "base_url" in file.fields:
        found.insert(0 if file_first else len(found), (file.fields["base_url"], file.path))
    if env.get(BASE_URL_VARIABLE):
        found.append((env[BASE_URL_VARIABLE], BASE_URL_VARIABLE))
    if env.get(OFFICIAL_URL_VARIABLE) and _is_official_key_meant(env, file, flags["api_key"]):
        found.append((env[OFFICIAL_URL_VARIABLE], OFFICIAL_URL_VARIABLE))
    return found[0] if found else (DEFAULT_BASE_URL, _DEFAULT)


def _is_official_key_meant(env: Mapping[str, str], file: Optional[ConfigFile], flag: Optional[str]) -> bool:
    """Whether the key is that of `OPENAI_API_KEY`, which `OPENAI_BASE_URL` belongs to."""
    fields: Mapping[str, str] = file.fields if file else {}
    if "api_key" in fields or flag is not None:
        return False
    if "api_key_env" in fields:
        return fields["api_key_env"] == OFFICIAL_KEY_VARIABLE
    return bool(env.get(OFFICIAL_KEY_VARIABLE)) and not env.get(KEY_VARIABLE)


def _official_url(env: Mapping[str, str]) -> str:
    """The base URL whose host `OPENAI_API_KEY` belongs to."""
    return env.get(OFFICIAL_URL_VARIABLE) or DEFAULT_BASE_URL


def _pick_format_field(file: Optional[ConfigFile], facts: Optional[HostFacts]) -> _Found:
    if file and "format_field" in file.fields:
        name = file.fields["format_field"]
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
            raise ConfigError(
                f"config {file.path}: format_field {name!r} is no name of an API field",
                hint=f'leave it out for "{DEFAULT_FORMAT_FIELD}", or use "format"',
            )
        return name, file.path
    if facts and facts.format_field:
        return facts.format_field, _probe_source(facts)
    return DEFAULT_FORMAT_FIELD, _DEFAULT


def _pick_model(env: Mapping[str, str], file: Optional[ConfigFile]) -> _Found:
    """The model of requests that name none; a flag is no source of it, for it names one."""
    if file and "model" in file.fields:
        return file.fields["model"], file.path
    return (env[MODEL_VARIABLE], MODEL_VARIABLE) if env.get(MODEL_VARIABLE) else (DEFAULT_MODEL, _DEFAULT)


def _probe_source(facts: HostFacts) -> str:
    return f"doctor --probe on {facts.probed_on}"


def _pick_key(
    env: Mapping[str, str], file: Optional[ConfigFile], flag: Optional[str], file_first: bool, url: str
) -> Tuple[Optional[_Found], str]:
    """The key that goes to this base URL, or None and why the nearest candidate does not."""
    by_flag = (flag, "--api-key") if flag is not None else None
    if by_flag and not file_first:
        return by_flag, ""
    from_file, problem = _file_key(env, file, url) if file else (None, "")
    found = from_file or by_flag
    if found:
        return found, ""
    if env.get(KEY_VARIABLE):
        return (env[KEY_VARIABLE], KEY_VARIABLE), ""
    if env.get(OFFICIAL_KEY_VARIABLE) and not problem:
        owner = _official_url(env)
        if has_same_origin(url, owner):
            return (env[OFFICIAL_KEY_VARIABLE], OFFICIAL_KEY_VARIABLE), ""
        problem = f"no API key for {url} ({OFFICIAL_KEY_VARIABLE} goes to {owner} only)"
    return None, problem


def _file_key(env: Mapping[str, str], file: ConfigFile, url: str) -> Tuple[Optional[_Found], str]:
    if file.fields.get("api_key"):
        key = (file.fields["api_key"], file.path)
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
        key = (env[name], f"{name}, named by api_key_env in {file.path}")
    else:
        return None, ""
    owner = file.fields.get("base_url")
    if owner is None and file.fields.get("api_key_env") == OFFICIAL_KEY_VARIABLE:
        owner = _official_url(env)
    if owner is None or has_same_origin(owner, url) or is_loopback(url):
        return key, ""
    return None, f"the key in {file.path} belongs to {owner} and is not sent to {url}"


def _check_key(key: str, source: str) -> None:
    if key[:1] in _QUOTES or key[-1:] in _QUOTES:
        raise ConfigError(
            f"the API key from {source} has quotes around it, which would be sent as a part of it",
            hint="set it again without quotes; cmd.exe keeps them: set NAME=sk-…",
            code="bad_api_key",
        )
    if not key.strip() or not key.isascii() or not key.isprintable() or " " in key:
        raise ConfigError(
            f"the API key from {source} has a line break, a blank or another character no key has",
            hint="set it again without line breaks or quotes",
            code="bad_api_key",
        )


def _key_hint(base_url: str) -> str:
    if is_official(base_url):
        return f"export {OFFICIAL_KEY_VARIABLE}=…, or run config --init and edit the file it names"
    return f"give this host its own key: {KEY_VARIABLE}, or api_key_env in the config file beside base_url"
