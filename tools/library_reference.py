"""The reference of the library, in Markdown, from its docstrings and types. Reads the source; imports nothing
of it but the list of public names."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from pathlib import Path
from typing import Dict, Iterator, List, Sequence, Tuple, Union

import gpt_image2

PACKAGE = Path(__file__).resolve().parent.parent / "src/gpt_image2"
Definition = Union[ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef]
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

#: The parts of the reference, and what stands in each; a test holds that nothing public is left out.
PARTS: Sequence[Tuple[str, Sequence[str]]] = (
    ("Clients", ("Client", "AsyncClient", "cancelled_call")),
    ("Functions", ("generate", "edit", "stream")),
    (
        "Options",
        (
            *(
                "RequestOptions",
                "CallOptions",
                "PictureOptions",
                "SourceOptions",
                "GenerateOptions",
                "EditOptions",
            ),
            *("StreamOptions", "ClientOptions", "PaceOptions", "BatchOptions", "Job"),
        ),
    ),
    (
        "Results",
        ("Result", "SavedImage", "Derivation", "MadeFrom", "Usage", "SvgUsage", "CostEstimate", "JobOutcome"),
    ),
    ("The past", ("PastCall", "Spend", "SpendingGroup", "ResumedCall")),
    (
        "Events",
        (
            *("RequestStarted", "HeadersReceived", "RateLimit", "RetryWaiting", "TaskUnderWay"),
            *("PartialImage", "ImageSaved", "Warned", "Finished"),
        ),
    ),
    ("Pictures", ("mask", "check", "cutout")),
    ("Tests of your own", ("Sandbox", "SandboxRequest")),
)
#: Public names that are told of together: types that are words, the tree of errors, two enumerations.
TOLD_TOGETHER = (
    *("Model", "Size", "Quality", "Complexity", "OutputFormat", "SvgEffort", "Background", "Moderation"),
    *("Areas", "ImageInput", "ImageInputs", "PillowImage", "Output", "JobLike", "Moment"),
    *("Event", "Observer"),
    *("Billed", "ExitCode", "Settings", "VERSION", "main"),
    *(name for name in gpt_image2.__all__ if name.endswith(("Error", "InterruptedCall"))),
)


def library_reference() -> str:
    """All of it."""
    defined = {name: definition(name) for _, names in PARTS for name in names}
    pieces: List[str] = []
    for title, names in PARTS:
        pieces.append(f"## {title}")
        for name in names:
            pieces += described(name, defined[name])
    errors = ast.get_docstring(ast.parse((PACKAGE / "core/base/errors.py").read_text(encoding="utf-8"))) or ""
    pieces += ["## Errors", *error_pieces(errors)]
    return "\n" + "\n\n".join(pieces) + "\n\n"


def definition(name: str) -> Definition:
    """The syntax of a public class or function."""
    module = inspect.getmodule(getattr(gpt_image2, name)) or gpt_image2
    tree = ast.parse(inspect.getsource(module))
    return next(
        node for node in tree.body if isinstance(node, (ast.ClassDef, *FUNCTIONS)) and node.name == name
    )


def described(name: str, node: Definition) -> Iterator[str]:
    """A class with its fields and methods, or a function."""
    if isinstance(node, FUNCTIONS):
        yield f"### `{name}`"
        yield signature(node)
        yield from prose(node)
        return
    yield f"### `{name}`"
    bases = [ast.unparse(base) for base in node.bases]
    if "Record" in bases:
        yield fence("\n".join([f"class {name}:", *(f"    {ast.unparse(each)}" for each in fields(node))]))
    yield from prose(node)
    if any("Options" in base or base == "TypedDict" for base in bases):
        above = [base for base in bases if base != "TypedDict"]
        if above:
            yield f"All of {', '.join(f'`{base}`' for base in above)}, and:"
        yield options_table(node)
    for method in node.body:
        if isinstance(method, FUNCTIONS) and (not method.name.startswith("_") or method.name == "__init__"):
            yield from method_pieces(name, method)


def method_pieces(name: str, method: Union[ast.FunctionDef, ast.AsyncFunctionDef]) -> Iterator[str]:
    """A method or a property."""
    marks = [ast.unparse(mark) for mark in method.decorator_list]
    if method.name == "__init__":
        if ast.get_docstring(method) or "takes" in " ".join(marks):
            yield signature(method, name)
        return
    yield f"#### `{name}.{method.name}`"
    if "property" not in marks:
        yield signature(method)
    yield from prose(method)


def signature(node: Union[ast.FunctionDef, ast.AsyncFunctionDef], name: str = "") -> str:
    """How it is called: without `self`, and with the set of options that it takes."""
    arguments = ast.unparse(node.args)
    arguments = re.sub(r"^(self|cls)(, )?", "", arguments)
    arguments = re.sub(r"\*\*options: Unpack\[(\w+)\]", r"**options: \1", arguments)
    returned = f" -> {ast.unparse(node.returns)}" if node.returns is not None and not name else ""
    returned = re.sub(r"\bBytes\b", "bytes", returned)  # a name that a class needs which has a method `bytes`
    returned = re.sub(r"(Async)?Generator\[(\w+), .*\]", r"\2", returned)
    before = (
        "async " if isinstance(node, ast.AsyncFunctionDef) and "asynccontext" not in str(marks(node)) else ""
    )
    return fence(f"{before}{name or node.name}({arguments}){returned}")


def marks(node: Union[ast.FunctionDef, ast.AsyncFunctionDef]) -> List[str]:
    """Its decorators."""
    return [ast.unparse(mark) for mark in node.decorator_list]


def fields(node: ast.ClassDef) -> List[ast.AnnAssign]:
    """The annotated names of a class."""
    return [each for each in node.body if isinstance(each, ast.AnnAssign)]


def options_table(node: ast.ClassDef) -> str:
    """The options of a set: name, type, and the text below it."""
    rows: Dict[str, Tuple[str, str]] = {}
    name = ""
    for each in node.body:
        if isinstance(each, ast.AnnAssign):
            name = ast.unparse(each.target)
            rows[name] = (ast.unparse(each.annotation), "")
        elif name and isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant):
            rows[name] = (rows[name][0], inspect.cleandoc(str(each.value.value)).replace("\n", " "))
    lines = ["| option | type | |", "|---|---|---|"]
    lines += [f"| `{name}` | `{kind}` | {text} |" for name, (kind, text) in rows.items()]
    return "\n".join(lines)


def prose(node: Definition) -> Iterator[str]:
    """A docstring: paragraphs, the example as code, the errors as a list."""
    text = ast.get_docstring(node) or ""
    for block in re.split(r"\n\n(?=\S)", text):
        head, _, rest = block.partition("\n")
        if head == "Example:":
            yield fence(textwrap.dedent(rest))
        elif head == "Raises:":
            yield "Raises:\n" + "\n".join(raised(textwrap.dedent(rest)))
        else:
            yield block


def raised(text: str) -> Iterator[str]:
    """The errors, each with its reason."""
    for entry in re.split(r"\n(?=\S)", text):
        kind, _, reason = entry.partition(": ")
        yield f"- `{kind}`: {' '.join(reason.split())}"


def error_pieces(text: str) -> Iterator[str]:
    """The tree of errors."""
    head, _, tree = text.partition("\n\n")
    yield head
    yield fence(tree, "text")
    yield from prose(definition("GptImage2Error"))


def fence(code: str, language: str = "python") -> str:
    """A block of code."""
    return f"```{language}\n{code.strip()}\n```"
