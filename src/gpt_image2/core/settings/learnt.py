"""Keeps what a probe has learnt about a base URL, and forgets it."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any, Dict

from ..outputs.files import private_turn, write_private_file
from .hosts import HOSTS_FILE, HostFacts, read_hosts


def today() -> str:
    return time.strftime("%Y-%m-%d")


def save_facts(state_folder: Path, base_url: str, facts: HostFacts) -> None:
    with private_turn(state_folder / HOSTS_FILE):
        _write(state_folder, {**read_hosts(state_folder), base_url: vars(facts)})


def forget_facts(state_folder: Path, base_url: str) -> bool:
    """Forgets a base URL; False when nothing was known of it."""
    if base_url not in read_hosts(state_folder):
        return False
    with private_turn(state_folder / HOSTS_FILE):
        everything = read_hosts(state_folder)
        everything.pop(base_url, None)
        _write(state_folder, everything)
    return True


def _write(state_folder: Path, everything: Dict[str, Any]) -> None:
    text = json.dumps(everything, indent=2, ensure_ascii=False) + "\n"
    write_private_file(state_folder / HOSTS_FILE, text)
