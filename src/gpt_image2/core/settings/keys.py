"""Which key goes to a base URL, and why not another. Pure.

A key belongs to a host: `OPENAI_API_KEY` is used by itself only for the official base URL, or as a pair with
`OPENAI_BASE_URL`, as the SDKs read them; a key from a file is not sent to another host than the one that file
states. `GPT_IMAGE2_API_KEY` is for whatever base URL is in force; but where it has a host of its own, by
`GPT_IMAGE2_BASE_URL` or as the key that the top of a config file leaves out, no profile takes it to another.
"""

from __future__ import annotations

from typing import Mapping, Optional, Tuple

from ..base.errors import ConfigError
from .base_url import DEFAULT_BASE_URL, has_same_origin, is_loopback, is_official
from .config_file import ConfigFile

KEY_VARIABLE = "GPT_IMAGE2_API_KEY"
BASE_URL_VARIABLE = "GPT_IMAGE2_BASE_URL"
OFFICIAL_KEY_VARIABLE = "OPENAI_API_KEY"
OFFICIAL_URL_VARIABLE = "OPENAI_BASE_URL"

#: A value, and the source that gave it, in words (`--base-url`, a path, a variable, `default`).
Found = Tuple[str, str]

_QUOTES = tuple("\"'`\u2018\u2019\u201c\u201d")


def pick_key(
    env: Mapping[str, str], file: Optional[ConfigFile], flag: Optional[str], file_first: bool, url: str
) -> Tuple[Optional[Found], str]:
    """The key that goes to this base URL, or None and why the nearest candidate does not."""
    by_flag = (flag, "--api-key") if flag is not None else None
    if by_flag and not file_first:
        return by_flag, ""
    from_file, problem = _file_key(env, file, url) if file else (None, "")
    found = from_file or by_flag
    if found:
        return found, ""
    owner = env.get(BASE_URL_VARIABLE) or file.keyless_host if file and file.has_own_host else ""
    if env.get(KEY_VARIABLE) and (not owner or has_same_origin(url, owner)):
        return (env[KEY_VARIABLE], KEY_VARIABLE), ""
    if env.get(KEY_VARIABLE) and not problem:
        problem = f"no API key for {url} ({KEY_VARIABLE} is that of {owner})"
    if env.get(OFFICIAL_KEY_VARIABLE) and not problem:
        owner = _official_url(env)
        if has_same_origin(url, owner):
            return (env[OFFICIAL_KEY_VARIABLE], OFFICIAL_KEY_VARIABLE), ""
        problem = f"no API key for {url} ({OFFICIAL_KEY_VARIABLE} goes to {owner} only)"
    return None, problem


def _file_key(env: Mapping[str, str], file: ConfigFile, url: str) -> Tuple[Optional[Found], str]:
    if file.fields.get("api_key"):
        key = (file.fields["api_key"], file.source("api_key"))
    elif file.fields.get("api_key_env"):
        name, source = file.fields["api_key_env"], file.source("api_key_env")
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
        key = (env[name], f"{name}, named by api_key_env in {source}")
    else:
        return None, ""
    owner = file.fields.get("base_url")
    if owner is None and file.fields.get("api_key_env") == OFFICIAL_KEY_VARIABLE:
        owner = _official_url(env)
    if owner is None or has_same_origin(owner, url) or (is_loopback(url) and not file.has_own_host):
        return key, ""
    return None, f"the key in {file.source('base_url')} belongs to {owner} and is not sent to {url}"


def check_key(key: str, source: str) -> None:
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


def key_hint(file: Optional[ConfigFile], base_url: str) -> str:
    """How to give a key for a base URL."""
    if file and file.has_own_host:
        return f'name it in {file.source("base_url")}: "api_key_env": "{KEY_VARIABLE}", or another variable'
    if is_official(base_url):
        return f"export {OFFICIAL_KEY_VARIABLE}=…, or run config --init and edit the file it names"
    return f"give this host its own key: {KEY_VARIABLE}, or api_key_env in the config file beside base_url"


def is_official_key_meant(env: Mapping[str, str], file: Optional[ConfigFile], flag: Optional[str]) -> bool:
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
