"""From what the page sends to a request that core knows: the fields checked by name and type. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from gpt_image2.core.api.models import MAX_INPUT_IMAGES
from gpt_image2.core.api.request import REQUEST_FIELDS, ImageRequest
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.record import replace as replace_record
from gpt_image2.core.base.redact import show
from gpt_image2.core.commands.picture_flags import PictureWishes, checked_wishes
from gpt_image2.core.outputs.naming import extension, has_matching_extension

#: An id that the page has made, so that the same click is known again.
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_KNOWN = {"prompt", *REQUEST_FIELDS} - {"stream"}
_WISHES = {"keep_outside": bool, "extend": str, "to": str, "exact": str, "fit": str, "under": str}
#: So that a file on disk can have the name too, with what tells it from others.
_MAX_NAME_BYTES = 120
#: What is no part of a name where it is the end of one: what was dropped may be sent as another format.
_PICTURE_ENDINGS = re.compile(r"\.(png|jpe?g|jfif|webp|gif|bmp|tiff?|heic|heif|avif)$", re.IGNORECASE)
_TYPES = {str: "a text", int: "a whole number", bool: "true or false"}


@dataclass(frozen=True)
class Asked:
    """One click of the page. `inputs` and `mask` are ids of pictures that the studio knows; `names` are given
    to the inputs, one each or none at all, an empty one where the file's own stays; `fields` those of the API
    with `prompt`, by their names; `wishes` what is to be done before and after the call."""

    fields: Mapping[str, Any]
    inputs: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    mask: str | None = None
    markup: str | None = None
    wishes: PictureWishes | None = None

    @property
    def request(self) -> ImageRequest:
        """The request without its pictures."""
        fields: dict[str, Any] = {"model": "", "prompt": "", **self.fields}
        return ImageRequest(**fields)

    def as_json(self) -> dict[str, object]:
        """As the page has sent it, and as `asked_of` reads it."""
        return {
            "fields": {name: value for name, value in self.fields.items() if name != "stream"},
            "inputs": list(self.inputs),
            "names": list(self.names),
            "mask": self.mask,
            "markup": self.markup,
            "wishes": {name: wish for name, wish in vars(self.wishes).items() if wish} if self.wishes else {},
        }


def asked_of(document: Mapping[str, Any]) -> Asked:
    """What a body asks for.

    Raises:
        UsageError: a field is unknown, or of another type.
    """
    unknown = sorted(set(document) - {"id", "fields", "inputs", "names", "mask", "markup", "wishes"})
    if unknown:
        raise UsageError(f"{show(unknown[0])!r} is no field of a call", hint="reload the page")
    fields = _object(document.get("fields"))
    for name, value in fields.items():
        kind = REQUEST_FIELDS.get(name, str)
        if name not in _KNOWN:
            raise UsageError(f"{show(name)!r} is no field of a request", hint="reload the page")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise UsageError(f"`{name}` must be {_TYPES[kind]}", hint="reload the page")
    inputs, names = _texts(document, "inputs"), _texts(document, "names")
    if len(inputs) > MAX_INPUT_IMAGES:
        raise UsageError(f"at most {MAX_INPUT_IMAGES} input images may be sent", hint="leave some out")
    if names and len(names) != len(inputs):
        raise UsageError("`names` must have one for each of `inputs`", hint="reload the page")
    beside = {name: document.get(name) for name in ("mask", "markup")}
    if any(value is not None and not isinstance(value, str) for value in beside.values()):
        raise UsageError("`mask` and `markup` must be ids", hint="reload the page")
    if fields.get("partial_images"):
        fields = {**fields, "stream": True}
    else:
        fields = {name: value for name, value in fields.items() if name != "partial_images"}
    wishes = _wishes(document.get("wishes", {}))
    return Asked(fields, inputs, names, beside["mask"], beside["markup"], wishes)


def with_names(request: ImageRequest, names: Sequence[str]) -> ImageRequest:
    """The request with its inputs under the names that they were given."""
    images = [
        replace_record(image, filename=_filename(name, image.format) or image.filename)
        for image, name in zip(request.images, names)
    ]
    return replace_record(request, images=(*images, *request.images[len(images) :]))


def _filename(name: str, image_format: str) -> str:
    """A name as that of a file of a format, without folders; empty where nothing of it is left."""
    text = "".join(char if char.isprintable() else " " for char in name)
    text = " ".join(re.sub(r'[\\/:*?"<>|]', " ", text).split()).strip(". ")
    ending = _PICTURE_ENDINGS.search(text)
    stem = text[: ending.start()] if ending else text
    kept = ending[1] if ending and has_matching_extension(text, image_format) else extension(image_format)
    stem = stem.encode(errors="ignore")[:_MAX_NAME_BYTES].decode(errors="ignore").strip(". ")
    return f"{stem}.{kept}" if stem else ""


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


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = document.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, str) for each in cast("list[object]", found)):
        raise UsageError(f"`{name}` must be a list of texts", hint="reload the page")
    return tuple(cast("list[str]", found))


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError("`fields` must be an object", hint="reload the page")
    return cast("dict[str, Any]", value)
