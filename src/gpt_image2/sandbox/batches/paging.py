"""Pages of a list, as the API cuts them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..api.errors import check_range, invalid, unsupported_value, wrong_type
from .batch import Batch
from .stored_file import StoredFile

_ORDERS = ("asc", "desc")


def page(
    oldest_first: Sequence[Batch] | Sequence[StoredFile], query: Mapping[str, str], default: int, most: int
) -> dict[str, Any]:
    """The page that `limit`, `after` and `order` ask for: by default the newest, `default` of them."""
    order = query.get("order", "desc")
    if order not in _ORDERS:
        raise unsupported_value("order", order, _ORDERS)
    items = list(oldest_first if order == "asc" else reversed(oldest_first))
    if "after" in query:
        places = [index for index, item in enumerate(items) if item.id == query["after"]]
        if not places:
            raise invalid("after", "invalid_value", f"Invalid 'after': no object '{query['after']}' found.")
        items = items[places[0] + 1 :]
    text = query.get("limit", str(default))
    if not (text.isascii() and text.isdigit()):
        raise wrong_type("limit", f"an integer, but got '{text}' instead")
    limit = int(text[:300])  # of thousands of digits Python makes no number
    check_range("limit", limit, 1, most)
    shown = items[:limit]
    return {
        "object": "list",
        "data": [item.as_json() for item in shown],
        "first_id": shown[0].id if shown else None,
        "last_id": shown[-1].id if shown else None,
        "has_more": len(items) > limit,
    }
