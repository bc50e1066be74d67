#!/usr/bin/env python3
"""Join the modules of src/gpt_image2/core into the one-file script of the skill.

Reads the modules and tools/script_header.txt; writes skills/gpt-image-2/scripts/gpt_image2.py, nothing else.
The same input gives the same bytes on every Python from 3.8 on: text is cut out by line, never unparsed.
tools/core_modules.py says what core must keep to.

Exit codes: 0 written or fresh; 1 stale (`--check`); 2 core breaks a rule.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import sys
from collections import Counter
from pathlib import Path
from typing import Dict, Optional, Sequence, Set

from core_modules import (
    CORE,
    FUTURE,
    BuildError,
    Module,
    check,
    constant,
    dependency_order,
    read_core,
    read_exports,
)

SCRIPT = "skills/gpt-image-2/scripts/gpt_image2.py"
HEADER = Path(__file__).with_name("script_header.txt")
WIDTH = 110
DIFF_LINES = 16


# Joining


def join(root: Path) -> str:
    """The text of the script."""
    modules, exports = read_core(root), read_exports(root)
    check(modules, exports)
    head = [render_header(modules), FUTURE, render_imports(modules), render_all(exports)]
    footer = 'if __name__ == "__main__":\n    sys.exit(main())\n'
    return "\n\n\n".join(["\n\n".join(head), *map(render_module, dependency_order(modules)), footer])


def render_header(modules: Sequence[Module]) -> str:
    """The script's first line and its docstring."""
    about = next(module for module in modules if module.name == "about")
    version = constant(about.tree, "VERSION", f"{CORE}/about.py")
    return f'#!/usr/bin/env python3\n"""{HEADER.read_text(encoding="utf-8").format(version=version)}"""'


def render_all(exports: Sequence[str]) -> str:
    """The script's `__all__`."""
    return "__all__ = [\n" + "".join(f'    "{name}",\n' for name in exports) + "]"


def render_imports(modules: Sequence[Module]) -> str:
    """The standard library imports of all modules, merged and sorted, and the footer's `sys`."""
    plain = {"import sys"}
    members: Dict[str, Set[str]] = {}
    for node in (node for module in modules for node in module.imports):
        spelled = {f"{alias.name} as {alias.asname}" if alias.asname else alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            members.setdefault(node.module or "", set()).update(spelled)
        else:
            plain.update(f"import {name}" for name in spelled)
    return "\n".join([*sorted(plain), *(render_from(name, members[name]) for name in sorted(members))])


def render_from(module: str, members: Set[str]) -> str:
    """One merged import line; CONSTANTS, then Classes, then functions, as ruff sorts them."""
    names = sorted(members, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def render_module(module: Module) -> str:
    """A banner of the module's name and docstring, then its body as it is."""
    rule = "# " + "-" * (WIDTH - 2)
    banner = [
        rule,
        *(f"# {line}".rstrip() for line in [module.name.replace(".", "/"), "", *module.doc.split("\n")]),
        rule,
    ]
    return "\n".join([*banner, "", "", module.body]).strip("\n")


# Effects


def write(script: Path, text: str) -> None:
    """Put the script in its place, executable; whoever runs it meanwhile finds the old one or the new one."""
    script.parent.mkdir(parents=True, exist_ok=True)
    part = script.with_name(f".{script.name}.{os.getpid()}")
    part.write_bytes(text.encode("utf-8"))
    part.chmod(0o755)
    part.replace(script)


def staleness(script: Path, text: str) -> str:
    """What is wrong with the script that lies there; empty when nothing is."""
    if not script.is_file():
        return f"{SCRIPT} is missing"
    committed = script.read_bytes().decode("utf-8", errors="replace")
    if committed != text:
        return summarize_diff(committed.split("\n"), text.split("\n"))
    return "" if os.access(script, os.X_OK) else f"{SCRIPT} is not executable"


def summarize_diff(committed: Sequence[str], joined: Sequence[str]) -> str:
    """How many lines differ, and the first of them."""
    diff = list(difflib.unified_diff(committed, joined, "committed", "joined from core", n=1, lineterm=""))
    signs = Counter(line[:1] for line in diff[2:])
    lines = [f"{SCRIPT} is stale: {signs['+']} lines to add, {signs['-']} to remove", *diff[:DIFF_LINES]]
    return "\n".join(
        lines if len(diff) <= DIFF_LINES else [*lines, f"... and {len(diff) - DIFF_LINES} lines more"]
    )


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Write the script, or check the one that is there."""
    parser = argparse.ArgumentParser(description="Join core into the one-file script of the skill.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the script is stale")
    parser.add_argument(
        "--root", type=Path, default=Path(__file__).resolve().parent.parent, help=argparse.SUPPRESS
    )
    args = parser.parse_args(argv)
    script: Path = args.root / SCRIPT
    try:
        text = join(args.root)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 2
    if not args.check:
        write(script, text)
        print(f"Wrote {SCRIPT}")
        return 0
    problem = staleness(script, text)
    print(f"{problem}\nTo rebuild it: python3 tools/amalgamate.py" if problem else f"{SCRIPT} is fresh")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
