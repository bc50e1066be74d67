"""The endpoints of the Batch API: what it refuses at once, and what it tells of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from starlette.requests import Request
from starlette.routing import Route

from ..api.access import json_delivered
from ..api.errors import invalid, missing_parameter, unknown_parameter, unsupported_value, wrong_type
from ..api.request_body import json_object
from ..connection import Delivery
from ..faults.admission import admit
from .batch import BatchOrder
from .file_endpoints import checked_lives_s
from .file_store import FileStore
from .output_lines import ENDPOINTS
from .paging import page
from .runner import BatchRunner

_REQUIRED = ("input_file_id", "endpoint", "completion_window")
_FIELDS = (*_REQUIRED, "metadata", "output_expires_after")
_MAX_PAIRS, _MAX_KEY_CHARS, _MAX_VALUE_CHARS = 16, 64, 512


class BatchEndpoints:
    """The endpoints of one sandbox's batches."""

    def __init__(self, runner: BatchRunner, files: FileStore) -> None:
        self._runner = runner
        self._files = files

    def routes(self, base: str) -> list[Route]:
        return [
            Route(f"{base}/batches", self.create, methods=["POST"]),
            Route(f"{base}/batches", self.list, methods=["GET"]),
            Route(f"{base}/batches/{{id}}", self.retrieve, methods=["GET"]),
            Route(f"{base}/batches/{{id}}/cancel", self.cancel, methods=["POST"]),
        ]

    async def create(self, request: Request) -> Delivery:
        body = await request.body()
        admit(request)
        return json_delivered(self._runner.start(self._order(body)).as_json())

    async def list(self, request: Request) -> Delivery:
        admit(request)
        return json_delivered(page(self._runner.all(), request.query_params, default=20, most=100))

    async def retrieve(self, request: Request) -> Delivery:
        admit(request)
        return json_delivered(self._runner.get(request.path_params["id"]).as_json())

    async def cancel(self, request: Request) -> Delivery:
        admit(request)
        return json_delivered(self._runner.cancel(request.path_params["id"]).as_json())

    def _order(self, body: bytes) -> BatchOrder:
        fields = _fields_of(body)
        endpoint, window = fields["endpoint"], fields["completion_window"]
        if endpoint not in ENDPOINTS:
            raise unsupported_value("endpoint", endpoint, list(ENDPOINTS))
        if window != "24h":
            raise unsupported_value("completion_window", window, ["24h"])
        self._check_input_file(fields["input_file_id"])
        return BatchOrder(
            fields["input_file_id"],
            endpoint,
            _metadata(fields.get("metadata")),
            _outputs_live_s(fields.get("output_expires_after")),
        )

    def _check_input_file(self, file_id: str) -> None:
        file = self._files.find(file_id)
        if file is None:
            message = f"Cannot find file {file_id}, or organization org-sandbox does not have access to it."
            raise invalid("input_file_id", "invalid_request", message)
        if file.purpose != "batch":
            message = f"Invalid file purpose: expected 'batch', but got '{file.purpose}' instead."
            raise invalid("input_file_id", "invalid_file_purpose", message)


def _fields_of(body: bytes) -> dict[str, Any]:
    """The fields of an order: all that are required are there, and are text."""
    fields = json_object(body)
    for name in fields:
        if name not in _FIELDS:
            raise unknown_parameter(name)
    for name in _REQUIRED:
        if fields.get(name) is None:
            raise missing_parameter(name)
        if not isinstance(fields[name], str):
            raise wrong_type(name, "a string")
    return fields


def _metadata(value: Any) -> Mapping[str, str] | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise wrong_type("metadata", "an object")
    pairs = cast("dict[str, Any]", value)
    if len(pairs) > _MAX_PAIRS:
        message = f"Invalid 'metadata': expected at most {_MAX_PAIRS} pairs, but got {len(pairs)} instead."
        raise invalid("metadata", "object_above_max_properties", message)
    for key, text in pairs.items():
        name = f"metadata.{key}"
        if not isinstance(text, str):
            raise wrong_type(name, "a string")
        if len(key) > _MAX_KEY_CHARS or len(text) > _MAX_VALUE_CHARS:
            message = (
                f"Invalid '{name}': string too long. Keys have at most {_MAX_KEY_CHARS} characters, values "
                f"{_MAX_VALUE_CHARS}."
            )
            raise invalid(name, "string_above_max_length", message)
    return pairs


def _outputs_live_s(value: Any) -> int | None:
    if value is None:
        return None
    seconds = value.get("seconds") if isinstance(value, dict) else None  # pyright: ignore
    if seconds is None or value.get("anchor") != "created_at" or not isinstance(seconds, int):
        message = "Invalid 'output_expires_after': expected the anchor 'created_at' and an integer 'seconds'."
        raise invalid("output_expires_after", "invalid_value", message)
    return checked_lives_s("output_expires_after.seconds", seconds)
