"""A user of the skill, with a home folder of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

KEY = "sk-test-0123456789abcdefghijKEY"
TIMEOUT_S = 60.0


class User:
    """A user with a home folder and an empty working folder of their own."""

    def __init__(self, root: Path, base_url: str) -> None:
        self.home = root / "home"
        self.cwd = root / "work"
        for folder in (self.home, self.cwd):
            folder.mkdir()
        self.env = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PYTHONWARNINGS": "error",
            "NO_PROXY": "127.0.0.1",
            "GPT_IMAGE2_API_KEY": KEY,
            "GPT_IMAGE2_BASE_URL": base_url,
        }

    def run(self, *command: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.cwd,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=TIMEOUT_S,
        )

    def install_skill(
        self, *args: str, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-m", "gpt_image2", "install-skill", *args, env=env)
