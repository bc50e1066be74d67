"""What a console's encoding does not have is written as an escape, so that no tool fails to say something."""

from __future__ import annotations

import sys


def prepare_consoles() -> None:
    """Prepares the standard streams, of which each may be closed."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")
