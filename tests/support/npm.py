"""Programs and libraries for Node, installed once from the npm registry into an ignored folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

INSTALL_TIMEOUT_S = 240
NPM, NODE = shutil.which("npm"), shutil.which("node")
_FOLDER = Path(__file__).parents[1] / ".npm"


def node() -> str:
    """The program that runs Node; the test is skipped where there is none."""
    if NPM is None or NODE is None:
        if os.environ.get("CI"):
            pytest.fail("Node and npm are not installed")
        pytest.skip("Node and npm are not installed")
    return NODE


def installed(package: str) -> Path:
    """The folder `node_modules` that holds a package, named with its version, and what that needs."""
    node()
    home = _FOLDER / package.replace("/", "-")
    if not home.is_dir():
        _FOLDER.mkdir(exist_ok=True)
        (_FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
        with tempfile.TemporaryDirectory(dir=_FOLDER) as folder:
            flags = ("--no-audit", "--no-fund", "--ignore-scripts")
            subprocess.run(
                [str(NPM), "install", "--prefix", folder, *flags, package],
                check=True,
                capture_output=True,
                timeout=INSTALL_TIMEOUT_S,
                cwd=folder,
            )
            with suppress(OSError):  # another worker was faster
                os.rename(folder, home)
                os.mkdir(folder)  # for the context to remove
    return home / "node_modules"
