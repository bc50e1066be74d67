"""Copy the skill folder to where an agent looks for it: the `install-skill` command."""

from __future__ import annotations

from .command import main

__all__ = ["main"]
