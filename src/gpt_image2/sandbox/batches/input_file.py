"""Reads and checks the input file of a batch, line by line: never more than one line of it is in memory."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from gpt_image2.core.api import models

MAX_LINES = 50_000
_MAX_ERRORS = 100
_REQUIRED = (
    ("custom_id", str, "a string"),
    ("method", str, "a string"),
    ("url", str, "a string"),
    ("body", dict, "an object"),
)


@dataclass(frozen=True)
class LineError:
    """What is wrong with an input file; `line` counts from 1."""

    code: str
    message: str
    param: str | None = None
    line: int | None = None


@dataclass(frozen=True)
class Checked:
    """An input file that was read to its end: where its lines begin, in bytes, and what is wrong with it."""

    offsets: Sequence[int]
    model: str | None
    errors: tuple[LineError, ...]


def check_input(path: Path, endpoint: str) -> Checked:
    """Check every line of an input file for an endpoint such as `/v1/images/edits`."""
    checker = _Checker(endpoint)
    offsets = array("Q")
    errors: list[LineError] = []
    for number, offset, line in _lines(path):
        offsets.append(offset)
        if len(offsets) > MAX_LINES:
            message = f"The batch input file has more than {MAX_LINES} requests, which is the maximum."
            errors.insert(0, LineError("too_many_tasks", message))
            break
        if len(errors) < _MAX_ERRORS:
            errors += checker.errors_of(number, line)
    if not offsets:
        message = "The batch input file is empty. Please ensure that it holds at least one request."
        errors.append(LineError("empty_file", message))
    return Checked(offsets, checker.model, tuple(errors))


def line_at(path: Path, offset: int) -> dict[str, Any]:
    """The request on a line of a file that was checked."""
    with path.open("rb") as file:
        file.seek(offset)
        return json.loads(file.readline())


class _Checker:
    """Knows what the lines before had, so that the next one can be judged."""

    def __init__(self, endpoint: str) -> None:
        self.model: str | None = None
        self._endpoint = endpoint
        self._custom_ids: set[bytes] = set()

    def errors_of(self, number: int, line: bytes) -> list[LineError]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return [LineError("invalid_json_line", "This line is not parseable as valid JSON.", line=number)]
        if not isinstance(request, dict):
            message = "Each line must be a JSON object."
            return [LineError("invalid_request", message, line=number)]
        fields = cast("dict[str, Any]", request)
        missing = [
            LineError("missing_required_parameter", f"Missing required parameter: '{name}'.", name)
            for name, _, _ in _REQUIRED
            if fields.get(name) is None
        ]
        mistyped = [
            LineError("invalid_type", f"Invalid type for '{name}': expected {words}.", name)
            for name, kind, words in _REQUIRED
            if not isinstance(fields.get(name), kind)
        ]
        found = missing or mistyped or [*self._mismatched(fields), *self._bad_model(fields)]
        return [replace(error, line=number) for error in found]

    def _mismatched(self, fields: dict[str, Any]) -> Iterator[LineError]:
        custom_id, method = fields["custom_id"], fields["method"]
        digest = hashlib.sha256(custom_id.encode("utf-8", "surrogatepass")).digest()[:16]
        if digest in self._custom_ids:
            message = (
                f"The custom_id '{custom_id}' for this request is a duplicate of another request. The "
                "custom_id parameter must be unique for each request in a batch."
            )
            yield LineError("duplicate_custom_id", message, "custom_id")
        self._custom_ids.add(digest)
        if method != "POST":
            message = f"Invalid value: '{method}'. Supported values are: 'POST'."
            yield LineError("invalid_method", message, "method")
        if fields["url"] != self._endpoint:
            message = "The URL provided for this request does not match the batch endpoint."
            yield LineError("invalid_url", message, "url")

    def _bad_model(self, fields: dict[str, Any]) -> Iterator[LineError]:
        model = fields["body"].get("model")
        if model is None:
            yield LineError("invalid_request", "Model parameter is required.", "body.model")
        elif model not in models.KNOWN_MODELS:
            message = f"The provided model '{model}' is not supported by the Batch API."
            yield LineError("model_not_found", message, "body.model")
        elif self.model is None:
            self.model = model
        elif model != self.model:
            message = (
                f"The model '{model}' for this request does not match the rest of the batch. Each batch must "
                "contain requests for a single model."
            )
            yield LineError("mismatched_model", message, "body.model")


def _lines(path: Path) -> Iterator[tuple[int, int, bytes]]:
    """The number, from 1, the offset and the bytes of each line that is not blank."""
    offset = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield number, offset, line
            offset += len(line)
