"""What the README quotes of the results: a few figures of ours and the peers', as ratios. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from .results import HostileRow, Measurement, Results, RowResult, paired_ratio

_QUOTED = (("installed", "ours"), ("rust", "Rust CLI"), ("sdk", "official SDK"))
_MIB = 1024 * 1024
_NONE = "–"


def quote(results: Results) -> str:
    """A Markdown table; a line says when and on what it was measured."""
    rows = [_wall(results, key, what) for key, what in _WALLS]
    rows += [_memory(results, key, what) for key, what in _MEMORIES]
    rows += [_over_ideal(results), *_hostile(results.hostile)]
    head = ["", *(f"**{label}**" if key == "installed" else label for key, label in _QUOTED)]
    lines = [head, ["---", *["--:"] * len(_QUOTED)], *rows]
    table = "".join("| " + " | ".join(line) + " |\n" for line in lines)
    versions = ", ".join(f"{label} {results.versions.get(key, _NONE)}" for key, label in _QUOTED)
    return f"{table}\n{results.date}, {results.machine.get('processor', 'unknown machine')}; {versions}.\n"


_WALLS = (
    ("1", "one image of 1.5 MB: time over an empty Python and `curl`"),
    ("2", "eight images of 15 MB: time over bare `curl`"),
    ("3", "an edit with 16 inputs of 10 MB: time over bare `curl`"),
)
_MEMORIES = (("2", "eight images of 15 MB: peak memory"), ("3", "that edit: peak memory"))


def _wall(results: Results, key: str, what: str) -> list[str]:
    row = results.row(key)
    floor = row.of(row.floor) if row else None
    cells = [f"{paired_ratio(one, floor):.1f} ×" if one and floor else _NONE for one in _measured(row)]
    return [what, *cells]


def _memory(results: Results, key: str, what: str) -> list[str]:
    found = _measured(results.row(key))
    return [
        what,
        *(
            f"{max(one.peak_rss_bytes) / _MIB:,.0f} MiB" if one and one.peak_rss_bytes else _NONE
            for one in found
        ),
    ]


def _over_ideal(results: Results) -> list[str]:
    row = results.row("5")
    if row is None:
        return ["many calls at once: time over ideal", *[_NONE] * len(_QUOTED)]
    cells = [f"{median(one.wall_s) / row.ideal_s:.2f} ×" if one else _NONE for one in _measured(row)]
    return [f"{row.calls} calls of 1 s, 64 at a time: time over ideal", *cells]


def _hostile(rows: Sequence[HostileRow]) -> list[list[str]]:
    """Sums over all faults of the hostile table."""
    saved, sent = [f"{len(rows)} hostile servers: images saved of those that arrived"], ["… requests sent"]
    for key, _ in _QUOTED:
        endings = [ending for row in rows for ending in row.endings if ending.contestant == key]
        saved.append(
            f"{sum(each.saved for each in endings)} of {sum(each.delivered for each in endings)}"
            if endings
            else _NONE
        )
        sent.append(str(sum(each.hits for each in endings)) if endings else _NONE)
    return [saved, sent] if rows else []


def _measured(row: RowResult | None) -> list[Measurement | None]:
    return [row.of(key) if row else None for key, _ in _QUOTED]
