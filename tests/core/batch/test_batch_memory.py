"""However long the jobs file is, a batch holds only a little of it at once."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Tuple

import pytest
from batching import Painter, command, out_of, write_jobs
from harness import Home
from processes import measured

MIB = 1 << 20
SHORT, LONG = 5_000, 30_000

pytestmark = [pytest.mark.skipif(os.name == "nt", reason="wait4"), pytest.mark.timeout(600)]


def peak(home: Home, *args: str, base_url: str = "http://127.0.0.1:9/v1") -> Tuple[Any, int]:
    """The object that a run prints, and the most bytes that it held."""
    peak_kb, run = measured(home, base_url, *args)
    assert run.code == 0, run.stderr
    return json.loads(run.stdout), peak_kb * 1024


def long_file(home: Home, lines: int) -> Path:
    """Jobs of about 600 bytes each."""
    path = home.cwd / "jobs.jsonl"
    with open(str(path), "w", encoding="utf-8") as file:
        for number in range(lines):
            prompt = f"picture {number if number % 2 else 0}" + " and more" * 60
            file.write(json.dumps({"prompt": prompt, "quality": "low"}) + "\n")
    return path


def test_six_times_the_jobs_take_no_more_memory(home: Home) -> None:
    """Half of them ask for the same again, which has to be counted."""
    peaks = []
    for lines in (SHORT, LONG):
        path = long_file(home, lines)
        outcome, most = peak(home, *command(path, "--dry-run"))
        assert outcome["jobs"] == outcome["images"] == lines
        peaks.append(most)
    print([most // MIB for most in peaks])
    assert peaks[1] - peaks[0] < 5 * MIB


def test_an_old_contact_sheet_of_any_size_is_not_read(home: Home, painter: Painter) -> None:
    peaks = []
    for size in (0, 64 * MIB):
        path = write_jobs(home, "a cat")
        peak(home, *command(path), base_url=painter.base_url)
        with open(str(out_of(home) / "index.html"), "ab") as sheet:
            sheet.truncate(sheet.tell() + size)
        peaks.append(peak(home, *command(path), base_url=painter.base_url)[1])
    assert peaks[1] - peaks[0] < 10 * MIB
