"""What happened, as `--json` prints it. Pure."""

from __future__ import annotations

from typing import Dict, Optional

from ..base.errors import GptImage2Error
from ..base.outcome import Result, SavedImage
from .in_words import SANDBOX_MADE_IT


def image_json(image: SavedImage) -> Dict[str, object]:
    fields = dict(vars(image))
    fields["bytes"] = fields.pop("size_bytes")
    shown = {name: fields[name] for name in ("path", "bytes", "format", "width", "height", "sha256")}
    made = image.derivation
    if made is not None:
        shown.update(
            derived_from=[source.path for source in made.sources], method=made.method, **dict(made.figures)
        )
        shown["notes"] = list(made.notes)
    return shown


def result_json(result: Result) -> Dict[str, object]:
    usage = None
    if result.usage:
        usage = {
            "input_tokens": result.usage.input_tokens,
            "output_tokens": result.usage.output_tokens,
            "total_tokens": result.usage.total_tokens,
        }
    tasks = {"tasks": list(result.tasks)} if result.tasks else {}
    rehearsal = {"sandbox": True} if result.sandbox else {}
    return {
        "ok": True,
        "command": result.command,
        "model": result.model,
        "images": [image_json(image) for image in result.images],
        **tasks,
        "usage": usage,
        **({} if result.svg_usage is None else {"svg_usage": dict(vars(result.svg_usage))}),
        "cost_usd": None if result.cost_usd is None else round(result.cost_usd, 6),
        "billed": result.billed.value,
        "http_status": result.http_status,
        "request_id": result.request_id,
        "attempts": result.attempts,
        "elapsed_s": round(result.elapsed_s, 3),
        "warnings": [*result.warnings, *([SANDBOX_MADE_IT] if result.sandbox and result.images else ())],
        **rehearsal,
    }


def error_json(error: GptImage2Error, command: str) -> Dict[str, object]:
    """A failure as the object that `--json` prints, with the images that were saved all the same."""
    outcome: Dict[str, object] = {"command": command, "images": [], "attempts": 0}
    if error.result:
        outcome = result_json(error.result)
    outcome.update(ok=False, billed=error.billed.value, error=failure_json(error))
    return {"ok": False, **outcome}


def failure_json(error: Optional[GptImage2Error]) -> Optional[Dict[str, object]]:
    if error is None:
        return None
    return {
        "code": error.code,
        "message": error.message,
        "hint": error.hint,
        "http_status": error.http_status,
        "request_id": error.request_id,
    }
