"""How Sphinx builds the documentation site: `make site`; in `make check` every warning is an error.
Nothing is fetched, neither here nor by the pages."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path
from typing import Any, List

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "src"))

import gpt_image2  # noqa: E402
from gpt_image2.core.base.record import Record  # noqa: E402

project = "gpt-image2"
release = gpt_image2.VERSION
extensions = ["myst_parser", "sphinx.ext.autodoc"]
html_theme = "furo"
html_title = f"gpt-image2 {release}"
html_copy_source = False
html_show_copyright = False
smartquotes = False  # would turn `--` into a dash

myst_heading_anchors = 3

#: A name in single backticks is a link where it is one of the library's.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_default_options = {"members": True, "undoc-members": True}


def as_it_is_written(_app: object, documented: Any, _bound: bool) -> None:
    """Shows `**options: Unpack[GenerateOptions]`, which is a link, in place of all that they stand for."""
    if inspect.isfunction(documented):
        vars(documented).pop("__signature__", None)


def without_signature(_app: object, what: str, _name: str, documented: Any, *_: object) -> Any:
    """Records and errors are told of by what is listed below them."""
    is_plain = what == "exception" or (what == "class" and issubclass(documented, Record))
    return ("", None) if is_plain else None


def as_markup(
    _app: object, _what: str, _name: str, _documented: object, _options: object, lines: List[str]
) -> None:
    """The parts `Example:` and `Raises:` of our docstrings, as Sphinx marks them."""
    text = "\n".join(lines)
    text = re.sub(r"(?m)^Example:$", "::\n", text)
    raised = re.search(r"(?m)^Raises:\n((?: .*\n?)+)", text)
    if raised:
        named = re.sub(r"(?m)^    (?=\w+: )", ":raises ", raised[1])
        text = text.replace(raised[0], named)
    lines[:] = text.splitlines()


def setup(app: Any) -> None:
    """Hears what autodoc asks."""
    app.connect("autodoc-before-process-signature", as_it_is_written)
    app.connect("autodoc-process-signature", without_signature)
    app.connect("autodoc-process-docstring", as_markup)
