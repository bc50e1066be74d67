"""The tables of `cost`: what a request would cost by every model (`--compare`), in every size of a ratio
(`--sizes`)."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional, Tuple

from ..api.cost import CostEstimate
from ..api.covering import sizes_of_ratio
from ..api.models import FAMILY, MODELS, QUALITIES, Prices
from ..api.request import ImageRequest
from ..api.sizes import EXPERIMENTAL_PIXELS, MAX_RATIO, parse_size, resolve_size
from ..base.errors import UsageError
from ..base.outcome import ExitCode
from ..base.record import replace
from ..telling.amounts import cost_in_words, estimate_json
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


def run_sizes(
    asked: ImageRequest, ratio: str, prices: Mapping[str, Prices], discount: float, output: Output
) -> int:
    """Prints what a request costs in the legal sizes of a ratio, from small to large."""
    names = _names_of_sizes(ratio)
    across, down = _parts(ratio)
    sizes = {*sizes_of_ratio(across / down), *filter(None, map(parse_size, names))}
    known = FAMILY.get(asked.model)
    qualities = tuple(each for each in QUALITIES[1:] if known is None or each in known.qualities)
    if asked.quality not in (None, "auto"):
        qualities = (str(asked.quality),)
    rows: List[Dict[str, object]] = []
    lines = [["size", "megapixels", *qualities, ""]]
    for width, height in sorted(sizes, key=lambda size: size[0] * size[1]):
        size = f"{width}x{height}"
        costs = _costs(replace(asked, size=size), qualities, prices, discount)
        notes = [f"--size {names[size]}"] if size in names else []
        notes += ["experimental"] * (width * height > EXPERIMENTAL_PIXELS)
        cells = (_in_words(costs, quality) for quality in qualities)
        lines.append([size, f"{width * height / 1e6:.2f}", *cells, ", ".join(notes)])
        rows.append(
            {
                "size": size,
                "name": names.get(size),
                "cost_usd": {quality: estimate_json(cost) for quality, cost in costs.items()},
            }
        )
    for line in table(lines, right=(1,), has_head=True):
        output.result(line)
    output.finish(
        {
            "ok": True,
            "command": "cost",
            "model": asked.model,
            "ratio": ratio,
            "n": asked.count,
            "batch": discount != 1.0,
            "sizes": rows,
        }
    )
    return int(ExitCode.OK)


def _names_of_sizes(ratio: str) -> Dict[str, str]:
    """The sizes that have a name by their ratio, and the name."""
    tiers = (ratio, f"{ratio}@2k", f"{ratio}@4k") if ":" in ratio else ()
    return {str(resolve_size(tier)): tier for tier in reversed(tiers)}


def _parts(ratio: str) -> Tuple[int, int]:
    """Across and down of `16:9`, or of a size.

    Raises:
        UsageError: it is neither, or longer than the API paints.
    """
    parts = parse_size(ratio.replace(":", "x"))
    if parts is None or min(parts) < 1 or max(parts) > MAX_RATIO * min(parts):
        raise UsageError(
            f"--sizes {ratio} is no ratio from 1:{MAX_RATIO:.0f} to {MAX_RATIO:.0f}:1",
            hint="for example --sizes 16:9",
        )
    return parts


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
