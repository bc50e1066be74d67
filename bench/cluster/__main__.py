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
    write_part(title, [*lines, "", f"On {machine}; load {os.getloadavg()[2]:.0f} of late."])
    return 0


def write_part(title: str, lines: list[str]) -> None:
    """Puts a part in the place of the one with its title."""
    parts = re.split(r"(?m)^## ", RESULTS.read_text(encoding="utf-8"))
    kept = [each.strip() for each in parts[1:] if not each.startswith(f"{title}\n")]
    told = [*kept, "\n".join([title, "", *lines])]
    RESULTS.write_text("\n\n## ".join([parts[0].strip(), *told]) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
