"""Whatever the program tells people to add is a flag that there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Iterator, Set, Tuple

ROOT = Path(__file__).parents[2]
CORE = ROOT / "src" / "gpt_image2" / "core"
SKILL = ROOT / "skills" / "gpt-image-2"
FLAG = r"(?<![\w-])--[a-z][a-z-]*[a-z]"
#: Where the flags are curl's, and where they are names in a style sheet.
OTHERS = (CORE / "wire", CORE / "batch" / "contact_sheet.py")


def flags() -> Set[str]:
    """Every flag of every command, as the reference that is made from their parsers has them."""
    rows = re.findall(r"^\| `(.*?)` \|", (SKILL / "references" / "cli.md").read_text("utf-8"), re.MULTILINE)
    return {"--help", "--version"}.union(*(re.findall(FLAG, row) for row in rows))


def texts_of(path: Path) -> Iterator[Tuple[str, int]]:
    """The texts of a module that it may show, each with its line; none of its docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    spoken = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in spoken:
            yield node.value, node.lineno


def test_every_flag_that_the_program_names_is_one() -> None:
    known = flags()
    modules = [path for path in CORE.rglob("*.py") if not {path, path.parent} & set(OTHERS)]
    named = {
        (flag, f"{path.name}:{line}")
        for path in modules
        for text, line in texts_of(path)
        for flag in re.findall(FLAG, text)
    }
    assert len(named) > 50
    assert {(flag, where) for flag, where in named if flag not in known} == set()
