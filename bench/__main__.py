"""`python -m bench`: makes the environments, runs the rows, prints the report and keeps it."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from . import machine
from .contestants import KEY, Contestant, everybody, offline
from .environments import CACHE, ROOT
from .hostile import measure_hostile, sandbox
from .measure import run
from .report import parse_explanations, render
from .results import Ceiling, HostileRow, Results, RowResult, read_json, write_json
from .rows import ROWS, Row, environment, measure_row, quick
from .server import Serving, serving

_RESULTS = ROOT / "bench" / "RESULTS.md"
_FIGURES = ROOT / "bench" / "results.json"
_EXPLANATIONS = ROOT / "bench" / "explanations.md"
_CEILING_ROUNDS = 5
_HOSTILE = "7"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure everybody side by side.")
    parser.add_argument("--quick", action="store_true", help="few rounds, under two minutes; keeps nothing")
    parser.add_argument("--rows", help="only these, for example 1,2,7; keeps nothing")
    parser.add_argument("--offline", action="store_true", help="only curl, this Python and our script")
    parser.add_argument(
        "--report", action="store_true", help="render bench/results.json again, measure nothing"
    )
    options = parser.parse_args(argv)
    if options.report:
        _RESULTS.write_text(_render(read_json(_FIGURES)), encoding="utf-8")
        return 0
    numbers = options.rows.split(",") if options.rows else None
    contestants, missing = (offline(), []) if options.offline else everybody()
    results = bench(
        contestants, missing, chosen(numbers, options.quick), options.quick, _wants_hostile(numbers)
    )
    text = _render(results)
    print(text)
    if not (options.quick or options.rows or options.offline):
        write_json(results, _FIGURES)
        _RESULTS.write_text(text, encoding="utf-8")
        print(f"Wrote {_RESULTS.relative_to(ROOT)} and {_FIGURES.relative_to(ROOT)}", file=sys.stderr)
    else:
        CACHE.mkdir(parents=True, exist_ok=True)
        write_json(results, CACHE / "last.json")
    return 0


def chosen(numbers: Sequence[str] | None, is_quick: bool) -> list[Row]:
    """The rows of these numbers, all without any; with fewer rounds when quick."""
    rows = [row for row in ROWS if numbers is None or row.key.split("-")[0] in numbers]
    return [quick(row) for row in rows] if is_quick else rows


def bench(
    contestants: Sequence[Contestant],
    missing: Sequence[str],
    rows: Sequence[Row],
    is_quick: bool = False,
    hostile: bool = True,
) -> Results:
    """Measures the rows, in a folder in memory where there is one."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gpt-image2-bench-", dir=_memory_folder()) as name:
        folder = Path(name)
        facts = machine.describe(folder)
        answers = [row.answer for row in rows if row.answer is not None]
        measured: list[RowResult] = []
        ceilings: list[Ceiling] = []
        if rows:
            with serving(answers) as server:
                ceilings = [_ceiling(row, server, folder) for row in rows if row.answer and row.calls == 1]
                for row in rows:
                    _say(f"row {row.key}: {row.title}")
                    measured.append(measure_row(row, contestants, server, folder))
        troubles: list[HostileRow] = []
        if hostile:
            _say("row 7: hostile servers")
            with sandbox() as url:
                troubles = measure_hostile(contestants, url, folder)
    return Results(
        date=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        quick=is_quick,
        took_s=round(time.monotonic() - started, 1),
        machine=facts,
        labels={each.key: each.label for each in contestants},
        versions={each.key: each.version for each in contestants},
        ceilings=ceilings,
        rows=measured,
        hostile=troubles,
        missing=tuple(missing),
    )


def _wants_hostile(numbers: Sequence[str] | None) -> bool:
    return numbers is None or _HOSTILE in numbers


def _ceiling(row: Row, server: Serving, folder: Path) -> Ceiling:
    """How fast bare curl gets a row's answer when it throws it away."""
    assert row.answer is not None
    command = ["curl", "-q", "-sS", "-f", "-H", f"Authorization: Bearer {KEY}", "-d", "{}", "-o", "/dev/null"]
    command.append(f"{server.url}/{row.answer.name}/v1/images/generations")
    env = environment(folder / "ceiling")
    walls = [run([command], env, folder).wall_s for _ in range(_CEILING_ROUNDS)]
    what = f"row {row.key}: {row.title.lower()}"
    return Ceiling(what, server.answer_bytes[row.answer.name], round(median(walls), 6))


def _memory_folder() -> str | None:
    """A folder in memory, so that no disk is measured; None where there is none."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def _render(results: Results) -> str:
    text = _EXPLANATIONS.read_text(encoding="utf-8") if _EXPLANATIONS.exists() else ""
    return render(results, parse_explanations(text))


def _say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
