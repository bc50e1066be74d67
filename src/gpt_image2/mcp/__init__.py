"""The Model Context Protocol server: the tools `generate_image`, `edit_image`, `estimate_cost`, `get_image`.

`main` is the command. Importing this package is cheap: the SDK (the extra `mcp`) is imported
when a server is started.
"""

from __future__ import annotations

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Serve until the client goes away or a signal comes; returns the exit code."""
    from .command import main as run

    return run(argv)
