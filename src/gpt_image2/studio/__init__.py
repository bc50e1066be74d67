"""The studio: a web page on this machine for making, finding and looking at pictures, over the same ledger as
the command line and the agents.

`main` is the command. Importing this package is cheap: the web server and the imaging libraries
(the extra `studio`) are imported when a studio is started. What runs in the browser is in
`page/`: plain modules, without a build step.
"""

from __future__ import annotations

__all__ = ["main"]


def main(argv: list[str] | None = None) -> int:
    """Serve until a signal comes; returns the exit code."""
    from .command import main as run

    return run(argv)
