"""What a run of the benchmark found, as data: what is written to results.json and what the report reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median, quantiles
from typing import Any

#: How many images each run of the hostile table asks for.
IMAGES = 3


@dataclass(frozen=True)
class Measurement:
    """The runs of one contestant in one row, in the order of the rounds."""

    contestant: str
    wall_s: Sequence[float]
    cpu_s: Sequence[float]
    peak_rss_bytes: Sequence[int] = ()
    peak_pss_bytes: Sequence[int] = ()
    largest_process_bytes: int = 0
    problem: str = ""

    @property
    def spread_s(self) -> tuple[float, float]:
        """The middle half of the wall times: its ends."""
        if len(self.wall_s) < 3:
            return min(self.wall_s), max(self.wall_s)
        first, _, third = quantiles(self.wall_s, n=4, method="inclusive")
        return first, third


@dataclass(frozen=True)
class RowResult:
    """One row. `floor` is whose wall times the others are divided by; `ideal_s` a floor by arithmetic."""

    key: str
    title: str
    note: str
    floor: str
    measurements: Sequence[Measurement]
    ideal_s: float = 0.0
    calls: int = 1

    def of(self, contestant: str) -> Measurement | None:
        """The measurement of one contestant, where it took part and did what was asked."""
        found = (each for each in self.measurements if each.contestant == contestant)
        return next((each for each in found if not each.problem and each.wall_s), None)


@dataclass(frozen=True)
class Ending:
    """How one contestant came out of one fault. `broken` are files called images that hold none."""

    contestant: str
    hits: int
    delivered: int
    saved: int
    broken: int
    exit_code: int
    billed: str = ""


@dataclass(frozen=True)
class Wanted:
    """How a good client comes out of a fault; an exit code of None and an empty `billed` want nothing."""

    hits: int
    saved: int
    exit_code: int | None = None
    billed: str = ""

    def agrees(self, ending: Ending) -> bool:
        """Whether somebody came out so."""
        return (
            (ending.hits, ending.saved, ending.broken) == (self.hits, self.saved, 0)
            and self.exit_code in (None, ending.exit_code)
            and self.billed in ("", ending.billed)
        )


@dataclass(frozen=True)
class HostileRow:
    """One fault, what is wanted, and who came out of it how."""

    fault: str
    does: str
    wanted: Wanted
    endings: Sequence[Ending]


@dataclass(frozen=True)
class Ceiling:
    """What the server can do, by bare curl into nothing."""

    what: str
    size_bytes: int
    wall_s: float


@dataclass(frozen=True)
class Results:
    """Everything that one run found. `labels` and `versions` are by contestant."""

    date: str
    quick: bool
    took_s: float
    machine: Mapping[str, str]
    labels: Mapping[str, str]
    versions: Mapping[str, str]
    ceilings: Sequence[Ceiling] = ()
    rows: Sequence[RowResult] = ()
    hostile: Sequence[HostileRow] = ()
    missing: Sequence[str] = field(default_factory=tuple)

    def row(self, key: str) -> RowResult | None:
        """A row, where it was run."""
        return next((row for row in self.rows if row.key == key), None)


def paired_ratio(one: Measurement, other: Measurement) -> float:
    """The median over the rounds of one wall time over the other's in the same round."""
    return median(mine / theirs for mine, theirs in zip(one.wall_s, other.wall_s, strict=True))


def write_json(results: Results, path: Path) -> None:
    """Keeps all raw figures."""
    path.write_text(json.dumps(asdict(results), indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> Results:
    """What was kept."""
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    data["ceilings"] = [Ceiling(**each) for each in data["ceilings"]]
    data["rows"] = [_row(row) for row in data["rows"]]
    data["hostile"] = [_hostile_row(row) for row in data["hostile"]]
    return Results(**data)


def _row(data: dict[str, Any]) -> RowResult:
    data["measurements"] = [Measurement(**each) for each in data["measurements"]]
    return RowResult(**data)


def _hostile_row(data: dict[str, Any]) -> HostileRow:
    data["wanted"] = Wanted(**data["wanted"])
    data["endings"] = [Ending(**each) for each in data["endings"]]
    return HostileRow(**data)
