"""What a probe has learnt about a base URL, kept in the state folder until it is forgotten.

One private JSON file holds all hosts. A file that cannot be read counts as empty: it is only a memory.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Dict, Optional, cast

from ..base.record import Record
from ..outputs.files import write_private_file
from ..outputs.ours import read_ours

_FILE_NAME = "hosts.json"


class HostFacts(Record):
    """What one base URL really does. None means: the probe could not tell.

    `image_field` is the multipart name for several images. `answers` is `b64_json` or `url`, `tasks` whether
    a task comes first.
    """

    probed_on: str
    answers: Optional[str] = None
    streams: Optional[bool] = None
    format_field: Optional[str] = None
    image_field: Optional[str] = None
    honours_size: Optional[bool] = None
    edits: Optional[bool] = None
    refusal: Optional[str] = None
    tasks: Optional[bool] = None


def today() -> str:
    return time.strftime("%Y-%m-%d")


def load_facts(state_folder: Path, base_url: str) -> Optional[HostFacts]:
    entry = _read(state_folder).get(base_url)
    if not isinstance(entry, dict):
        return None
    known = HostFacts.__match_args__
    values: Dict[str, Any] = {"probed_on": ""}
    values.update((name, value) for name, value in cast(Dict[str, Any], entry).items() if name in known)
    return HostFacts(**values)


def save_facts(state_folder: Path, base_url: str, facts: HostFacts) -> None:
    _write(state_folder, {**_read(state_folder), base_url: vars(facts)})


def forget_facts(state_folder: Path, base_url: str) -> bool:
    """Forgets a base URL; False when nothing was known of it."""
    everything = _read(state_folder)
    if base_url not in everything:
        return False
    del everything[base_url]
    _write(state_folder, everything)
    return True


def _read(state_folder: Path) -> Dict[str, Any]:
    try:
        content: Any = json.loads(read_ours(state_folder / _FILE_NAME).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast(Dict[str, Any], content) if isinstance(content, dict) else {}


def _write(state_folder: Path, everything: Dict[str, Any]) -> None:
    text = json.dumps(everything, indent=2, ensure_ascii=False) + "\n"
    write_private_file(state_folder / _FILE_NAME, text)
