"""The files of the page, read once. Nothing else of the disk can be asked for by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
INDEX = "index.html"


@dataclass(frozen=True)
class PageFile:
    """One file as it is sent."""

    data: bytes
    media_type: str


def page_files() -> dict[str, PageFile]:
    """The files by their address below the studio's root, such as `modules/app.js`."""
    folder = Path(__file__).parent / "page"
    return {
        path.relative_to(folder).as_posix(): PageFile(path.read_bytes(), _TYPES[path.suffix])
        for path in sorted(folder.rglob("*"))
        if path.suffix in _TYPES
    }
