"""The package as pytest finds it once it is installed, whatever is installed here."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import List

import pytest

ROOT = Path(__file__).parents[2]


def as_installed(folder: Path) -> List[str]:
    """Folders for `PYTHONPATH`: the source, and what pip would note of its entry points for pytest."""
    if sys.version_info < (3, 11):
        pytest.skip("tomllib")
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (points,) = project["entry-points"].items()
    noted = folder / "noted-1.dist-info"
    noted.mkdir(parents=True)
    (noted / "METADATA").write_text("Metadata-Version: 2.1\nName: noted\nVersion: 1\n")
    lines = [f"[{points[0]}]", *(f"{name} = {place}" for name, place in points[1].items())]
    (noted / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return [str(ROOT / "src"), str(folder)]
