"""From a tool's arguments to what core takes: checked by the tool's own schema, then frozen. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator

from gpt_image2.core.api.request import REQUEST_FIELDS, ImageRequest
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.base.redact import show
from gpt_image2.core.commands.picture_flags import PictureWishes, wishes_in

from .tools import argument_names, input_schema

BAD_ARGUMENTS = "bad_arguments"


@dataclass(frozen=True)
class ImageArguments:
    """The arguments of `generate_image` or `edit_image`; `images` are paths and addresses as they came,
    `wishes` what is to be done with pictures around the call."""

    request: ImageRequest
    images: tuple[str, ...]
    mask: str | None
    markup: str | None
    wishes: PictureWishes | None
    output: str | None
    max_cost_usd: float | None
    preview: bool


def checked_arguments(tool: str, arguments: Mapping[str, Any] | None) -> dict[str, Any]:
    """The arguments that were given, of the types that the tool's schema asks for; null counts as left out.

    Raises:
        UsageError: they do not fit the schema.
    """
    given = {name: value for name, value in (arguments or {}).items() if value is not None}
    for error in _validator(tool).iter_errors(given):  # pyright: ignore[reportUnknownMemberType]
        where = ".".join(str(part) for part in error.absolute_path)
        raise UsageError(
            show(f"argument {where}: {error.message}" if where else error.message),
            hint=f"the arguments of {tool} are {', '.join(argument_names(tool))}; nothing was sent",
            code=BAD_ARGUMENTS,
        )
    # To JSON Schema 2.0 is an integer.
    return {
        name: int(value) if isinstance(value, float) and value.is_integer() else value
        for name, value in given.items()
    }


def image_arguments(tool: str, arguments: Mapping[str, Any] | None) -> ImageArguments:
    """The arguments of a tool that makes images.

    Raises:
        UsageError: they do not fit the tool's schema.
    """
    given = checked_arguments(tool, arguments)
    return ImageArguments(
        request=request_of(given),
        images=tuple(given.get("images", ())),
        mask=given.get("mask"),
        markup=given.get("markup"),
        wishes=wishes_in(given),
        output=given.get("output"),
        max_cost_usd=given.get("max_cost_usd"),
        preview=given.get("preview", True),
    )


def request_of(given: Mapping[str, Any]) -> ImageRequest:
    """The request in checked arguments, without its input images; its model is empty where none is named."""
    fields = {name: given[name] for name in ("prompt", *REQUEST_FIELDS) if name in given}
    fields.setdefault("stream", "partial_images" in given)
    fields.setdefault("model", "")
    return ImageRequest(**fields)


@lru_cache(maxsize=None)
def _validator(tool: str) -> Draft202012Validator:
    return Draft202012Validator(input_schema(tool) or {})
