"""The text of a module without what nobody needs at run time, and Python would keep in memory for the whole
run of a script: the types of its functions (2.7 MiB at 11,700 lines), which checkers have read in core.
Docstrings (1.4 MiB) stand there as comments. Pure.

Types stay where they are data: in the bodies of classes, of whose annotations records are made. What is short
for a type stands in quotes, and a `cast` is left out, so that `typing` need not be loaded (1 MiB). Docstrings
stay where they are the help of what the script exports.
"""

from __future__ import annotations

import ast
from typing import Dict, Iterator, List, Mapping, Sequence, Set, Tuple, Union

Function = Union[ast.FunctionDef, ast.AsyncFunctionDef]
#: From where to where in the text, line from 1 and byte from 0, and what stands there instead.
Cut = Tuple[int, int, int, int, str]


def without_types(tree: ast.Module, lines: Sequence[str]) -> Dict[int, str]:
    """The lines of a module by their numbers, from 1; what stood on several lines and is one now has the
    number of the first."""
    text: Dict[int, bytes] = {number: line.encode("utf-8") for number, line in enumerate(lines, 1)}
    for first, start, last, end, instead in sorted(cuts(tree, lines), reverse=True):
        text[first] = text[first][:start] + instead.encode("utf-8") + text[last][end:]
        for number in range(first + 1, last + 1):
            del text[number]
    return {number: line.decode("utf-8") for number, line in text.items()}


def with_comments(tree: ast.Module, text: Mapping[int, str], exports: Sequence[str]) -> Dict[int, str]:
    """The lines of a module, by their numbers, with comments in place of the docstrings of all that is not
    exported."""
    found = dict(text)
    waiting: List[ast.AST] = [node for node in tree.body if getattr(node, "name", "") not in exports]
    while waiting:
        node = waiting.pop()
        waiting += ast.iter_child_nodes(node)
        if not isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or len(node.body) < 2:
            continue
        doc, quotes = node.body[0], '"""'
        if ast.get_docstring(node) is None or not found[doc.lineno].strip().startswith(quotes):
            continue
        last = doc.end_lineno or doc.lineno
        for number in range(doc.lineno, last + 1):
            line = found[number].strip()
            line = line[len(quotes) :] if number == doc.lineno else line
            line = line[: -len(quotes)] if number == last else line
            found[number] = f"{' ' * doc.col_offset}# {line}".rstrip()
        if found[last].strip() == "#":
            del found[last]
    return found


def cuts(tree: ast.Module, lines: Sequence[str]) -> Iterator[Cut]:
    """Where types stand that nobody needs at run time."""
    in_classes = {
        id(statement) for node in ast.walk(tree) if isinstance(node, ast.ClassDef) for statement in node.body
    }
    of_typing = names_of_typing(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from cuts_of_signature(node, lines)
        elif isinstance(node, ast.AnnAssign) and node.value is not None and id(node) not in in_classes:
            yield (*end_of(node.target), *end_of(node.annotation), "")
        elif isinstance(node, ast.Call) and named(node.func) == "cast" in of_typing:
            yield from cuts_of_cast(node)
        elif isinstance(node, ast.Assign) and is_type(node.value, of_typing):
            text = "\n".join(lines[node.value.lineno - 1 : node.value.end_lineno])
            quotes = '"""' if "\n" in text else "'" if '"' in text else '"'
            first = node.value.lineno, node.value.col_offset
            yield (*first, *first, quotes)
            yield (*end_of(node.value), *end_of(node.value), quotes)


def cuts_of_signature(node: Function, lines: Sequence[str]) -> Iterator[Cut]:
    """The types of parameters, with the blanks around a default, and the type of what is returned."""
    given = node.args
    for each in [*given.posonlyargs, *given.args, given.vararg, *given.kwonlyargs, given.kwarg]:
        if each is None or each.annotation is None:
            continue
        line, end = end_of(each.annotation)
        rest = lines[line - 1].encode("utf-8")[end:]
        has_default = rest.startswith(b" = ")
        name_end = each.col_offset + len(each.arg.encode("utf-8"))
        yield each.lineno, name_end, line, end + 3 * has_default, "=" * has_default
    if node.returns is not None:
        before = lines[node.returns.lineno - 1].encode("utf-8")[: node.returns.col_offset]
        arrow = before.rindex(b" ->")
        yield (node.returns.lineno, arrow, *end_of(node.returns), "")


def cuts_of_cast(node: ast.Call) -> Iterator[Cut]:
    """All of a `cast` but what it casts."""
    value = node.args[1]
    is_plain = isinstance(value, (ast.Attribute, ast.Call, ast.Name, ast.Subscript))
    yield node.lineno, node.col_offset, value.lineno, value.col_offset, "" if is_plain else "("
    yield (*end_of(value), *end_of(node), "" if is_plain else ")")


def names_of_typing(tree: ast.Module) -> Set[str]:
    """What a module imports from `typing`."""
    found = (node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module == "typing")
    return {alias.name for node in found for alias in node.names}


def is_type(node: ast.expr, of_typing: Set[str]) -> bool:
    """Whether a value is a type: `Union[…]` and the like, or a `TypeVar`."""
    if isinstance(node, ast.Call):
        return named(node.func) == "TypeVar" in of_typing
    return isinstance(node, ast.Subscript) and named(node.value) in of_typing


def named(node: ast.expr) -> str:
    """The name that an expression is; empty for any other."""
    return node.id if isinstance(node, ast.Name) else ""


def loaded_names(tree: ast.AST) -> Set[str]:
    """The names that are looked up when a module runs: all but those of annotations."""
    names: Set[str] = set()
    waiting: List[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Name):
            names.add(node.id)
        types = [getattr(node, name, None) for name in ("annotation", "returns")]
        waiting += [child for child in ast.iter_child_nodes(node) if child not in types]
    return names


def end_of(node: ast.expr) -> Tuple[int, int]:
    """Where an expression ends: its line and the byte behind it."""
    return node.end_lineno or node.lineno, node.end_col_offset or 0
