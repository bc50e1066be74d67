"""The contact sheet: one HTML page in the output folder with every image, its prompt, settings and cost.

It opens from disk and asks for nothing but the images beside it: no script, no network, and a policy that
forbids both. Every text is escaped. Made in pieces, so that a million jobs fill no memory.
"""

from __future__ import annotations

import os
from html import escape
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional
from urllib.parse import quote as percent_encode

from ..api.request import ImageRequest
from ..base.about import PROGRAM
from ..base.errors import OutputError
from ..outputs.files import write_whole
from ..telling.output import Output

SHEET_NAME = "index.html"
_SHEET_MARK = '<meta name="generator" content="gpt-image2 batch">'
_HEAD_BYTES_READ = 4096

_POLICY = "default-src 'none'; img-src file: 'self'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --line: #8884; --bad: #c33; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 90rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin: 0; }
header p { margin: .3rem 0 1.5rem; opacity: .75; }
main { display: grid; gap: 1.2rem; grid-template-columns: repeat(auto-fill, minmax(15rem, 1fr)); }
article { border: 1px solid var(--line); border-radius: 8px; overflow: hidden; }
article.failed { border-color: var(--bad); }
.images { display: grid; grid-template-columns: repeat(auto-fit, minmax(45%, 1fr)); gap: 2px; }
img { aspect-ratio: 1; background: #8881; display: block; height: auto; object-fit: contain; }
img { width: 100%; }
.text { padding: .6rem .8rem; }
.prompt { margin: 0 0 .4rem; max-height: 9rem; overflow-y: auto; }
.prompt { overflow-wrap: anywhere; white-space: pre-wrap; }
.facts { font-size: .82rem; margin: 0; opacity: .75; overflow-wrap: anywhere; }
.error { color: var(--bad); font-size: .85rem; margin: .4rem 0 0; overflow-wrap: anywhere; }
"""


def write_sheet(
    folder: Path,
    name: str,
    words: str,
    rows: Iterable[Dict[str, Any]],
    requests: Iterable[ImageRequest],
    output: Output,
) -> Optional[str]:
    """Writes the contact sheet of a folder anew; its path. None, after a warning, where another file has its
    name or it cannot be written."""
    path = folder / SHEET_NAME
    try:
        if path.exists():
            with open(str(path), "rb") as file:
                if _SHEET_MARK.encode() not in file.read(_HEAD_BYTES_READ):
                    raise OutputError(f"{path} is not ours; the contact sheet was left out")
        write_whole(path, _pieces(f"{PROGRAM} batch: {name}", words, rows, requests, str(folder)))
    except (OSError, ValueError, OutputError) as error:
        output.warn(str(error))
        return None
    return str(path)


def _pieces(
    title: str, summary: str, rows: Iterable[Dict[str, Any]], requests: Iterable[ImageRequest], folder: str
) -> Iterator[str]:
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">\n{_SHEET_MARK}\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"<header><h1>{escape(title)}</h1><p>{escape(summary)}</p></header>\n<main>\n"
    )
    for row, request in zip(rows, requests):
        yield _card(row, request, folder)
    yield "</main>\n</body>\n</html>\n"


def _card(row: Dict[str, Any], request: ImageRequest, folder: str) -> str:
    error: Optional[Dict[str, Any]] = row.get("error")
    images = "".join(_thumbnail(image["path"], request.prompt, folder) for image in row.get("images", []))
    parts: List[str] = [f'<p class="prompt" dir="auto">{escape(request.prompt)}</p>']
    parts.append(f'<p class="facts">{escape(_facts(row, request))}</p>')
    if error:
        said = f"{error.get('code', '')}: {error.get('message', '')}"
        parts.append(f'<p class="error">{escape(said)} (billed: {escape(str(row.get("billed", "no")))})</p>')
    kind = ' class="failed"' if error else ""
    pictures = f'<div class="images">{images}</div>' if images else ""
    text = f'<div class="text">{"".join(parts)}</div>'
    return f'<article{kind} id="job-{int(row["job"])}">{pictures}{text}</article>\n'


def _thumbnail(path: str, prompt: str, folder: str) -> str:
    name = os.path.relpath(path, folder).replace(os.sep, "/")
    address = escape(percent_encode(name, safe="/", errors="surrogateescape"))
    shown = escape(f"{name}: {prompt[:200]}".encode("utf-8", "replace").decode("utf-8"))
    return f'<a href="{address}"><img src="{address}" alt="{shown}" loading="lazy" decoding="async"></a>'


def _facts(row: Dict[str, Any], request: ImageRequest) -> str:
    facts = [f"#{row['job']}", str(row["id"]) if row.get("id") else "", str(row["status"]), request.model]
    fields = request.without_stream().wire_fields("output_format")
    facts += [f"{name} {value}" for name, value in fields.items() if name not in ("model", "prompt")]
    cost = row.get("cost_usd")
    lacking = " + unknown" if row.get("unpriced") else ""
    facts.append(f"${cost:.4f}{lacking}" if cost is not None else "")
    return " · ".join(fact for fact in facts if fact)
