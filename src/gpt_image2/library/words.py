"""What core says of flags, in the words of the library: `max_cost_usd`, not `--max-cost`. Pure."""

from __future__ import annotations

import re
from typing import Match

from ..core.api.request import REQUEST_FIELDS

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
}
_SAME_NAMES = (
    *REQUEST_FIELDS,
    *("mask", "markup", "no_clobber", "save_partials", "no_wait", "retries", "retry_ambiguous", "profile"),
    *("config", "base_url", "api_key", "out_dir", "skip_invalid", "fail_fast", "max_failures", "concurrency"),
    "images_per_minute",
)
_NAMES = {**{f"--{name.replace('_', '-')}": name for name in _SAME_NAMES}, **_OTHER_NAMES}
#: A command with its flags stays as it is; so does a flag that no argument is for.
_COMMAND = (
    r"\b(?:config|doctor|resume|batch|gpt-image2)(?: [a-z]+)*(?: --[a-z][a-z-]*(?: [A-Z{/~][^ ;,)]*)?)+"
)
_FLAG = (
    r"(?<![\w-])(?P<flag>-o|--[a-z][a-z-]*)(?![\w-])(?: (?:FILE|DIR/?|USD|KEY=VALUE|[a-z]+=\w+|-(?![\w-])))?"
)
_PATTERN = re.compile(f"{_COMMAND}|{_FLAG}")


def as_arguments(text: str) -> str:
    """The text with the flags in it as keyword arguments."""
    return _PATTERN.sub(_argument, text)


def _argument(match: Match[str]) -> str:
    name = _NAMES.get(match.group("flag") or "")
    return f"`{name}`" if name else match.group()
