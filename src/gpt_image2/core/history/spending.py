"""Adds up what requests cost, by day, model, host or quality. Pure; an unknown cost is never guessed."""

from __future__ import annotations

import json
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional

from ..base.outcome import Billed
from ..base.record import Record, replace
from ..ledger.database import Database
from ..ledger.entries import SANDBOX_HOST
from .dates import local_time

Row = Mapping[str, Any]
#: What requests can be grouped by, and how the name of a request's group is read from its row.
GROUPINGS: Mapping[str, Callable[[Row], str]] = {
    "day": lambda row: local_time(row["started_at"])[:10],
    "model": lambda row: row["model"],
    "host": lambda row: row["host"],
    "quality": lambda row: str(json.loads(row["fields"]).get("quality", "auto")),
}


class Spending(Record):
    """What a group of requests cost. `unknown_cost` counts those that were billed at a cost of which all, or
    a part, is unknown and not in the sum; `maybe_billed` those that may have been billed, also not in it."""

    name: str
    requests: int = 0
    images: int = 0
    tokens: int = 0
    cost_usd: float = 0.0
    unknown_cost: int = 0
    maybe_billed: int = 0

    def with_row(self, row: Row) -> Spending:
        usage: Mapping[str, Any] = json.loads(row["usage"]) if row["usage"] else {}
        is_partly = row["cost_usd"] is None or lacks_a_part(usage.get("svg_usage"))
        is_unknown = is_partly and row["billed"] == Billed.YES.value
        return replace(
            self,
            requests=self.requests + 1,
            images=self.images + row["images"],
            tokens=self.tokens + usage.get("total_tokens", 0),
            cost_usd=self.cost_usd + (row["cost_usd"] or 0.0),
            unknown_cost=self.unknown_cost + is_unknown,
            maybe_billed=self.maybe_billed + (row["billed"] == Billed.MAYBE.value),
        )


def lacks_a_part(svg_usage: Optional[Mapping[str, Any]]) -> bool:
    """Whether the author of an SVG has cost what nobody knows."""
    return svg_usage is not None and svg_usage.get("cost_usd") is None


def spending_rows(database: Database, since: Optional[str]) -> List[Row]:
    """What is needed of each request from a moment on, oldest first."""
    return list(
        database.rows(
            "SELECT started_at, base_url, host, model, fields, billed, cost_usd, usage,"
            " (SELECT COUNT(*) FROM images WHERE request = requests.id) AS images"
            " FROM requests WHERE started_at >= ? ORDER BY started_at",
            (since or "",),
        )
    )


def sum_of(rows: Iterable[Row], name: str) -> Spending:
    total = Spending(name)
    for row in rows:
        total = total.with_row(row)
    return total


def sums_by(rows: Iterable[Row], by: str) -> List[Spending]:
    groups: Dict[str, Spending] = {}
    for row in rows:
        name = GROUPINGS[by](row)
        groups[name] = groups.get(name, Spending(name)).with_row(row)
    return [groups[name] for name in sorted(groups)]


def is_rehearsal(row: Row) -> bool:
    """Whether the sandbox has answered: that is no real money. A gateway on this machine charges some."""
    return row["host"] == SANDBOX_HOST
