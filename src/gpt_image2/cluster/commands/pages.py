"""The contact sheet of an address: pages of images with their prompts, which a browser opens from disk.

An image stays where it is. What lies in a bucket is shown by addresses that are signed for a week.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from html import escape
from pathlib import Path
from typing import Any

from gpt_image2.core.base.about import PROGRAM
from gpt_image2.core.outputs.files import prepare_folder, write_whole

_ON_A_PAGE = 300
_POLICY = "default-src 'none'; img-src file: https: http:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.4 system-ui, sans-serif; margin: 1.5rem; }
main { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(13rem, 1fr)); }
article { border: 1px solid #8884; border-radius: 8px; overflow: hidden; }
img { aspect-ratio: 1; background: #8881; display: block; object-fit: contain; width: 100%; }
p { font-size: .85rem; margin: .5rem .7rem; overflow-wrap: anywhere; }
"""


class SheetPages:
    """The pages `page-0001.html` … of a folder, written as images come. `shown` makes an address that a
    browser opens of an image's."""

    def __init__(self, folder: str, title: str, shown: Callable[[str], str]) -> None:
        self._folder = Path(folder).expanduser()
        prepare_folder(self._folder, hint="choose another folder for --sheet")
        self._title = title
        self._shown = shown
        self._waiting: list[str] = []
        self.pages = 0

    def add(self, rows: list[dict[str, Any]]) -> None:
        """Takes the images of a job."""
        for row in rows:
            if row["uri"] is None:
                continue
            if len(self._waiting) == _ON_A_PAGE:
                self._write(is_last=False)
            source, prompt = escape(self._shown(row["uri"])), escape(row["prompt"] or "")
            facts = escape(" · ".join(str(row[name]) for name in ("id", "size", "quality") if row[name]))
            self._waiting.append(
                f'<article><a href="{source}"><img src="{source}" alt="{prompt[:200]}" loading="lazy"></a>'
                f'<p dir="auto">{prompt}</p><p>{facts}</p></article>\n'
            )

    def end(self) -> None:
        """Writes what has come since as the last page."""
        if self._waiting:
            self._write(is_last=True)

    def _write(self, *, is_last: bool) -> None:
        self.pages += 1
        write_whole(self._folder / f"page-{self.pages:04d}.html", self._pieces(is_last))
        self._waiting.clear()

    def _pieces(self, is_last: bool) -> Iterator[str]:
        links = [(self.pages - 1, "before")] if self.pages > 1 else []
        links += [] if is_last else [(self.pages + 1, "next")]
        title = escape(f"{PROGRAM}: {self._title}, page {self.pages}")
        yield (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n'
            f"<title>{title}</title><style>{_STYLE}</style></head>\n<body><h1>{title}</h1>\n"
            f"<nav>{' '.join(_link(*each) for each in links)}</nav>\n<main>\n"
        )
        yield from self._waiting
        yield "</main></body></html>\n"


def _link(page: int, words: str) -> str:
    return f'<a href="page-{page:04d}.html">{words}</a>'
