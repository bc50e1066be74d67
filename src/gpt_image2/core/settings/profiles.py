"""What a config file says of hosts: its profiles, and the headers, the query and the polling of one host.

A profile with a `base_url` is a host of its own: of what stands at the top of the file it takes `history`
alone, so that no key, header or price meets a host that it was not given for. One without is the file's own
host in other words: it takes from the top what it does not set. Pure.
"""

from __future__ import annotations

import re
from typing import Any, Callable, Dict, List, Mapping, Tuple, cast

from ..base.errors import ConfigError
from ..base.redact import mask_secrets, show
from .host_field import HostField
from .poll import Poll

#: How a field of the file is told: by file and line, given its name and those around it, outermost first.
FieldPlace = Callable[..., str]
_SHARED = "history"
_KEY_FIELDS = ("api_key", "api_key_env")

_HEADER_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"  # RFC 9110, 5.6.2
#: Headers that are curl's and ours to say: they frame the message, or tell what is in it.
_OURS = (
    r"host|content-.*|transfer-encoding|connection|keep-alive|te|trailer|upgrade|expect|accept|accept-encoding"
    r"|range|proxy-.*"
)
_KEY_NAMES = r"auth|key|token|secret|passw|cookie|credential|signature|session|^sig$|^code$"
_KEY_VALUES = r"(?:bearer|basic) |[^ ]*\beyJ[A-Za-z0-9_-]{8,}"

_POLL_EXAMPLE = 'such as {"path": "/tasks/{id}", "status": "data.status", "done": ["completed"]}'
_ID = "{id}"
_PLACES, _STATE_LISTS = ("id", "status", "images"), ("done", "failed")


def profiles_of(content: Mapping[str, Any], place: FieldPlace) -> Mapping[str, Mapping[str, Any]]:
    """The profiles of a file by name.

    Raises:
        ConfigError: they are no objects.
    """
    profiles = content.get("profiles", {})
    is_good = isinstance(profiles, dict)
    for name, profile in cast(Dict[str, Any], profiles).items() if is_good else ():
        is_good = isinstance(profile, dict) and bool(name.strip()) and name.isprintable()
        if not is_good:
            break
    if not is_good:
        raise ConfigError(
            f"{place('profiles')}: field 'profiles' must be an object with an object for each name",
            hint='such as {"relay": {"base_url": "https://…/v1", "api_key_env": "RELAY_API_KEY"}}',
        )
    return cast(Dict[str, Dict[str, Any]], profiles)


def chosen(profiles: Mapping[str, Mapping[str, Any]], name: str, source: str, path: str) -> Mapping[str, Any]:
    """The fields of a profile; `source` says who asks for it.

    Raises:
        ConfigError: there is none of that name.
    """
    if name in profiles:
        return profiles[name]
    there = f"has {', '.join(profiles)}" if profiles else "has no profiles"
    raise ConfigError(
        f"there is no profile {show(name, limit=100)!r}, which {source} names; config {path} {show(there)}",
        hint=f"name one of them, or add it: config --init --profile {show(name, limit=100)}",
        code="unknown_profile",
    )


def with_profile(top: Mapping[str, Any], profile: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields that are in force with a profile."""
    if "base_url" in profile:
        shared = {name: value for name, value in top.items() if name == _SHARED}
    else:
        has_key = any(profile.get(name) for name in _KEY_FIELDS)
        left_out = {"profile", "profiles", *(_KEY_FIELDS if has_key else ())}
        shared = {name: value for name, value in top.items() if name not in left_out}
    return {**shared, **profile}


def read_host_fields(
    kind: str, content: Mapping[str, Any], env: Mapping[str, str], place: FieldPlace
) -> Tuple[HostField, ...]:
    """The field `headers` or `query` of a file: texts, or `{"env": NAME}` for what a variable holds.

    Raises:
        ConfigError: one of them cannot be sent.
    """
    fields = [_host_field(kind, name, value, env, place) for name, value in content.items()]
    names = [field.name.lower() for field in fields]
    twice = next((name for name in names if names.count(name) > 1), None)
    if kind == "headers" and twice:
        raise ConfigError(f"{place(kind)}: header {twice!r} is there twice", hint="leave one of them out")
    return tuple(fields)


def _host_field(kind: str, name: str, value: Any, env: Mapping[str, str], place: FieldPlace) -> HostField:
    variable = ""
    if value is None:
        value = {}  # no text; None is a variable that is not set
    if isinstance(value, dict):
        given = cast(Dict[str, Any], value)
        variable = given["env"] if list(given) == ["env"] and isinstance(given["env"], str) else ""
        value = (env.get(variable) or None) if variable else {}
    problem = _name_problem(kind, name) or _value_problem(kind, value)
    if problem:
        where = f"{place(kind, name)}: field {show(f'{kind}.{name}', limit=100)!r}"
        raise ConfigError(
            f"{where} {problem}", hint='it is a text, or {"env": "NAME"} for what a variable holds'
        )
    is_secret = bool(variable) or bool(
        re.search(_KEY_NAMES, name, re.I)
        or re.match(_KEY_VALUES, value, re.I)
        or mask_secrets(value) != value
    )
    return HostField(name, value, variable, is_secret)


def _name_problem(kind: str, name: str) -> str:
    if kind == "query":
        return "" if name else "has no name"
    if not re.fullmatch(_HEADER_NAME, name):
        return "is no name of a header"
    return "is not for a config to say" if re.fullmatch(_OURS, name, re.I) else ""


def _value_problem(kind: str, value: Any) -> str:
    if value is None:
        return ""  # its variable is not set: that matters when something is sent
    if not isinstance(value, str):
        return "must be a text"
    if not value.strip():
        return "is empty"
    if kind == "headers" and not (value.isascii() and value.isprintable()):
        return "has a line break or another character that no header has"
    return ""


def read_poll(content: Mapping[str, Any], place: FieldPlace) -> Poll:
    """The field `poll` of a file.

    Raises:
        ConfigError: no host can be asked so.
    """
    for name, value in content.items():
        problem = _poll_problem(name, value)
        if problem:
            where = f"{place('poll', name)}: field {show(f'poll.{name}', limit=100)!r}"
            raise ConfigError(f"{where} {problem}", hint=_POLL_EXAMPLE)
    done, failed = (tuple(str(state).lower() for state in content.get(name, ())) for name in _STATE_LISTS)
    texts = {name: value for name, value in content.items() if name not in _STATE_LISTS}
    return Poll(**texts, done=done, failed=failed)


def _poll_problem(name: str, value: Any) -> str:
    """What is wrong with one field of `poll`; empty where it is right."""
    if name in _STATE_LISTS:
        states = cast(List[object], value) if isinstance(value, list) else [None]
        return (
            ""
            if all(isinstance(one, (str, int)) and one != "" for one in states)
            else "must be a list of states"
        )
    if name not in (*_PLACES, "path"):
        return f"is not known (known: {', '.join(Poll.__match_args__)})"
    if not isinstance(value, str):
        return "must be a text"
    if name != "path":
        is_place = re.fullmatch(r"[^.\s]+(\.[^.\s]+)*", value)
        return "" if is_place else "must be a place in the answer, such as data.0.task_id"
    if _ID not in value:
        return f"must have {_ID} in it, where the task's id goes"
    if re.search(r"[\x00-\x20\x7f\\#]", value):
        return "has a blank, a # or another character that no address has"
    # The id stands behind the host: no task may choose whom it is asked from.
    host = re.match(r"https?://([^/?]*)/|/(?!/)", value)
    is_good = host is not None and re.search(r"@|{id}", host.group(1) or "") is None
    return "" if is_good else "must begin with one / (below the base URL), or be an address of the same host"
