"""The targets, one table, and whether a run met them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

from .results import Results, paired_ratio

_MIB = 1024 * 1024

#: From the results to the measured figure; None where a row or a contestant is missing.
Metric = Callable[[Results], "float | None"]


@dataclass(frozen=True)
class Target:
    """One promise. It is met when the measured figure is at most `limit`, or at least it with `at_least`."""

    key: str
    text: str
    unit: str
    limit: float
    metric: Metric
    at_least: bool = False
    below: bool = False


@dataclass(frozen=True)
class Verdict:
    """A target and what was measured; None: it could not be."""

    target: Target
    measured: float | None

    @property
    def is_met(self) -> bool:
        """Whether the target was reached."""
        if self.measured is None:
            return False
        if self.target.at_least:
            return self.measured >= self.target.limit
        return self.measured < self.target.limit or (
            self.measured == self.target.limit and not self.target.below
        )


def wall_over(row: str, contestant: str, other: str) -> Metric:
    """The median of the ratios of wall times, round by round."""

    def metric(results: Results) -> float | None:
        found = results.row(row)
        one = found.of(contestant) if found else None
        base = found.of(other) if found else None
        return paired_ratio(one, base) if one and base else None

    return metric


def wall_over_ideal(row: str, contestant: str) -> Metric:
    """The median wall time over the time of calls that cost nothing but their latency."""

    def metric(results: Results) -> float | None:
        found = results.row(row)
        one = found.of(contestant) if found else None
        return median(one.wall_s) / found.ideal_s if found and one else None

    return metric


def memory_mib(row: str, contestant: str) -> Metric:
    """The highest peak of the tree's RSS, of all runs."""

    def metric(results: Results) -> float | None:
        found = results.row(row)
        one = found.of(contestant) if found else None
        return max(one.peak_rss_bytes) / _MIB if one and one.peak_rss_bytes else None

    return metric


def hostile_as_wanted(contestant: str) -> Metric:
    """How many faults end otherwise than wanted."""

    def metric(results: Results) -> float | None:
        endings = [
            (ending, row.wanted)
            for row in results.hostile
            for ending in row.endings
            if ending.contestant == contestant
        ]
        if not endings:
            return None
        return sum(not wanted.agrees(ending) for ending, wanted in endings)

    return metric


_START = "`python3 -c pass` + `curl`"

TARGETS = (
    Target(
        "1-installed",
        f"Row 1, wall: the installed command over {_START}",
        "×",
        1.6,
        wall_over("1", "installed", "python-curl"),
    ),
    Target(
        "1-script",
        f"Row 1, wall: the script as a file over {_START}",
        "×",
        2.2,
        wall_over("1", "script", "python-curl"),
    ),
    Target(
        "1-sdk",
        "Row 1, wall: the SDK over the installed command",
        "×",
        4.0,
        wall_over("1", "sdk", "installed"),
        at_least=True,
    ),
    Target("2-memory", "Row 2, memory: the installed command", "MiB", 40, memory_mib("2", "installed")),
    Target("2-memory-script", "Row 2, memory: the script as a file", "MiB", 40, memory_mib("2", "script")),
    Target(
        "2-rust",
        "Row 2, wall: the installed command over the Rust program",
        "×",
        1.0,
        wall_over("2", "installed", "rust"),
        below=True,
    ),
    Target(
        "2-curl",
        "Row 2, wall: the installed command over bare `curl` (an aim)",
        "×",
        1.25,
        wall_over("2", "installed", "curl"),
    ),
    Target("3-memory", "Row 3, memory: the installed command", "MiB", 40, memory_mib("3", "installed")),
    Target("3-memory-script", "Row 3, memory: the script as a file", "MiB", 40, memory_mib("3", "script")),
    Target(
        "3-curl",
        "Row 3, wall: the installed command over `curl -F`",
        "×",
        1.2,
        wall_over("3", "installed", "curl"),
    ),
    Target("5-ideal", "Row 5, wall: ours over ideal", "×", 1.2, wall_over_ideal("5", "installed")),
    Target(
        "6-help",
        "Row 6, `--help`: the installed command over `python3 -c pass`",
        "×",
        1.5,
        wall_over("6-help", "installed", "python-curl"),
        below=True,
    ),
    Target(
        "6-version",
        "Row 6, `--version`: the installed command over `python3 -c pass`",
        "×",
        1.5,
        wall_over("6-version", "installed", "python-curl"),
        below=True,
    ),
    Target(
        "7-hostile",
        "Row 7: faults that end otherwise than wanted",
        "",
        0,
        hostile_as_wanted("installed"),
    ),
)


def judge(results: Results) -> list[Verdict]:
    """Every target with what was measured."""
    return [Verdict(target, target.metric(results)) for target in TARGETS]
