"""From what the page sends to a request that core knows: the fields checked by name and type. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from gpt_image2.core.api.models import MAX_INPUT_IMAGES
from gpt_image2.core.api.request import REQUEST_FIELDS, ImageRequest
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.redact import show
from gpt_image2.core.commands.picture_flags import PictureWishes, checked_wishes

#: An id that the page has made, so that the same click is known again.
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_KNOWN = {"prompt", *REQUEST_FIELDS} - {"stream"}
_WISHES = {"keep_outside": bool, "extend": str, "to": str, "exact": str, "fit": str, "under": str}
_TYPES = {str: "a text", int: "a whole number", bool: "true or false"}


@dataclass(frozen=True)
class Asked:
    """One click of the page. `inputs` and `mask` are ids of pictures that the studio knows; `fields` those of
    the API with `prompt`, by their names; `wishes` what is to be done before and after the call."""

    fields: Mapping[str, Any]
    inputs: tuple[str, ...] = ()
    mask: str | None = None
    markup: str | None = None
    wishes: PictureWishes | None = None

    @property
    def request(self) -> ImageRequest:
        """The request without its pictures."""
        fields: dict[str, Any] = {"model": "", "prompt": "", **self.fields}
        return ImageRequest(**fields)

    def as_json(self) -> dict[str, object]:
        """As the page has sent it."""
        return {
            "fields": {name: value for name, value in self.fields.items() if name != "stream"},
            "inputs": list(self.inputs),
            "mask": self.mask,
            "markup": self.markup,
            "wishes": dict(vars(self.wishes)) if self.wishes else {},
        }


def asked_of(document: Mapping[str, Any]) -> Asked:
    """What a body asks for.

    Raises:
        UsageError: a field is unknown, or of another type.
    """
    unknown = sorted(set(document) - {"id", "fields", "inputs", "mask", "markup", "wishes"})
    if unknown:
        raise UsageError(f"{show(unknown[0])!r} is no field of a call", hint="reload the page")
    fields = _object(document.get("fields"))
    for name, value in fields.items():
        kind = REQUEST_FIELDS.get(name, str)
        if name not in _KNOWN:
            raise UsageError(f"{show(name)!r} is no field of a request", hint="reload the page")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise UsageError(f"`{name}` must be {_TYPES[kind]}", hint="reload the page")
    inputs = document.get("inputs", [])
    if not isinstance(inputs, list) or not all(
        isinstance(each, str) for each in cast("list[object]", inputs)
    ):
        raise UsageError("`inputs` must be a list of ids", hint="reload the page")
    if len(cast("list[str]", inputs)) > MAX_INPUT_IMAGES:
        raise UsageError(f"at most {MAX_INPUT_IMAGES} input images may be sent", hint="leave some out")
    beside = {name: document.get(name) for name in ("mask", "markup")}
    if any(value is not None and not isinstance(value, str) for value in beside.values()):
        raise UsageError("`mask` and `markup` must be ids", hint="reload the page")
    if fields.get("partial_images"):
        fields = {**fields, "stream": True}
    else:
        fields = {name: value for name, value in fields.items() if name != "partial_images"}
    wishes = _wishes(document.get("wishes", {}))
    return Asked(fields, tuple(cast("list[str]", inputs)), beside["mask"], beside["markup"], wishes)


def id_of(document: Mapping[str, Any]) -> str:
    """The id of the click."""
    found = document.get("id")
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise UsageError("`id` must be a UUID of version 4", hint="reload the page")
    return found


def _wishes(value: object) -> PictureWishes | None:
    """What is to be done with the pictures; None where nothing is."""
    given = cast("dict[str, Any]", value) if isinstance(value, dict) else {"": None}
    for name, wish in given.items():
        if name not in _WISHES or not isinstance(wish, _WISHES[name]):
            raise UsageError("`wishes` are not understood", hint="reload the page")
    wishes = PictureWishes(**{name: wish for name, wish in given.items() if wish})
    return None if wishes == PictureWishes() else checked_wishes(wishes)


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError("`fields` must be an object", hint="reload the page")
    return cast("dict[str, Any]", value)
