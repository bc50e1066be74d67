"""`python -m bench.cluster NAME [JOBS]`: writes one part of bench/CLUSTER.md."""

from __future__ import annotations

import os
import platform
import re
import sys
from pathlib import Path

from . import kills, limits, overhead

RESULTS = Path(__file__).parents[1] / "CLUSTER.md"
_PARTS = {
    "kills": ("Workers that are killed", kills.run, 2000),
    "limits": ("One sum and one pace", limits.run, 400),
    "overhead": ("What a job costs beyond its call", overhead.run, 1000),
}


def main(words: list[str]) -> int:
    """Runs what is named."""
    if words[:1] == ["way"]:
        kills.run_way(int(words[1]), words[2], Path(words[3]))
        return 0
    title, run, jobs = _PARTS[words[0]]
    lines = run(int(words[1]) if len(words) > 1 else jobs)
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    write_part(title, [*lines, "", f"On {machine}."])
    return 0


def write_part(title: str, lines: list[str]) -> None:
    """Puts a part in the place of the one with its title."""
    parts = re.split(r"(?m)^## ", RESULTS.read_text(encoding="utf-8"))
    new = f"{title}\n\n" + "\n".join(lines) + "\n\n"
    kept = [each for each in parts[1:] if not each.startswith(f"{title}\n")]
    text = "## ".join([parts[0], *kept, new]).rstrip() + "\n"
    RESULTS.write_text(text, encoding="utf-8")
    print("\n".join(lines))


raise SystemExit(main(sys.argv[1:]))
