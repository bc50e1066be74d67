#!/usr/bin/env python3
"""Join the modules of src/gpt_image2/core into the one-file script of the skill, and what lies beside it.

Reads the modules and the templates in tools/; writes skills/gpt-image-2/scripts/gpt_image2.py and the side
files next to it (`SIDES` in tools/core_modules.py), nothing else.
The same input gives the same bytes on every Python from 3.8 on: text is cut out, never unparsed. The types of
functions are left out, and most docstrings become comments (tools/untyped.py).

Exit codes: 0 written or fresh; 1 stale (`--check`); 2 core breaks a rule.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Dict, Iterator, Mapping, Optional, Sequence, Set

from consoles import prepare_consoles
from core_modules import (
    ABOUT,
    FUTURE,
    SIDES,
    BuildError,
    Module,
    constant,
    last_line,
    read_core,
    read_exports,
    read_signs,
    reading_order,
    side_of,
)
from core_rules import check
from untyped import loaded_names, names_of_typing, with_comments, without_types

SCRIPTS = "skills/gpt-image-2/scripts"
MAIN = "gpt_image2"
HEADER = Path(__file__).with_name("script_header.txt")
SIDE_HEADER = Path(__file__).with_name("side_header.txt")
LOADER = Path(__file__).with_name("side_loader.txt")
WIDTH = 110
DIFF_LINES = 16
#: The script's first lines: no traceback where a Ctrl-C comes while it loads. What is ignored stays ignored.
STOP = """if __name__ == "__main__":
    import os
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda *_: os._exit(130))"""
#: What stands above the imports that are for the types in records alone.
NOT_LOADED = ["TYPE_CHECKING = False  # checkers take it for true", "if TYPE_CHECKING:"]


# Joining


def join(root: Path) -> Dict[str, str]:
    """The text of every file to write, by its path from the root; the script comes first."""
    modules, exports = read_core(root), read_exports(root)
    signs = read_signs(root, modules)
    check(modules, exports)
    ordered = reading_order(modules)
    main = [module for module in ordered if not module.side]
    loader = LOADER.read_text(encoding="utf-8").strip("\n") if len(main) < len(ordered) else ""
    head = [f'#!/usr/bin/env python3\n"""{filled(HEADER, main)}"""', FUTURE, STOP]
    head += [*render_imports(main, taken_by(main, ordered), loader), render_all(exports)]
    footer = 'if __name__ == "__main__":\n    sys.exit(main())\n'
    parts = ["\n\n".join(head), *render_rooms(main, signs, exports), *filter(None, [loader]), footer]
    texts = {f"{SCRIPTS}/{MAIN}.py": "\n\n\n".join(parts)}
    for side in SIDES:
        beside = [module for module in ordered if module.side == side]
        if beside:
            head = [f'"""{filled(SIDE_HEADER, main)}"""', FUTURE]
            head += render_imports(beside, taken_by(beside, ordered))
            texts[f"{SCRIPTS}/{side}.py"] = (
                "\n\n\n".join(["\n\n".join(head), *render_rooms(beside, signs, ())]) + "\n"
            )
    return texts


def taken_by(modules: Sequence[Module], every: Sequence[Module]) -> Dict[str, Set[str]]:
    """What the modules of one file import at their top from others, by the name of that file; also what the
    script has that a side file imports inside functions."""
    own = modules[0].side
    sides = {module.name: module.side for module in every}
    taken: Dict[str, Set[str]] = {}
    for module in modules:
        for node in (*module.siblings, *(module.deferred if own else ())):
            side = sides[module.source_of(node)]
            if side != own:
                taken.setdefault(side or MAIN, set()).update(alias.name for alias in node.names)
    return taken


def filled(template: Path, modules: Sequence[Module]) -> str:
    """A template with the version that the modules tell."""
    about = next(module for module in modules if module.name == ABOUT)
    version = constant(about.tree, "VERSION", about.path)
    return template.read_text(encoding="utf-8").format(version=version)


def render_all(exports: Sequence[str]) -> str:
    """The script's `__all__`."""
    return "__all__ = [\n" + "".join(f'    "{name}",\n' for name in exports) + "]"


def render_imports(modules: Sequence[Module], taken: Mapping[str, Set[str]], more: str = "") -> Iterator[str]:
    """The standard library imports of all modules, merged and sorted, with the footer's `sys`; what is
    `taken` from the other files; and apart what only types need, which is not loaded. `more` is code that
    stands beside theirs."""
    plain = {"import sys"}
    members: Dict[str, Set[str]] = {}
    for node in (node for module in modules for node in module.imports):
        spelled = {f"{alias.name} as {alias.asname}" if alias.asname else alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            members.setdefault(node.module or "", set()).update(spelled)
        else:
            plain.update(f"import {name}" for name in spelled)
    text = "\n".join([*(line for module in modules for line in body_lines(module)), more])
    loaded, used = loaded_names(ast.parse(text)), set(re.findall(r"\w+", text))
    types = {"typing": (members.pop("typing", set()) & used) - loaded}
    members["typing"] = loaded & {name for node in modules for name in names_of_typing(node.tree)}
    types.update((name, names - loaded) for name, names in taken.items())
    yield "\n".join(
        [*sorted(plain), *(render_from(name, members[name]) for name in sorted(members) if members[name])]
    )
    yield from (render_from(name, names & loaded) for name, names in taken.items() if names & loaded)
    if any(types.values()):
        lines = [render_from(name, types[name], "    ") for name in types if types[name]]
        yield "\n".join([*NOT_LOADED, *lines])


def render_from(module: str, members: Set[str], indent: str = "") -> str:
    """One merged import line; CONSTANTS, then Classes, then functions, as ruff sorts them."""
    names = sorted(members, key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    line = f"{indent}from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return (
        f"{indent}from {module} import (\n"
        + "".join(f"{indent}    {name},\n" for name in names)
        + f"{indent})"
    )


def render_rooms(
    modules: Sequence[Module], signs: Mapping[str, str], exports: Sequence[str]
) -> Iterator[str]:
    """Each room's banner with its sign, then its modules; those of core itself stand without one."""
    room = ""
    for module in modules:
        if module.room and module.room != room:
            yield banner("=", f"{module.room}/", signs[module.room])
        room = module.room
        body = "\n".join(body_lines(module, exports)).strip("\n")
        yield f"{banner('-', module.name.replace('.', '/'), module.doc)}\n\n\n{body}"


def banner(rule: str, name: str, text: str) -> str:
    """A comment that shows where a part begins, what it is called and what it says of itself."""
    ruler = "# " + rule * (WIDTH - 2)
    return "\n".join([ruler, *(f"# {line}".rstrip() for line in [name, "", *text.split("\n")]), ruler])


def body_lines(module: Module, exports: Sequence[str] = ()) -> Iterator[str]:
    """The lines below a module's head. A deferred import goes, with the blank line behind it, or turns into
    the loading of a side file."""
    starts = {node.lineno: node for node in module.deferred}
    dropped = {number for node in module.deferred for number in range(node.lineno, last_line(node) + 1)}
    lines = with_comments(module.tree, without_types(module.tree, module.lines), exports)
    for number, line in sorted(lines.items()):
        if number <= module.body_start:
            continue
        if number in starts:
            yield from loadings(module, starts[number])
        elif number not in dropped and (line.strip() or number - 1 not in dropped):
            yield line


def loadings(module: Module, node: ast.ImportFrom) -> Iterator[str]:
    """The lines that a deferred import turns into."""
    side = side_of(module.source_of(node))
    if side not in ("", module.side):
        for alias in node.names:
            yield f'{" " * node.col_offset}{alias.name} = load_side("{side}").{alias.name}'


# Effects


def write(script: Path, text: str) -> None:
    """Put the script in its place, executable; whoever runs it meanwhile finds the old one or the new one."""
    script.parent.mkdir(parents=True, exist_ok=True)
    part = script.with_name(f".{script.name}.{os.getpid()}")
    part.write_bytes(text.encode("utf-8"))
    part.chmod(0o755)
    part.replace(script)


def staleness(root: Path, name: str, text: str) -> str:
    """What is wrong with a file that lies there; empty when nothing is."""
    path = root / name
    if not path.is_file():
        return f"{name} is missing"
    committed = path.read_bytes().decode("utf-8", errors="replace")
    if committed != text:
        return summarize_diff(name, committed.split("\n"), text.split("\n"))
    return "" if os.access(path, os.X_OK) else f"{name} is not executable"


def summarize_diff(name: str, committed: Sequence[str], joined: Sequence[str]) -> str:
    """How many lines differ, and the first of them."""
    diff = list(difflib.unified_diff(committed, joined, "committed", "joined from core", n=1, lineterm=""))
    signs = Counter(line[:1] for line in diff[2:])
    lines = [f"{name} is stale: {signs['+']} lines to add, {signs['-']} to remove", *diff[:DIFF_LINES]]
    return "\n".join(
        lines if len(diff) <= DIFF_LINES else [*lines, f"... and {len(diff) - DIFF_LINES} lines more"]
    )


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Write the script, or check the one that is there."""
    prepare_consoles()
    parser = argparse.ArgumentParser(description="Join core into the one-file script of the skill.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when the script is stale")
    parser.add_argument(
        "--root", type=Path, default=Path(__file__).resolve().parent.parent, help=argparse.SUPPRESS
    )
    args = parser.parse_args(argv)
    root: Path = args.root
    try:
        texts = join(root)
    except BuildError as error:
        print(error, file=sys.stderr)
        return 2
    if not args.check:
        for name, text in texts.items():
            write(root / name, text)
            print(f"Wrote {name}")
        return 0
    problems = {name: staleness(root, name, text) for name, text in texts.items()}
    for name, problem in problems.items():
        print(f"{problem}\nTo rebuild it: python3 tools/amalgamate.py" if problem else f"{name} is fresh")
    return int(any(problems.values()))


if __name__ == "__main__":
    sys.exit(main())
