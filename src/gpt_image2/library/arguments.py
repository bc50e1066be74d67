"""From the keyword arguments of a call to what they are worth: every type checked, before anything else; and
what core says of flags, in the names of arguments (`max_cost_usd`, not `--max-cost`).

Pure. The table of types is that of core's request, and the one below.
"""

from __future__ import annotations

import os
import re
from typing import Any, Dict, List, Mapping, Match, Sequence, cast

from ..core.api.request import REQUEST_FIELDS
from ..core.base.errors import UsageError
from ..core.commands.picture_flags import WISH_FIELDS, WISHES

_TEXT, _WHOLE, _FLAG, _NUMBER, _PATH, _MAPPING = "text", "whole", "flag", "number", "path", "mapping"
_OF_TYPES = {str: _TEXT, int: _WHOLE, bool: _FLAG}
_KINDS: Mapping[str, str] = {
    **{name: _OF_TYPES[kind] for name, kind in REQUEST_FIELDS.items()},
    **dict.fromkeys(("prompt", "profile", "base_url", "api_key"), _TEXT),
    **{wish.name: _OF_TYPES[wish.kind] for wish in WISHES},
    **dict.fromkeys(("retries", "max_download_bytes", "concurrency", "max_failures", "input_images"), _WHOLE),
    **dict.fromkeys(("no_clobber", "save_partials", "no_wait", "retry_ambiguous"), _FLAG),
    **dict.fromkeys(("waits_for_server", "history", "skip_invalid", "fail_fast"), _FLAG),
    **dict.fromkeys(("max_cost_usd", "timeout_s", "images_per_minute"), _NUMBER),
    **dict.fromkeys(("config", "out_dir"), _PATH),
    **dict.fromkeys(("extra", "env"), _MAPPING),
}
#: What may not be None: leaving it out is what None would mean.
_REQUIRED = ("prompt", "timeout_s", "retries", "max_download_bytes", "out_dir", "concurrency")
_WANTED = {
    _TEXT: ("a text (str)", 'for example "low"'),
    _WHOLE: ("a whole number (int)", "for example 2"),
    _FLAG: ("True or False", "leave it out for the default"),
    _NUMBER: ("a number (float)", "for example 0.5"),
    _PATH: ("a path (str or os.PathLike)", "give the name of a file or folder"),
    _MAPPING: ("a mapping (dict) whose keys are texts", 'for example {"seed": 7}'),
}
_SHOWN_CHARS = 60


def read_arguments(function: str, given: Mapping[str, Any], known: Sequence[str]) -> Dict[str, Any]:
    """The arguments, each of the type that it is to have; those that are None are left out.

    Raises:
        TypeError: a name is none that the function knows.
        UsageError: a value is of another type.
    """
    for name in given:
        if name not in known:
            raise TypeError(f"{function}() has no argument {name!r}{_meant(name, known)}")
    read = {name: value_of(name, value) for name, value in given.items()}
    return {name: value for name, value in read.items() if value is not None}


def value_of(name: str, value: Any) -> Any:
    """An argument's value in its type; those without one in the table are read elsewhere."""
    kind = _KINDS.get(name)
    if kind is None or (value is None and name not in _REQUIRED):
        return value
    read = _read(kind, value)
    if read is None:
        wanted, example = _WANTED[kind]
        example = "for example a red fox" if name == "prompt" else example
        raise wrong_type(name, value, wanted, example)
    return read


def wrong_type(name: str, value: object, wanted: str, hint: str) -> UsageError:
    """The error for a value of another type than is wanted."""
    try:
        shown = repr(value)
    except Exception:  # it is not ours
        shown = ""
    said = f" {shown}" if 0 < len(shown) <= _SHOWN_CHARS and name != "api_key" else ""
    return UsageError(f"`{name}` must be {wanted}, not{said} ({type(value).__name__})", hint=hint)


def _read(kind: str, value: Any) -> Any:
    """The value in that kind, None where it is of another."""
    if kind == _TEXT:
        return str.__str__(value) if isinstance(value, str) else None  # that of an enumeration, too
    if kind == _FLAG:
        return value if isinstance(value, bool) else None
    if kind == _PATH:
        return _path(value)
    if kind == _MAPPING:
        return _mapping(value)
    if isinstance(value, (bool, str, bytes)):
        return None
    try:  # numbers of other libraries are numbers too
        return value.__index__() if kind == _WHOLE else float(value)
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None


def _path(value: Any) -> Any:
    try:
        path: object = os.fspath(cast("os.PathLike[Any]", value))
    except TypeError:
        return None
    return path if isinstance(path, str) else None


def _mapping(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return None
    fields: Dict[Any, object] = dict(cast("Mapping[Any, object]", value))
    names: List[Any] = list(fields)
    return fields if all(isinstance(name, str) for name in names) else None


def _meant(name: str, known: Sequence[str]) -> str:
    import difflib

    near: List[str] = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(known)}"


# What core says of flags

#: Arguments whose flags have other names.
_OTHER_NAMES = {
    "-o": "output",
    "--format": "output_format",
    "--compression": "output_compression",
    "--param": "extra",
    "--timeout": "timeout_s",
    "--max-download": "max_download_bytes",
    "--max-cost": "max_cost_usd",
    "--no-history": "history=False",
    "--image": "image",
    "--area": "areas",
}
_SAME_NAMES = (
    *REQUEST_FIELDS,
    *("mask", "markup", "no_clobber", "save_partials", "no_wait", "retries", "retry_ambiguous", "profile"),
    *("config", "base_url", "api_key", "out_dir", "skip_invalid", "fail_fast", "max_failures", "concurrency"),
    "images_per_minute",
    *WISH_FIELDS,
)
_NAMES = {**{f"--{name.replace('_', '-')}": name for name in _SAME_NAMES}, **_OTHER_NAMES}
#: A command with its flags stays as it is; so does a flag that no argument is for.
_COMMAND = (
    r"\b(?:config|doctor|resume|batch|gpt-image2)(?: [a-z]+)*(?: --[a-z][a-z-]*(?: [A-Z{/~][^ ;,)]*)?)+"
)
_FLAG_WORD = (
    r"(?<![\w-])(?P<flag>-o|--[a-z][a-z-]*)(?![\w-])(?: (?:FILE|DIR/?|USD|KEY=VALUE|[a-z]+=\w+|-(?![\w-])))?"
)
_PATTERN = re.compile(f"{_COMMAND}|{_FLAG_WORD}")


def as_arguments(text: str) -> str:
    """The text with the flags in it as keyword arguments."""
    return _PATTERN.sub(_argument, text)


def _argument(match: Match[str]) -> str:
    name = _NAMES.get(match.group("flag") or "")
    return f"`{name}`" if name else match.group()
