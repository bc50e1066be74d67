"""What commands print with `--json`, as Markdown tables, from the schemas of the skill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple, cast

SCHEMAS = Path(__file__).resolve().parent.parent / "skills/gpt-image-2/references"
Schema = Dict[str, Any]
Row = Tuple[str, str, str]


def json_reference() -> str:
    """A section a schema: its alternatives, and the parts that it names."""
    return "\n".join(line for path in sorted(SCHEMAS.glob("*.schema.json")) for line in section(path))


def section(path: Path) -> Iterator[str]:
    """The lines of one schema."""
    schema: Schema = json.loads(path.read_text(encoding="utf-8"))
    name = path.name[: -len(".schema.json")]
    yield from ("", f"## {name}", "", f"{schema['title']}.", "")
    for alternative in schema.get("oneOf", [schema]):
        said = " ".join(filter(None, (told_apart(alternative), alternative.get("description", ""))))
        if said:
            yield from (said, "")
        yield from table(rows(alternative))
    for part, meaning in schema.get("$defs", {}).items():
        yield from (f"A **{part}** is: {meaning.get('description', '')}".rstrip(": "), "")
        yield from table(rows(meaning))


def told_apart(schema: Schema) -> str:
    """By which constants an alternative is known, such as `event`: `"image_saved"`."""
    known = {name: each["const"] for name, each in schema.get("properties", {}).items() if "const" in each}
    words = [
        f'`"{name}": {json.dumps(known[name])}`' for name in ("event", "command", "action") if name in known
    ]
    return ", ".join(words) + (":" if words else "")


def rows(schema: Schema, path: str = "") -> Iterator[Row]:
    """The fields of an object, those of what lies in it below it."""
    for name, field in schema.get("properties", {}).items():
        here = f"{path}{name}{'' if name in schema.get('required', []) else '?'}"
        yield (here, kind(field), field.get("description", ""))
        inner, mark = field, ""
        while inner.get("type") == "array":
            inner, mark = inner.get("items", {}), f"{mark}[]"
        for each in inner.get("oneOf", [inner]):
            yield from rows(each, f"{here.rstrip('?')}{mark}.")
        values: Any = inner.get("additionalProperties")
        if isinstance(values, dict):
            yield from rows(cast("Schema", values), f"{here.rstrip('?')}{mark}.NAME.")


def kind(field: Schema) -> str:
    """What a value is, in a few words."""
    if "$ref" in field:
        return f"**{field['$ref'].rpartition('/')[2]}**"
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return " or ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    either: List[Schema] = field.get("oneOf") or field.get("anyOf") or []
    if either:
        return " or ".join(sorted(map(kind, either), key="null".__eq__))
    if field.get("type") == "array":
        return f"list of {kind(field.get('items', {}))}"
    types = field.get("type", "any")
    return types if isinstance(types, str) else " or ".join(types)


def table(found: Iterator[Row]) -> Iterator[str]:
    """A table of fields."""
    yield from ("| field | value | |", "|---|---|---|")
    for name, value, text in found:
        yield f"| `{name}` | {value} | {cell(text)} |"
    yield ""


def cell(text: str) -> str:
    """A text as it may stand in a table: `<` and `|` begin nothing."""
    return " ".join(text.replace("|", "\\|").replace("<", "&lt;").split())
