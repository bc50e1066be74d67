"""`cost --compare`: what one request would cost by every model and quality, as a table."""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Tuple

from ..api.cost import CostEstimate
from ..api.models import FAMILY, MODELS, QUALITIES, Prices
from ..api.request import ImageRequest
from ..base.outcome import ExitCode
from ..base.record import replace
from ..telling.as_json import estimate_json
from ..telling.in_words import cost_in_words
from ..telling.output import Output
from ..telling.tables import line_of, table

_NO_SUCH_QUALITY = "-"


def run_compare(asked: ImageRequest, prices: Mapping[str, Prices], discount: float, output: Output) -> int:
    """Prints the table; a model or quality that is asked for makes it one of that alone."""
    others = [name for name in prices if name not in FAMILY]
    names = [asked.model] if asked.model else [*(model.names[0] for model in MODELS), *others]
    qualities = QUALITIES[1:] if asked.quality in (None, "auto") else (asked.quality,)
    rows = {name: _costs(replace(asked, model=name), qualities, prices, discount) for name in names}
    cells = [["", *qualities]]
    for name, costs in rows.items():
        cells.append([name, *(_in_words(costs, quality) for quality in qualities)])
    for line in table(cells, has_head=True):
        output.result(line)
    notes = {name: what_is_reported(name) for name in rows}
    for note in dict.fromkeys(filter(None, notes.values())):
        output.result(line_of([note]))
    output.finish(
        {
            "ok": True,
            "command": "cost",
            "size": asked.effective_size,
            "n": asked.count,
            "batch": discount != 1.0,
            "models": [
                {
                    "model": name,
                    "cost_usd": {quality: estimate_json(cost) for quality, cost in costs.items()},
                    "note": notes[name],
                }
                for name, costs in rows.items()
            ],
        }
    )
    return int(ExitCode.OK)


def what_is_reported(model: str) -> str:
    """What there is to say of the cost of a model whose tokens nobody has published; empty for another."""
    known = FAMILY.get(model)
    if known is None or known.token_factors is not None:
        return ""
    return (
        f"{model}: no formula is published, `usage` tells the cost; reported are the tokens of gpt-image-2.5 "
        "from high on, and 3 to 4 times those at low and medium"
    )


def _costs(
    request: ImageRequest, qualities: Tuple[str, ...], prices: Mapping[str, Prices], discount: float
) -> Dict[str, Optional[CostEstimate]]:
    """The cost of each quality that the model takes; None where it is not known."""
    known = FAMILY.get(request.model)
    costs: Dict[str, Optional[CostEstimate]] = {}
    for quality in qualities:
        if known is None or quality in known.qualities:
            estimate = replace(request, quality=quality).estimate(prices)
            costs[quality] = estimate.at(discount) if estimate else None
    return costs


def _in_words(costs: Mapping[str, Optional[CostEstimate]], quality: str) -> str:
    if quality not in costs:
        return _NO_SUCH_QUALITY
    cost = costs[quality]
    return cost_in_words(replace(cost, note="")) if cost else "unknown"
