"""What one studio is started with, as frozen data. Made by the command line."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gpt_image2.serving import CallSettings


@dataclass(frozen=True, kw_only=True)
class StudioSettings(CallSettings):
    """The settings of one studio and of its calls.

    New pictures go into `output_dir`; `state_dir` has the ledger, the stars and collections, and a folder of
    the studio's own for thumbnails and inputs.
    """

    output_dir: Path
    state_dir: Path

    @property
    def own_dir(self) -> Path:
        """What only the studio writes: thumbnails and inputs, which can be made again."""
        return self.state_dir / "studio"

    @property
    def collected_path(self) -> Path:
        """The file of stars and collections, which nothing can make again."""
        return self.state_dir / "collections.json"
