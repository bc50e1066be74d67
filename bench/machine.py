"""On what the figures were taken."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

_GIB = 1 << 30


def describe(files: Path) -> dict[str, str]:
    """The machine, its system, the programs on it, and where the files of the benchmark lie."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / _GIB:.0f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "curl": _first_line(["curl", "--version"]).split("(")[0].removeprefix("curl").strip(),
        "node": _first_line(["node", "--version"]) if shutil.which("node") else "none",
        "files": "memory (tmpfs)" if str(files).startswith("/dev/shm") else str(files),  # noqa: S108
        "load": f"{os.getloadavg()[0]:.1f} at the start",
    }


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or "unknown"
    match = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return match.group(1).strip() if match else platform.machine()


def _first_line(command: list[str]) -> str:
    text = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False).stdout
    return text.splitlines()[0].strip() if text else "none"
