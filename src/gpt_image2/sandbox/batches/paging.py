"""Pages of a list, as the API cuts them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ..api.errors import check_range, invalid, unsupported_value, wrong_type

_ORDERS = ("asc", "desc")


class Listed(Protocol):
    """What can stand in a list."""

    @property
    def id(self) -> str:
        """Its name, which can be used as a cursor."""
        ...

    def as_json(self) -> dict[str, Any]:
        """The official object."""
        ...


@dataclass(frozen=True)
class PageSizes:
    """How many items a page has: by default, and at most."""

    default: int
    most: int


def page(oldest_first: Sequence[Listed], query: Mapping[str, str], sizes: PageSizes) -> dict[str, Any]:
    """The page that `limit`, `after` and `order` ask for; newest first by default."""
    order = query.get("order", "desc")
    if order not in _ORDERS:
        raise unsupported_value("order", order, _ORDERS)
    items = list(oldest_first if order == "asc" else reversed(oldest_first))
    if "after" in query:
        places = [index for index, item in enumerate(items) if item.id == query["after"]]
        if not places:
            raise invalid("after", "invalid_value", f"Invalid 'after': no object '{query['after']}' found.")
        items = items[places[0] + 1 :]
    limit = _limit(query.get("limit"), sizes)
    shown = items[:limit]
    return {
        "object": "list",
        "data": [item.as_json() for item in shown],
        "first_id": shown[0].id if shown else None,
        "last_id": shown[-1].id if shown else None,
        "has_more": len(items) > limit,
    }


def _limit(text: str | None, sizes: PageSizes) -> int:
    if text is None:
        return sizes.default
    if not (text.isascii() and text.isdigit()):
        raise wrong_type("limit", f"an integer, but got '{text}' instead")
    limit = int(text[:9])
    check_range("limit", limit, 1, sizes.most)
    return limit
