"""A user of the skill, with a home folder of their own."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from harness import Home, Run


class User(Home):
    """A user with a home folder and an empty working folder of their own, whose API is at `base_url`."""

    def __init__(self, root: Path, base_url: str) -> None:
        super().__init__(root)
        self.env["GPT_IMAGE2_BASE_URL"] = base_url

    def install_skill(self, *args: str, env: Mapping[str, str] | None = None) -> Run:
        return self.run_program(sys.executable, "-m", "gpt_image2", "install-skill", *args, env=env)
