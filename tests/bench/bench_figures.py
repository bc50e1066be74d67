"""A fixed outcome of the benchmark, with every kind of row in it."""

from __future__ import annotations

from bench.results import Ceiling, Ending, HostileRow, Measurement, Results, RowResult, Wanted

MIB = 1 << 20

FIGURES = Results(
    date="2026-11-22 12:00 UTC",
    quick=False,
    took_s=250.0,
    machine={"processor": "a processor, 2 cores", "python": "3.11.7"},
    labels={
        "curl": "bare `curl`",
        "python-curl": "`python3 -c pass`, then `curl`",
        "installed": "**ours**",
        "rust": "the Rust program",
        "sdk": "the SDK",
    },
    versions={
        "curl": "7.88.1",
        "python-curl": "3.11.7",
        "installed": "0.1.0",
        "rust": "0.7.4",
        "sdk": "3.54.0",
    },
    ceilings=[Ceiling("row 1: one small image", 2_000_000, 0.004)],
    rows=[
        RowResult(
            "1",
            "One small image",
            "`generate`, one image.",
            "python-curl",
            [
                Measurement("python-curl", [0.02, 0.04, 0.03], [0.016, 0.016, 0.017], [10 * MIB], [6 * MIB]),
                Measurement("installed", [0.05, 0.06, 0.06], [0.04, 0.05, 0.04], [30 * MIB], [16 * MIB]),
                Measurement("rust", [], [], problem="exit 1: it | failed\nand more"),
                Measurement("sdk", [0.9, 1.2, 1.0], [0.5, 0.5, 0.6], [57 * MIB], [47 * MIB]),
            ],
        ),
        RowResult(
            "5",
            "Many calls",
            "256 calls.",
            "curl",
            [
                Measurement("curl", [4.4], [2.56]),
                Measurement("installed", [5.0], [5.12], [300 * MIB], [100 * MIB]),
            ],
            ideal_s=4.0,
            calls=256,
        ),
        RowResult(
            "6-help",
            "`--help`",
            "Nothing is sent.",
            "python-curl",
            [Measurement("python-curl", [0.01], [0.009]), Measurement("installed", [0.014], [0.012])],
        ),
    ],
    hostile=[
        HostileRow(
            "cut-last",
            "the connection is cut",
            Wanted(1, 2, 9, "yes"),
            [
                Ending("installed", 1, 2, 2, 0, 9, "yes"),
                Ending("rust", 1, 2, 0, 0, 1),
                Ending("sdk", 3, 6, 0, 0, 1),
            ],
        ),
        HostileRow(
            "empty",
            "`data: []`",
            Wanted(1, 0, 6),
            [
                Ending("installed", 1, 0, 0, 0, 1, "maybe"),
                Ending("rust", 1, 0, 0, 0, 1),
                Ending("sdk", 1, 0, 0, 0, 0),
            ],
        ),
    ],
    missing=["npm is not installed"],
)

EXPLANATIONS = """\
# Why

## 1-installed
Because of this.

## 2-memory
Never shown: it was not measured.

## 6-help
Never shown: it is met.
"""
