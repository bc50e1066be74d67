"""Checks the types of the studio's page: its modules are plain JavaScript with types in comments, which the
TypeScript compiler reads. Installs it once from npm into an ignored folder; writes nothing else.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "src" / "gpt_image2" / "studio" / "page"
TYPESCRIPT = "typescript@7.0.2"


def main() -> int:
    """Runs the compiler; its exit code. Without Node there is no check, but in CI."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        print("the types of the page are not checked: Node and npm are not installed", file=sys.stderr)
        return int(bool(os.environ.get("CI")))
    sys.path.insert(0, str(ROOT / "tests" / "support"))
    npm: Any = importlib.import_module("npm")
    compiler = npm.installed(TYPESCRIPT) / "typescript" / "bin" / "tsc"
    return subprocess.run([node, str(compiler), "--project", str(PAGE)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
