"""What one server is started with, as frozen data: where it may read and write, what it may spend, whom it
calls. Made by the command line, or by a program that builds a server itself."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gpt_image2.core.calls.client import DEFAULT_TIMEOUT_S


@dataclass(frozen=True)
class ServerSettings:
    """The settings of one server. `config`, `profile`, `base_url` and `api_key` are like the CLI's flags.

    Files are written below `output_dir` only; inputs are read from there and from `allow_dirs`.
    `max_cost_usd` bounds what all calls of this server may cost together; None is no bound.
    A call that may cost more than `approve_over_usd` waits for a yes in the studio; None asks for none.
    """

    output_dir: Path
    allow_dirs: tuple[Path, ...] = ()
    max_cost_usd: float | None = None
    approve_over_usd: float | None = None
    config: str | None = None
    profile: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = DEFAULT_TIMEOUT_S
