"""What one server is started with, as frozen data: where it may read and write, what it may spend, whom it
calls. Made by the command line, or by a program that builds a server itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpt_image2.serving import CallSettings


@dataclass(frozen=True, kw_only=True)
class ServerSettings(CallSettings):
    """The settings of one server and of its calls.

    Files are written below `output_dir` only; inputs are read from there and from `allow_dirs`.
    A call that may cost more than `approve_over_usd` waits for a yes in the studio; None asks for none.
    """

    output_dir: Path
    allow_dirs: tuple[Path, ...] = ()
    approve_over_usd: float | None = None
