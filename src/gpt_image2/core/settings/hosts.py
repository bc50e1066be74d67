"""What a probe has learnt about a base URL, kept in the state folder until it is forgotten.

One private JSON file holds all hosts. A file that cannot be read counts as empty: it is only a memory.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Optional, cast

from ..base.record import Record
from ..outputs.ours import read_ours

HOSTS_FILE = "hosts.json"


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


def load_facts(state_folder: Path, base_url: str) -> Optional[HostFacts]:
    entry = read_hosts(state_folder).get(base_url)
    if not isinstance(entry, dict):
        return None
    known = HostFacts.__match_args__
    values: Dict[str, Any] = {"probed_on": ""}
    values.update((name, value) for name, value in cast(Dict[str, Any], entry).items() if name in known)
    return HostFacts(**values)


def read_hosts(state_folder: Path) -> Dict[str, Any]:
    """What is known of each base URL, as it is in the file."""
    try:
        content: Any = json.loads(read_ours(state_folder / HOSTS_FILE).decode("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast(Dict[str, Any], content) if isinstance(content, dict) else {}
