"""Read the modules of src/gpt_image2/core, and put them in an order in which they can stand in one file.

Pure but for reading files. Runs on Python 3.8.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, FrozenSet, Iterator, List, Sequence, Set, Tuple, Union, cast

from untyped import loaded_names, without_types

CORE = "src/gpt_image2/core"
INIT = f"{CORE}/__init__.py"
ABOUT = "base.about"
FUTURE = "from __future__ import annotations"

#: Rooms and modules that go into a file of their own beside the script: a single call need not compile them.
SIDES = {
    "gpt_image2_more": [
        "batch",
        "batch_api",
        "history",
        "api.area_masks",
        "api.covering",
        "api.gif_svg",
        "api.markup",
        "api.odd_inputs",
        "api.orientation",
        "api.png_alpha",
        "api.ratios",
        "api.read_fields",
        "api.shapes",
        "base.optional_part",
        "base.terminal",
        "calls.causes",
        "calls.elsewhere",
        "calls.free",
        "calls.leftovers",
        "calls.polling",
        "calls.task_words",
        "commands.checks",
        "commands.doctor",
        "commands.dry_run",
        "commands.finish_later",
        "commands.finishing",
        "commands.further_calls",
        "commands.mistakes",
        "commands.package_extras",
        "commands.picture_flags",
        "commands.probe",
        "commands.profiles",
        "commands.resume",
        "commands.showing",
        "commands.steps_ahead",
        "ledger.budget",
        "ledger.afterwards",
        "ledger.derived",
        "ledger.upgrades",
        "outputs.image_links",
        "outputs.left",
        "outputs.lines",
        "outputs.sweeping",
        "settings.host_field",
        "settings.learnt",
        "settings.of_host",
        "settings.pasted_url",
        "settings.poll",
        "settings.price_fields",
        "settings.profiles",
        "telling.amounts",
        "telling.events_output",
        "telling.live_line",
        "telling.tables",
        "wire.decompress",
    ],
}

#: Empty before Python 3.10, where nobody can tell; the check is skipped there.
STDLIB: FrozenSet[str] = getattr(sys, "stdlib_module_names", frozenset())
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
NEW_SCOPE = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
Import = Union[ast.Import, ast.ImportFrom]


class BuildError(Exception):
    """Core breaks the rules; one `file:line: what is wrong` a line."""


@dataclass(frozen=True)
class Module:
    """One module of core, taken apart."""

    name: str  # dotted, from core down
    tree: ast.Module
    doc: str
    siblings: Tuple[ast.ImportFrom, ...]  # its imports from other modules of core, at its top
    deferred: Tuple[ast.ImportFrom, ...]  # those inside functions
    imports: Tuple[Import, ...]  # its other imports
    lines: Sequence[str]
    body_start: int  # how many lines stand above its body
    defines: Dict[str, int]  # top-level name -> line

    @property
    def path(self) -> str:
        """Its file."""
        return path_of(self.name)

    def at(self, node: ast.AST) -> str:
        """Where a node of this module is."""
        return f"{self.path}:{getattr(node, 'lineno', 1)}"

    @property
    def room(self) -> str:
        """The room that it lies in; empty for core itself."""
        return self.name.rpartition(".")[0]

    @property
    def side(self) -> str:
        """The side file that it goes into; empty for the script itself."""
        return side_of(self.name)

    @property
    def loads(self) -> Set[str]:
        """The names that it looks up when it runs: all but those of types."""
        text = without_types(self.tree, self.lines)
        return loaded_names(ast.parse("\n".join(line for _, line in sorted(text.items()))))

    def source_of(self, node: ast.ImportFrom) -> str:
        """The module of core that an import is from; empty for one that names none, or is above core."""
        room = self.name.split(".")[:-1]
        if node.level > len(room) + 1 or not node.module:
            return ""
        return ".".join([*room[: len(room) + 1 - node.level], node.module])

    def needs(self) -> Set[str]:
        """The names of the modules that must come before this one."""
        return {self.source_of(node) for node in self.siblings}


def side_of(name: str) -> str:
    """The side file that a module goes into; empty for the script itself."""
    lies_in = (name, name.rpartition(".")[0])
    return next((side for side, parts in SIDES.items() if not set(parts).isdisjoint(lies_in)), "")


def path_of(name: str) -> str:
    """The file of a module of core."""
    return f"{CORE}/{name.replace('.', '/')}.py"


# Reading


def read_core(root: Path) -> List[Module]:
    """The modules of core and of its rooms, by name."""
    core = root / CORE
    names = [".".join(path.relative_to(core).with_suffix("").parts) for path in core.rglob("*.py")]
    return [read_module(root, name) for name in sorted(names) if not name.split(".")[-1].startswith("__")]


def read_signs(root: Path, modules: Sequence[Module]) -> Dict[str, str]:
    """What each room says of itself, by its name."""
    signs: Dict[str, str] = {}
    for room in sorted({module.room for module in modules} - {""}):
        where = f"{CORE}/{room}/__init__.py"
        tree = parse(root / where, where)[1]
        sign = ast.get_docstring(tree)
        if sign is None or len(tree.body) > 1:
            raise BuildError(f"{where}:1: a room's sign, its docstring, and nothing else belongs here")
        signs[room] = sign
    return signs


def read_exports(root: Path) -> List[str]:
    """The public names: `__all__` of the package core."""
    names = constant(parse(root / INIT, INIT)[1], "__all__", INIT)
    if not isinstance(names, list):
        raise BuildError(f"{INIT}:1: __all__ must be a list")
    return [str(name) for name in cast("List[object]", names)]


def parse(path: Path, where: str) -> Tuple[str, ast.Module]:
    """A file's text and syntax tree."""
    try:
        text = path.read_text(encoding="utf-8")
        return text, ast.parse(text)
    except FileNotFoundError:
        raise BuildError(f"{where}:1: missing") from None
    except SyntaxError as error:
        raise BuildError(f"{where}:{error.lineno or 1}: {error.msg}") from None
    except ValueError as error:
        raise BuildError(f"{where}:1: {error}") from None


def read_module(root: Path, name: str) -> Module:
    """A module cut into docstring, imports and body."""
    where = path_of(name)
    text, tree = parse(root / where, where)
    doc = ast.get_docstring(tree, clean=False)
    if doc is None:
        raise BuildError(f"{where}:1: must start with its docstring")
    if len(tree.body) < 2 or not is_future(tree.body[1]):
        raise BuildError(f"{where}:{last_line(tree.body[0]) + 1}: `{FUTURE}` must follow the docstring")
    imports: List[Import] = []
    for node in tree.body[2:]:
        if not isinstance(node, (ast.Import, ast.ImportFrom)):
            break
        imports.append(node)
    lines = text.split("\n")
    head, rest = tree.body[: 2 + len(imports)], tree.body[2 + len(imports) :]
    check_head(where, lines, head, rest)
    siblings = tuple(node for node in imports if isinstance(node, ast.ImportFrom) and node.level)
    deferred = tuple(deferred_imports(where, rest))
    return Module(
        name=name,
        tree=tree,
        doc=inspect.cleandoc(doc),
        siblings=siblings,
        deferred=deferred,
        imports=tuple(node for node in imports if node not in siblings),
        body_start=last_line(head[-1]),
        lines=lines,
        defines=dict([*global_names(tree), *bound_names(rest)]),
    )


def is_future(node: ast.stmt) -> bool:
    """Whether a statement is exactly the future import that every module has."""
    return isinstance(node, ast.ImportFrom) and ast.dump(node) == ast.dump(ast.parse(FUTURE).body[0])


def last_line(node: ast.stmt) -> int:
    """The number of the last line of a statement."""
    return node.end_lineno or node.lineno


def check_head(where: str, lines: Sequence[str], head: Sequence[ast.stmt], rest: Sequence[ast.stmt]) -> None:
    """The head is cut out by whole lines, so nothing else may stand on them or between them."""
    spans = [range(node.lineno, last_line(node) + 1) for node in head]
    owners = Counter(number for span in [*spans, *([rest[0].lineno] for _ in rest[:1])] for number in span)
    for number, line in enumerate(lines[: spans[-1][-1]], 1):
        if owners[number] > 1 or (line.strip() and not owners[number]):
            raise BuildError(
                f"{where}:{number}: joining would lose this: above the body, only one import a line"
            )


def deferred_imports(where: str, nodes: Sequence[ast.stmt]) -> Iterator[ast.ImportFrom]:
    """The imports from core inside functions; their lines can be dropped without harm."""
    seen: Set[ast.AST] = set()
    for function in (node for top in nodes for node in ast.walk(top) if isinstance(node, FUNCTIONS)):
        for block in blocks_of(function):
            found = [node for node in block if isinstance(node, ast.ImportFrom) and node.level]
            if found and len(found) == len(block):
                raise BuildError(f"{where}:{found[0].lineno}: joining would leave nothing in this block")
            yield from (node for node in found if node not in seen)
            seen.update(found)


def blocks_of(function: ast.AST) -> Iterator[Sequence[ast.stmt]]:
    """The blocks of statements in a function, its own and those nested in it."""
    for node in ast.walk(function):
        for name in ("body", "orelse", "finalbody"):
            block: object = getattr(node, name, None)
            if isinstance(block, list):
                yield cast("List[ast.stmt]", block)


def bound_names(nodes: Sequence[ast.AST]) -> Iterator[Tuple[str, int]]:
    """The names that statements bind in their own scope, with their lines."""
    for node in nodes:
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            yield node.name, node.lineno
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            yield from ((bound, node.lineno) for bound, _ in bindings(node))
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id, node.lineno
        elif not isinstance(node, NEW_SCOPE):
            if isinstance(node, ast.ExceptHandler) and node.name:
                yield node.name, node.lineno
            yield from bound_names(list(ast.iter_child_nodes(node)))


def global_names(tree: ast.Module) -> Iterator[Tuple[str, int]]:
    """The names that functions bind at the top level by `global`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from ((name, node.lineno) for name in node.names)


def bindings(node: Import) -> Iterator[Tuple[str, str]]:
    """The names that an import binds, each with the dotted name of what it stands for."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"
        else:
            target = alias.name if alias.asname else alias.name.split(".")[0]
            yield alias.asname or target, target


def constant(tree: ast.Module, name: str, where: str) -> object:
    """The literal that a module assigns to a name at its top level."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", None) for target in node.targets] == [
            name
        ]:
            try:
                return ast.literal_eval(node.value)
            except ValueError:
                raise BuildError(f"{where}:{node.lineno}: {name} must be a literal") from None
    raise BuildError(f"{where}:1: must define {name}")


# Checking


def reading_order(modules: Sequence[Module]) -> List[Module]:
    """Room after room, each after those it imports from; so too the modules of a room. Ties are alphabetical;
    a module of core itself comes when nothing else can."""
    ordered = dependency_order(modules)
    place = {module.room or module.name: 0 for module in ordered}
    needs: Dict[str, Set[str]] = {unit: set() for unit in place}
    by_name = {module.name: module for module in ordered}
    for module in ordered:
        sources = (by_name[name] for name in module.needs())
        needs[module.room or module.name].update(source.room or source.name for source in sources)
    bare = {module.name for module in ordered if not module.room}
    done: List[str] = []
    while len(done) < len(place):
        ready = [unit for unit in sorted(set(place) - set(done)) if not needs[unit] - {unit, *done}]
        if not ready:
            waiting = sorted(set(place) - set(done))
            raise BuildError(f"{CORE}:1: rooms import one another in a circle: {', '.join(waiting)}")
        done.append(min(ready, key=lambda unit: (unit in bare, unit)))
    return sorted(ordered, key=lambda module: done.index(module.room or module.name))


def dependency_order(modules: Sequence[Module]) -> List[Module]:
    """Each module after those it imports; alphabetical where that leaves a choice."""
    waiting = {module.name: module for module in modules}
    ordered: List[Module] = []
    while waiting:
        ready = [name for name in sorted(waiting) if not waiting[name].needs() & waiting.keys()]
        if not ready:
            raise BuildError(describe_cycle(waiting))
        ordered.append(waiting.pop(ready[0]))
    return ordered


def describe_cycle(waiting: Dict[str, Module]) -> str:
    """One cycle among modules that all wait for one another."""
    path = [min(waiting)]
    while path[-1] not in path[:-1]:
        path.append(min(waiting[path[-1]].needs() & waiting.keys()))
    cycle = path[path.index(path[-1]) :]
    first = waiting[cycle[0]]
    culprit = next(node for node in first.siblings if first.source_of(node) == cycle[1])
    return f"{first.at(culprit)}: import cycle: {' -> '.join(cycle)}"
