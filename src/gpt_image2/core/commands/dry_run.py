"""`--dry-run`: the exact request and its cost, and nothing is sent."""

from __future__ import annotations

from typing import Any, Dict, Tuple

from ..api.png_alpha import clear_share_of
from ..api.request import ImageRequest
from ..base.errors import ConfigError
from ..base.outcome import Billed
from ..base.redact import mask_secrets
from ..calls.client import Client
from ..calls.exchange import file_parts
from ..calls.under_way import PreparedCall
from ..settings.config import Settings
from ..settings.host_field import with_query
from ..telling.amounts import cost_in_words, estimate_json
from ..telling.output import Output
from .options import ImageCommand


def show_unsent(
    prepared: PreparedCall, client: Client, command: ImageCommand, output: Output, finishing: Any
) -> None:
    """Prints what would be sent and what it would cost."""
    settings, request = client.settings, prepared.request
    warnings = prepared.warnings
    try:
        settings.require_key()
    except ConfigError as error:
        warnings += (error.message,)
    url, body = _described(settings, request)
    headers = settings.shown_headers
    estimate = request.estimate(settings.prices)
    outputs = [str(prepared.plan.path(index)) for index in range(1, request.count + 1)]
    body = mask_secrets(body, settings.secrets)
    kind = "multipart/form-data" if request.images else "application/json"
    head = "\n".join([f"POST {url}", *(f"{name}: {value}" for name, value in headers.items())])
    output.result(f"{head}\nContent-Type: {kind}\n\n{body}\n")
    if request.mask is not None:
        share = clear_share_of(request.mask)
        if share is not None:
            width, height = request.mask.width, request.mask.height
            output.result(f"Mask: {share:.1%} of {width}x{height} is to be edited")
    output.result(f"Estimated cost: {cost_in_words(estimate)}")
    further: Dict[str, object] = {} if finishing is None else finishing.show_price(output)
    for path in outputs:
        output.result(f"Output: {path}")
    output.result("Nothing was sent.")
    for warning in warnings:
        output.warn(warning)
    output.finish(
        {
            "ok": True,
            "command": command.command,
            "dry_run": True,
            "url": url,
            "headers": headers,
            "body": body,
            "outputs": outputs,
            "cost_usd": estimate_json(estimate),
            **further,
            "billed": Billed.NO.value,
            "warnings": list(warnings),
        }
    )


def _described(settings: Settings, request: ImageRequest) -> Tuple[str, str]:
    """The URL with its keys masked, and the exact body as text; a multipart body by its parts."""
    url = with_query(settings.base_url + request.endpoint, settings.query, shown=True)
    format_field = settings.format_field
    if not request.images:
        return url, request.json_body(format_field).decode("utf-8")
    lines = [f"{name}={value}" for name, value in request.form_texts(format_field)]
    for part in file_parts(request, settings.image_field):
        lines.append(f"{part.name}=@{part.path} (filename={part.filename}, {part.mime_type})")
    return url, "\n".join(lines)
