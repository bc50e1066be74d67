from __future__ import annotations

import os
from pathlib import Path

import pytest
from bench_figures import EXPLANATIONS, FIGURES

from bench.report import parse_explanations, render
from bench.results import paired_ratio, read_json, write_json
from bench.targets import TARGETS, judge

GOLDEN = Path(__file__).with_name("golden_report.md")


def test_the_report_of_fixed_figures_is_the_golden_text() -> None:
    text = render(FIGURES, parse_explanations(EXPLANATIONS))
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_figures_survive_the_way_to_json_and_back(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    write_json(FIGURES, path)
    assert render(read_json(path), {}) == render(FIGURES, {})


def test_a_ratio_is_the_median_of_the_ratios_of_each_round() -> None:
    row = FIGURES.row("1")
    assert row
    ours, floor = row.of("installed"), row.of("python-curl")
    assert ours and floor
    assert paired_ratio(ours, floor) == pytest.approx(2.0)


def test_targets_are_judged_by_their_own_direction_and_unmeasured_ones_are_not_met() -> None:
    verdicts = {verdict.target.key: verdict for verdict in judge(FIGURES)}
    assert len(verdicts) == len(TARGETS)
    assert not verdicts["1-installed"].is_met
    assert verdicts["1-sdk"].is_met
    assert verdicts["6-help"].is_met
    assert verdicts["2-memory"].measured is None
    assert not verdicts["2-memory"].is_met


def test_a_failed_contestant_takes_part_in_no_ratio() -> None:
    row = FIGURES.row("1")
    assert row
    assert row.of("rust") is None
