"""What one studio is started with, as frozen data. Made by the command line."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gpt_image2.core.calls.client import DEFAULT_TIMEOUT_S


@dataclass(frozen=True)
class StudioSettings:
    """The settings of one studio. `config`, `profile`, `base_url` and `api_key` are like the CLI's flags.

    New pictures go into `output_dir`; `state_dir` has the ledger, the stars and collections, and a folder of
    the studio's own for thumbnails and inputs. `max_cost_usd` bounds what all calls of this studio may cost
    together; None is no bound.
    """

    output_dir: Path
    state_dir: Path
    max_cost_usd: float | None = None
    config: str | None = None
    profile: str | None = None
    base_url: str | None = None
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = DEFAULT_TIMEOUT_S

    @property
    def own_dir(self) -> Path:
        """What only the studio writes: thumbnails and inputs, which can be made again."""
        return self.state_dir / "studio"

    @property
    def collected_path(self) -> Path:
        """The file of stars and collections, which nothing can make again."""
        return self.state_dir / "collections.json"
