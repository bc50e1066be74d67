"""What completions offer as the value of a flag or an argument."""

from __future__ import annotations

import argparse
from typing import Dict, Mapping, Sequence, Union, get_args

import shtab

from gpt_image2.core.api.models import (
    BACKGROUNDS,
    COMPLEXITIES,
    KNOWN_MODELS,
    MODERATIONS,
    OUTPUT_FORMATS,
    QUALITIES,
    SVG_EFFORTS,
)
from gpt_image2.core.api.sizes import SIZE_NAMES
from gpt_image2.core.base.about import PROGRAM
from gpt_image2.sandbox.settings import DialectName
from gpt_image2.skill.places import AGENTS

Completer = Dict[str, Union[str, Dict[str, str]]]

#: By the names of fields.
WORDS: Mapping[str, Sequence[str]] = {
    "quality": QUALITIES,
    "size": ("auto", *SIZE_NAMES),
    "output_format": (*OUTPUT_FORMATS, "jpg"),
    "model": KNOWN_MODELS,
    "complexity": COMPLEXITIES,
    "background": BACKGROUNDS,
    "moderation": MODERATIONS,
    "svg_effort": SVG_EFFORTS,
    "latency": ("real",),
    "tasks": get_args(DialectName),
}
_FILES = frozenset(
    ["FILE", "PATH", "PNG", "IMAGE", "JOBS", "FILE|JSON", "FILE|DIR", "ID|FILE", "SOURCE", "RESULT", "MASK"]
)
_LIST_PROFILES = f"{PROGRAM} config --list 2>/dev/null | sed 's/^[* ] *//; s/ .*//'"


def add_values(action: argparse.Action) -> None:
    """Tells shtab what an argument takes."""
    metavar = action.metavar or ("IMAGE" if action.dest == "image" else "")
    if action.dest in WORDS and metavar != "WxH":
        action.choices = WORDS[action.dest]
    elif action.dest == "profile":
        action.complete = _completer("profiles", f"$({_LIST_PROFILES})")  # type: ignore[attr-defined]
    elif action.dest == "to":
        action.complete = _completer("agents", " ".join(AGENTS), folders=True)  # type: ignore[attr-defined]
    elif metavar in _FILES:
        action.complete = shtab.FILE  # type: ignore[attr-defined]
    elif metavar == "DIR":
        action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]


def _completer(name: str, words: str, folders: bool = False) -> Completer:
    """Words that a shell finds out when they are asked for, and folders where those go too."""
    function = f"_{PROGRAM.replace('-', '_')}_{name}"
    bash = f'compgen -W "{words}" -- "$1"' + ('\n  compgen -d -- "$1"' if folders else "")
    zsh = f'compadd -- ${{=:-"{words}"}}' + ("\n  _files -/" if folders else "")
    listed = words[2:-1] if words.startswith("$(") else f"printf '%s\\n' {words}"
    fish = listed + ("\n  __fish_complete_directories" if folders else "")
    return {
        "bash": function,
        "zsh": function,
        "fish": f"({function})",
        "preamble": {
            "bash": f"{function}() {{\n  {bash}\n}}\n",
            "zsh": f"{function}() {{\n  {zsh}\n}}\n",
            "fish": f"function {function}\n  {fish}\nend\n",
        },
    }
