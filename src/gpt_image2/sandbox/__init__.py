"""An offline Images API on loopback, for people without a key, for tests and for agents that rehearse.

Below `/v1` it speaks Images, Models, Files and Batches; below `/fault/NAME/v1` the same with a fault. What a
test needs to know and to move is below `/_sandbox`: `log`, `reset` and `clock`; no key belongs there.

`main` is the command, `serve_in_thread` the same server inside a program. Importing this package is cheap:
the web server and the drawing library (the extra `sandbox`) are imported when a server is
started.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

from .settings import Limits, Settings

__all__ = ["Limits", "Settings", "main", "serve_in_thread"]


def main(argv: list[str] | None = None) -> int:
    """Run the sandbox command until it is interrupted; returns its exit code."""
    from .server import main as run

    return run(argv)


def serve_in_thread(latency_s: float = 0.3, settings: Settings | None = None) -> AbstractContextManager[str]:
    """A running sandbox: yields its base URL (`http://127.0.0.1:PORT/v1`) and stops the server at exit.

    `latency_s` is how long one call takes, in seconds; 0 answers at once. `settings` are for the rest.
    """
    from .server import serve_in_thread as serve

    return serve(latency_s, settings)
