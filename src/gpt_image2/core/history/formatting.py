"""Requests of the history and sums of money, as lines for people and as JSON. Pure."""

from __future__ import annotations

from typing import Dict, List, Optional, Sequence

from ..api.cost import CostEstimate
from ..base.outcome import Billed
from ..base.redact import show
from ..ledger.derived import DerivedPicture
from ..ledger.entries import SANDBOX_HOST
from ..telling.amounts import cost_in_words
from ..telling.as_json import image_json
from ..telling.tables import line_of, table
from .dates import local_time
from .search import PastRequest
from .spending import Spending, lacks_a_part

_PROMPT_CHARS = 40


def request_json(past: PastRequest) -> Dict[str, object]:
    shown = dict(vars(past))
    code, message = shown.pop("error_code"), shown.pop("error_message")
    low, high = shown.pop("estimate_low_usd"), shown.pop("estimate_high_usd")
    return {
        **shown,
        **({"sandbox": True} if past.host == SANDBOX_HOST else {}),
        "inputs": [file.json() for file in past.inputs],
        "mask": past.mask and past.mask.json(),
        "markup": past.markup and past.markup.json(),
        "error": None if code is None else {"code": code, "message": message},
        "estimate_usd": None if low is None else {"low": low, "high": high},
        "images": [{**image_json(image), "rescued": image.rescued} for image in past.images],
        "derived": [picture.json() for picture in past.derived],
    }


def listing(requests: Sequence[PastRequest]) -> List[str]:
    return table(
        [
            [
                str(past.id),
                local_time(past.started_at),
                past.command,
                f"{past.fields.get('quality', 'auto')}/{past.fields.get('size', 'auto')}",
                past.status,
                _cost(past),
                show(past.prompt, limit=_PROMPT_CHARS),
                show((past.derived or past.images)[0].path, limit=None) if past.images else "-",
            ]
            for past in requests
        ],
        right=(0, 5),
    )


def details(past: PastRequest) -> List[str]:
    files = [("input", file) for file in past.inputs]
    files += [(name, file) for name, file in (("mask", past.mask), ("markup", past.markup)) if file]
    rows = [
        ["id", str(past.id)],
        ["time", local_time(past.started_at)],
        ["status", past.status],
        ["command", past.command],
        ["base URL", past.base_url],
        *([["sandbox", "a rehearsal: placeholders, at no cost"]] if past.host == SANDBOX_HOST else []),
        *([["profile", past.profile]] if past.profile else []),
        ["model", past.model],
        ["prompt", past.prompt],
        *([name, str(value)] for name, value in past.fields.items()),
        *([name, f"{file.path or file.source} ({file.sha256})"] for name, file in files),
        *([name, str(value)] for name, value in (past.wishes or {}).items() if name != "asked"),
        ["output", past.output],
    ]
    if past.error_code:
        rows.append(["error", f"{past.error_code}: {past.error_message}"])
    rows += [
        ["HTTP status", _or_dash(past.http_status)],
        ["request id", _or_dash(past.request_id)],
        ["attempts", str(past.attempts)],
        ["took", _or_dash(past.elapsed_s, " s")],
        ["billed", past.billed],
        ["cost", _cost(past)],
        ["estimate", _estimate(past)],
    ]
    if past.discount != 1.0:
        rows.append(["discount", str(past.discount)])
    if past.task_id:
        rows.append(["task", past.task_id])
    if past.batch_id:
        rows.append(["batch", past.batch_id])
    rows += [[name, str(count)] for name, count in (past.usage or {}).items()]
    rows += [[f"svg {name}", _or_dash(count)] for name, count in (past.svg_usage or {}).items()]
    for number, image in enumerate(past.images, 1):
        place = "rescued to " if image.rescued else ""
        size = f"{image.width}x{image.height} " if image.width else ""
        rows.append([f"image {number}", f"{place}{image.path}"])
        rows.append(["", f"{size}{image.format}, {image.size_bytes} bytes"])
        rows.append(["", f"SHA-256 {image.sha256}"])
    for picture in past.derived:
        rows += [["made of it", f"{picture.path} ({picture.method})"], ["", f"SHA-256 {picture.sha256}"]]
    return _shown(rows)


def derivation(picture: DerivedPicture) -> List[str]:
    """How a finished picture was made."""
    size = f"{picture.width}x{picture.height} " if picture.width else ""
    rows = [
        ["picture", picture.path],
        ["", f"{size}{picture.format}, {picture.size_bytes} bytes"],
        ["made", f"{local_time(picture.made_at)}, by {picture.method}"],
        *(["of", f"{source.path} ({source.sha256})"] for source in picture.sources),
        ["request", _or_dash(picture.request)],
    ]
    return _shown(rows)


def _shown(rows: Sequence[Sequence[str]]) -> List[str]:
    return table([[name, show(value, limit=None)] for name, value in rows])


def spending_json(spending: Spending) -> Dict[str, object]:
    return {**vars(spending), "cost_usd": round(spending.cost_usd, 6)}


def spending_table(by: str, sums: Sequence[Spending], foot: Sequence[Spending], total: Spending) -> List[str]:
    """Sums in columns, and below them a note on costs of the total that are not known."""
    head = [[by, "requests", "images", "tokens", "cost"]]
    rows = [
        [show(one.name), f"{one.requests:,}", f"{one.images:,}", f"{one.tokens:,}", f"${one.cost_usd:.4f}"]
        for one in (*sums, *foot)
    ]
    lines = table(head + rows, right=(1, 2, 3, 4), has_head=True)
    if total.unknown_cost:
        how = "at a cost that is not known, all or in part"
        lines.append(line_of([f"{total.name}: {total.unknown_cost} requests were billed {how}"]))
    if total.maybe_billed:
        maybe = f"{total.name}: {total.maybe_billed} requests may have been billed, nobody can tell"
        lines.append(line_of([maybe]))
    return lines


def _cost(past: PastRequest) -> str:
    if past.cost_usd is not None:
        return f"${past.cost_usd:.4f}{' + unknown' if lacks_a_part(past.svg_usage) else ''}"
    if past.billed == Billed.NO.value:
        return "$0"
    return "maybe" if past.billed == Billed.MAYBE.value else "unknown"


def _estimate(past: PastRequest) -> str:
    if past.estimate_low_usd is None or past.estimate_high_usd is None:
        return "unknown"
    return cost_in_words(CostEstimate(past.estimate_low_usd, past.estimate_high_usd, ""))


def _or_dash(value: Optional[object], unit: str = "") -> str:
    return "-" if value is None else f"{value}{unit}"
