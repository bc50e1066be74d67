"""From fields as they were sent, or as the ledger and jobs files have them, back to a request. Pure."""

from __future__ import annotations

from typing import Any, Dict, Mapping, cast

from .request import INNER_FIELDS, ImageRequest


def request_from_fields(prompt: str, model: str, fields: Mapping[str, Any]) -> ImageRequest:
    """The request, without its images, whose other fields these are."""
    fields = by_own_names(fields)
    own = set(ImageRequest.__match_args__) - {"prompt", "model", "images", "mask", "markup", "extra"}
    known = {name: value for name, value in fields.items() if name in own}
    extra = tuple((name, value) for name, value in fields.items() if name not in own)
    return ImageRequest(prompt=prompt, model=model, extra=extra, **known)


def by_own_names(fields: Mapping[str, Any]) -> Dict[str, Any]:
    """Fields of the API with those that it has inside of others by their names in `REQUEST_FIELDS`, where all
    of the outer one is known."""
    svg = fields.get("svg")
    own: Dict[str, Any] = {}
    for name, (_, *steps) in INNER_FIELDS.items():
        value: Any = svg
        for step in steps:
            value = cast(Dict[str, Any], value).get(step) if isinstance(value, dict) else None
        if value is not None:
            own[name] = value
    if not own or ImageRequest("", **own).wire_fields("")["svg"] != svg:
        return dict(fields)
    return {**{name: value for name, value in fields.items() if name != "svg"}, **own}
