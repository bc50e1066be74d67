"""Read a request's body: JSON or multipart in, a `Submission` out. Reads the connection and the files that a
body names; judges nothing.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from ..image_request import Endpoint
from .errors import Refused, invalid, wrong_type
from .submission import Submission, Upload

#: An uploaded file by its ID, as an upload of a named field.
FindUpload = Callable[[str, str], "Upload | None"]

_DATA_URL = re.compile(r"data:(?P<type>[\w.+-]+/[\w.+-]+);base64,(?P<data>.*)", re.DOTALL)
#: Far above what the API accepts, so that the refusal is the API's and not the parser's.
_MAX_PARTS = 200
_NOT_JSON = (
    "We could not parse the JSON body of your request. (HINT: This likely means you aren't using your HTTP "
    "library correctly. The OpenAI API expects a JSON payload, but what was sent was not valid JSON. If you "
    "have trouble figuring out how to fix this, please contact us through our help center at "
    "help.openai.com.)"
)


async def read_submission(request: Request, endpoint: Endpoint, find_upload: FindUpload) -> Submission:
    """The body as it came; whatever is wrong with it is in `Submission.problem`."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type == "multipart/form-data" and endpoint == "edits":
        return await _read_multipart(request, endpoint)
    body = await request.body()
    if content_type not in ("", "application/json"):
        return Submission(endpoint, {}, problem=_unsupported_type(content_type, endpoint))
    try:
        return submission_of(endpoint, json_object(body), find_upload)
    except Refused as problem:
        return Submission(endpoint, {}, problem=problem)


def json_object(body: bytes) -> dict[str, Any]:
    """The fields of a body."""
    with suppress(ValueError):
        fields = json.loads(body)
        if isinstance(fields, dict):
            return cast("dict[str, Any]", fields)
    raise Refused(400, _NOT_JSON)


async def _read_multipart(request: Request, endpoint: Endpoint) -> Submission:
    try:
        form = await request.form(max_files=_MAX_PARTS, max_fields=_MAX_PARTS)
    except HTTPException as error:
        message = f"Could not parse multipart form: {error.detail}"
        return Submission(endpoint, {}, textual=True, problem=Refused(400, message))
    fields: dict[str, Any] = {}
    uploads: list[Upload] = []
    for name, value in form.multi_items():
        if isinstance(value, UploadFile):
            uploads.append(Upload(name, value.filename, value.content_type, await value.read()))
        else:
            fields.setdefault(name, value)
    await form.close()
    counts = Counter(name for name, _ in form.multi_items() if not name.endswith("[]"))
    repeated = next((name for name, count in counts.items() if count > 1), None)
    problem = _duplicate(repeated) if repeated else None
    return Submission(endpoint, fields, tuple(uploads), textual=True, problem=problem)


def submission_of(endpoint: Endpoint, fields: dict[str, Any], find_upload: FindUpload) -> Submission:
    """The submission of a JSON body.

    Edits name their inputs by reference; these become uploads like those of a multipart body.
    """
    if endpoint != "edits":
        return Submission(endpoint, fields)
    images, mask = fields.get("images"), fields.get("mask")
    rest = {name: value for name, value in fields.items() if name not in ("images", "mask")}
    if images is not None and not isinstance(images, list):
        return Submission(endpoint, rest, problem=wrong_type("images", "an array of objects"))
    named = [(f"images[{index}]", each) for index, each in enumerate(cast("list[Any]", images or []))]
    if mask is not None:
        named.append(("mask", mask))
    uploads: list[Upload] = []
    for name, reference in named:
        try:
            uploads.append(_upload_of(name, reference, find_upload))
        except Refused as problem:
            return Submission(endpoint, rest, tuple(uploads), problem=problem)
    return Submission(endpoint, rest, tuple(uploads))


def _upload_of(name: str, reference: Any, find_upload: FindUpload) -> Upload:
    if not isinstance(reference, dict):
        raise wrong_type(name, "an object")
    url, file_id = reference.get("image_url"), reference.get("file_id")  # pyright: ignore
    field = "mask" if name == "mask" else "images"
    if isinstance(file_id, str) and url is None:
        upload = find_upload(field, file_id)
        if upload is None:
            raise Refused(404, f"No such File object: {file_id}", param=f"{name}.file_id")
        return upload
    if not isinstance(url, str):
        message = f"Invalid '{name}': exactly one of 'image_url' and 'file_id' must be given."
        raise invalid(name, "invalid_value", message)
    match = _DATA_URL.fullmatch(url)
    if match is None:
        message = f"Invalid '{name}.image_url': the sandbox is offline and accepts base64 data URLs only."
        raise invalid(f"{name}.image_url", "invalid_image_url", message)
    try:
        data = base64.b64decode(match["data"], validate=True)
    except (binascii.Error, ValueError):
        message = f"Invalid '{name}.image_url': the base64 data could not be decoded."
        raise invalid(f"{name}.image_url", "invalid_base64", message) from None
    return Upload(field, None, match["type"], data)


def _duplicate(name: str) -> Refused:
    return invalid(
        name,
        "duplicate_parameter",
        f"Duplicate parameter: '{name}'. You provided multiple values for this parameter, whereas only "
        "one is allowed. If you are trying to provide a list of values, use the array syntax instead e.g. "
        f"'{name}[]=<value>'.",
    )


def _unsupported_type(content_type: str, endpoint: Endpoint) -> Refused:
    accepted = (
        "'application/json'" if endpoint == "generations" else "'multipart/form-data' or 'application/json'"
    )
    message = (
        f"Unsupported content type: '{content_type}'. This API method only accepts {accepted} requests, "
        f"but you specified the header 'Content-Type: {content_type}'. Please try again with a supported "
        "content type."
    )
    return Refused(400, message, code="unsupported_content_type")
