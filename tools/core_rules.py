"""Refuse what would change the meaning of core when its modules are joined.

What core must keep to (each breach is an error with its file and line):

- a module is: docstring, `from __future__ import annotations`, imports, the rest;
- it lies in core itself or in a room, a folder of core whose `__init__.py` holds nothing but the room's sign;
- modules import one another only there, and only as `from .name import A, B` (or `..name`, `.room.name`);
- an import from core that only some runs need may stand inside a function: joining drops it, or makes it load
  the side file where that module goes (`SIDES`); only so is a module of a side file imported from elsewhere,
  but for what is a type there and nothing else;
- every other import is of the standard library, and goes by one name in all modules;
- a top-level name belongs to one module, and hides no builtin;
- no import cycles, no `TYPE_CHECKING`, no `__name__` test.

How a module begins is checked where it is read, and cycles where modules are put in order. Pure.
"""

from __future__ import annotations

import ast
import builtins
from typing import Dict, Iterator, Sequence, Tuple

from core_modules import ABOUT, FUTURE, INIT, STDLIB, BuildError, Import, Module, bindings, path_of


def check(modules: Sequence[Module], exports: Sequence[str]) -> None:
    """Raise a BuildError that lists every breach of the rules."""
    by_name = {module.name: module for module in modules}
    problems = [
        text for module in modules for node in ast.walk(module.tree) for text in misuse(module, node, by_name)
    ]
    problems += clashes(modules)
    defined = {name for module in modules for name in module.defines}
    for name, home in {"main": "cli", "VERSION": ABOUT}.items():
        if home not in by_name or name not in by_name[home].defines:
            problems.append(f"{path_of(home)}:1: must define {name}")
    problems += [f"{INIT}:1: no module defines {name} of __all__" for name in exports if name not in defined]
    if problems:
        raise BuildError("\n".join(problems))


def misuse(module: Module, node: ast.AST, by_name: Dict[str, Module]) -> Iterator[str]:
    """What is wrong with one node of a module."""
    place = module.at(node)
    if "TYPE_CHECKING" in (getattr(node, "id", None), getattr(node, "attr", None)):
        yield f"{place}: no TYPE_CHECKING in core"
    elif isinstance(node, ast.If) and any(
        getattr(part, "id", None) == "__name__" for part in ast.walk(node.test)
    ):
        yield f"{place}: no __name__ test in core: the script has its own"
    elif isinstance(node, (ast.Import, ast.ImportFrom)) and node is not module.tree.body[1]:
        if any(alias.name == "*" for alias in node.names):
            yield f"{place}: no star imports: name what is imported"
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield from (f"{place}: {text}" for text in sibling_misuse(module, node, by_name))
        elif node in module.tree.body and node not in module.imports:
            yield f"{place}: imports belong directly under `{FUTURE}`"
        else:
            yield from (f"{place}: {text}" for text in outside_misuse(node))


def sibling_misuse(module: Module, node: ast.ImportFrom, by_name: Dict[str, Module]) -> Iterator[str]:
    """What is wrong with an import from another module of core."""
    source = module.source_of(node)
    if node.level > module.name.count(".") + 1:
        yield "core imports nothing above it"
    elif not source:
        yield f"import names, not modules: from .{node.names[0].name} import ..."
    elif node not in module.siblings and node not in module.deferred:
        yield f"modules of core are imported only directly under `{FUTURE}`, or as a statement of a function"
    elif source not in by_name:
        yield f"there is no module {source} in core"
    elif (
        by_name[source].side not in ("", module.side)
        and node not in module.deferred
        and not module.loads.isdisjoint(alias.name for alias in node.names)
    ):
        yield f"{source} is in another file than this: import it inside a function"
    else:
        for alias in node.names:
            if alias.asname:
                yield f"no `as` between modules of core: {alias.name} as {alias.asname}"
            if alias.name not in by_name[source].defines:
                yield f"{path_of(source)} does not define {alias.name}"


def outside_misuse(node: Import) -> Iterator[str]:
    """What is wrong with an import of something that is not in core."""
    for name in (
        [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
    ):
        root = name.split(".")[0]
        if root == "gpt_image2":
            yield f"modules of core are imported as `from .name import ...`, not as {name}"
        elif root == "__future__":
            yield f"only `{FUTURE}`, and once"
        elif STDLIB and root not in STDLIB:
            yield f"{name} is not in the standard library"


def clashes(modules: Sequence[Module]) -> Iterator[str]:
    """A name must stand for one thing in all modules, and an imported thing go by one name."""
    meanings = {"__all__": (INIT, f"{INIT}:1")}
    spellings: Dict[str, Tuple[str, str]] = {}
    for module in modules:
        claims = [(name, module.name, f"{module.path}:{line}") for name, line in module.defines.items()]
        for node in module.imports:
            for bound, target in bindings(node):
                claims.append((bound, f"import {target}", module.at(node)))
                known, first = spellings.setdefault(target, (bound, module.at(node)))
                if known != bound:
                    yield f"{module.at(node)}: {target} is imported as {bound}, but as {known} at {first}"
        for name, meaning, place in claims:
            known, first = meanings.setdefault(name, (meaning, place))
            if known != meaning:
                yield f"{place}: the name {name} is already taken at {first}"
            if hasattr(builtins, name):
                yield f"{place}: the name {name} would hide the builtin in every module"
