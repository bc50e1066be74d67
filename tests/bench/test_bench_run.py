from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from bench.__main__ import bench, chosen
from bench.contestants import Contestant, Job, offline
from bench.hostile import HOSTILITIES, measure_hostile, sandbox
from bench.rows import ROWS, Row, measure_row
from bench.server import Answer, serving

TINY = 30_000


def tiny(row: Row) -> Row:
    """The same row, run once, with small images and few calls."""
    answer = row.answer and replace(row.answer, image_bytes=TINY, latency_s=row.answer.latency_s / 10)
    calls, concurrency = (4, 2) if row.calls > 1 else (1, 1)
    return replace(
        row,
        rounds=1,
        memory_rounds=1,
        answer=answer,
        inputs=min(row.inputs, 2),
        input_bytes=TINY,
        calls=calls,
        concurrency=concurrency,
    )


def test_every_row_runs_offline_and_everybody_brings_what_was_asked() -> None:
    results = bench(offline(), [], [tiny(row) for row in ROWS], hostile=False)
    assert [row.key for row in results.rows] == [row.key for row in ROWS]
    for row in results.rows:
        assert {each.problem for each in row.measurements} == {""}
        assert all(len(each.wall_s) == 1 and each.wall_s[0] > 0 for each in row.measurements)
    took_part = {row.key: {each.contestant for each in row.measurements} for row in results.rows}
    assert took_part["1"] == {"curl", "python-curl", "script"}
    assert took_part["6-help"] == {"python-curl", "script"}
    assert results.ceilings


def test_our_script_comes_out_of_a_cut_connection_as_wanted(tmp_path: Path) -> None:
    cut = [each for each in HOSTILITIES if each.fault in ("cut-last", "empty")]
    with sandbox() as url:
        rows = measure_hostile(offline(), url, tmp_path, cut)
    for row in rows:
        (ending,) = row.endings
        assert row.wanted.agrees(ending), ending


def test_a_run_that_brings_too_little_does_not_count(tmp_path: Path) -> None:
    def lazy(job: Job) -> list[list[str]]:
        return [[sys.executable, "-c", f"open({str(job.out / 'x.png')!r}, 'w').write('no picture')"]]

    row = tiny(ROWS[0])
    assert isinstance(row.answer, Answer)
    with serving([row.answer]) as server:
        result = measure_row(row, [Contestant("lazy", "lazy", "1", {"generate": lazy})], server, tmp_path)
    (measurement,) = result.measurements
    assert measurement.problem.startswith("0 of 1 files")
    assert not measurement.wall_s


@pytest.mark.parametrize("numbers", [None, ["2"], ["6", "7"]])
def test_rows_are_chosen_by_number(numbers: list[str] | None) -> None:
    rows = chosen(numbers, is_quick=True)
    wanted = {row.key.split("-")[0] for row in ROWS} if numbers is None else {"2", "6"} & set(numbers)
    assert {row.key.split("-")[0] for row in rows} == wanted
    assert all(row.rounds <= 5 for row in rows)
