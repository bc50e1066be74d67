"""The rooms of the package as a table and as a picture, read from their signs and from the imports."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Dict, List, Mapping, Set, Tuple

import grimp
from graphlib import TopologicalSorter

PACKAGE = "gpt_image2"
ROOT = Path(__file__).resolve().parent.parent
#: What stands at the root of core is one box.
FRONT_DOOR = "cli, dispatch"

_BOX_W, _BOX_H, _GAP_X, _GAP_Y, _MARGIN = 148, 44, 40, 46, 20
_STYLE = (
    "text{font:600 14px system-ui,sans-serif;text-anchor:middle;fill:#24292f}"
    ".small{font-weight:400;font-size:11px;fill:#57606a}"
    "rect{fill:#f6f8fa;stroke:#8c959f}.above{fill:#ddf4ff}path{fill:none;stroke:#8c959f}"
)

Arrows = Mapping[str, Set[str]]


def room_table() -> List[Tuple[str, str]]:
    """Each room of core, from the top down, with the first sentence of its sign."""
    folder = ROOT / "src" / PACKAGE / "core"
    rooms = [room for floor in reversed(floors(arrows())) for room in floor if (folder / room).is_dir()]
    return [(f"`{room}/`", _first_sentence(folder / room / "__init__.py")) for room in rooms]


def arrows() -> Arrows:
    """Which room imports from which: the rooms of core, its front door, and the layers above core."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    found: Dict[str, Set[str]] = {}
    for module in graph.modules:
        here = _room_of(module)
        if here:
            sources = {_room_of(name) for name in graph.find_modules_directly_imported_by(module)}
            found.setdefault(here, set()).update(sources - {here, ""})
    return found


def floors(found: Arrows) -> List[List[str]]:
    """The rooms in rows, lowest first: each one floor above the highest of those that it imports from."""
    heights: Dict[str, int] = {}
    for room in TopologicalSorter(found).static_order():
        heights[room] = 1 + max((heights[below] for below in found[room]), default=-1)
    top = max(heights.values())
    return [sorted(room for room in found if heights[room] == floor) for floor in range(top + 1)]


def picture() -> str:
    """The rooms as an SVG. An arrow is left out where a longer way over other rooms leads there too."""
    found = arrows()
    rows = floors(found)
    width = max(len(row) for row in rows) * (_BOX_W + _GAP_X) - _GAP_X + 2 * _MARGIN
    height = len(rows) * (_BOX_H + _GAP_Y) - _GAP_Y + 2 * _MARGIN
    places = {
        room: (
            (width - len(row) * (_BOX_W + _GAP_X) + _GAP_X) // 2 + column * (_BOX_W + _GAP_X),
            _MARGIN + (len(rows) - 1 - floor) * (_BOX_H + _GAP_Y),
        )
        for floor, row in enumerate(rows)
        for column, room in enumerate(row)
    }
    lines = [_arrow(places[room], places[below]) for room in sorted(places) for below in _direct(found, room)]
    boxes = [_box(room, *places[room]) for room in sorted(places)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}">',
            "<title>The rooms of gpt-image-2; every arrow is an import, and runs downward</title>",
            f"<style>{_STYLE}</style>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" '
            'orient="auto"><path d="M0,0 L8,4 L0,8" /></marker></defs>',
            f'<rect width="{width}" height="{height}" style="fill:#fff;stroke:none" />',
            *lines,
            *boxes,
            "</svg>\n",
        ]
    )


def _room_of(module: str) -> str:
    """The room that a module belongs to; empty for the package and its own modules."""
    parts = module.split(".")
    if parts[1:2] == ["core"]:
        in_core = parts[2:]
        if not in_core:
            return ""
        is_room = (ROOT / "src" / PACKAGE / "core" / in_core[0]).is_dir()
        return in_core[0] if is_room else FRONT_DOOR
    return parts[1] if len(parts) > 1 and not parts[1].startswith("__") else ""


def _direct(found: Arrows, room: str) -> List[str]:
    """The rooms that it imports from and that no other of them leads to."""

    def below(start: str) -> Set[str]:
        return found[start].union(*(below(each) for each in found[start]))

    return sorted(found[room] - set().union(*(below(each) for each in found[room])))


def _arrow(start: Tuple[int, int], end: Tuple[int, int]) -> str:
    x1, y1 = start[0] + _BOX_W // 2, start[1] + _BOX_H
    x2, y2 = end[0] + _BOX_W // 2, end[1] - 3
    middle = (y1 + y2) // 2
    return f'<path d="M{x1},{y1} C{x1},{middle} {x2},{middle} {x2},{y2}" marker-end="url(#tip)" />'


def _box(room: str, x: int, y: int) -> str:
    folder = ROOT / "src" / PACKAGE
    is_above = (folder / room).is_dir()
    place = folder / room if is_above else folder / "core" / room
    count = len([path for path in place.rglob("*.py") if path.name != "__init__.py"]) if place.is_dir() else 2
    note = f"{count} modules" if count > 1 else "1 module"
    kind = ' class="above"' if is_above else ""
    middle = x + _BOX_W // 2
    return (
        f'<rect x="{x}" y="{y}" width="{_BOX_W}" height="{_BOX_H}" rx="6"{kind} />'
        f'<text x="{middle}" y="{y + 19}">{room}</text>'
        f'<text x="{middle}" y="{y + 35}" class="small">{note}</text>'
    )


def _first_sentence(sign: Path) -> str:
    text = ast.get_docstring(ast.parse(sign.read_text(encoding="utf-8"))) or ""
    sentence, dot, _ = " ".join(text.split()).partition(". ")
    return sentence + dot.strip() if dot else sentence
