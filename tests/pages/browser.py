"""Opens a page from disk in Chromium, without a window. Imports nothing of the project."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from PIL import Image

TIMEOUT_S = 60.0
#: So that what the browser fetches for itself is not taken for what a page asks for.
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
)


class Browser:
    """A browser whose every request to the web goes to a proxy."""

    def __init__(self, profile: Path, proxy: str) -> None:
        self._profile = profile
        self._proxy = proxy

    def dom(self, page: Path) -> str:
        """The page after its scripts and loads, as HTML."""
        return self._run(page, "--dump-dom").decode("utf-8")

    def screenshot(self, page: Path, to: Path, width: int = 1200, height: int = 900) -> Image.Image:
        """How the page looks, in RGB."""
        self._run(page, f"--screenshot={to}", f"--window-size={width},{height}", "--hide-scrollbars")
        return Image.open(to).convert("RGB")

    def _run(self, page: Path, *flags: str) -> bytes:
        program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
        assert program, "Chromium is missing: apt-get install -y --no-install-recommends chromium"
        command = [
            program,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={self._profile}",
            f"--proxy-server={self._proxy}",
            "--proxy-bypass-list=<-loopback>",
            "--virtual-time-budget=2000",
            *_QUIET,
            *flags,
            page.as_uri(),
        ]
        env = {**os.environ, "HOME": str(self._profile.parent)}
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=TIMEOUT_S, env=env, check=False
        )
        assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
        return done.stdout
