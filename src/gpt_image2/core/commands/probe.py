"""Learns, for the price of one small image, what a base URL really does.

A refusal is free, so the form of a refusal is asked for first. The paid request is an edit of two tiny
pictures, streamed, as jpeg, in a given size: its one answer tells the most. Where a field or the endpoint is
refused, it is changed and asked again; refusals before work cost nothing either.
"""

from __future__ import annotations

import json
import os
import struct
import time
import zlib
from itertools import count
from pathlib import Path
from typing import List, Mapping, Optional, Tuple

from ..api.models import CostEstimate, Prices, cost_of_usage
from ..api.request import ImageRequest, InputImage
from ..base.errors import GptImage2Error
from ..base.events import Event, Warned
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import Record, replace
from ..calls.exchange import Host, host_of, send_once
from ..calls.explain import refuses_stream
from ..calls.retry import Attempt, judge, request_id
from ..calls.server_error import read_server_error
from ..ledger.entries import Opening
from ..ledger.recording import Ledger, recorded
from ..outputs.collect import ImageCollector
from ..outputs.files import prepare_folder, temporary_folder, write_private
from ..outputs.naming import OutputPlan
from ..outputs.store import Spool
from ..settings.config import Settings
from ..settings.hosts import HostFacts, save_facts, today
from ..settings.places import state_folder
from ..telling.output import Output
from .checks import Check, ask, explained
from .options import YES_NO

PROBE_COMMAND = "doctor"
PROBE_TIMEOUT_S = 600.0
_PROBE_SIZE = "1024x1024"
_INPUT_EDGE = 64
_MAX_REFUSALS = 5
_NO_SUCH_MODEL = "no-such-model-this-is-a-probe"
_FIELD_REFUSED = (400, 422)
_ENDPOINT_MISSING = (404, 405, 501)
PROBE = ImageRequest(
    prompt="A plain grey circle on a white ground",
    size=_PROBE_SIZE,
    quality="low",
    output_format="jpeg",
    stream=True,
    partial_images=1,
)


class ProbeOutcome(Record):
    """What was learnt, and what the paid request ended with."""

    facts: HostFacts
    result: Result


def probe_price(prices: Mapping[str, Prices]) -> Optional[CostEstimate]:
    return PROBE.estimate(prices)


def probe(host: Host, picture: Path) -> ProbeOutcome:
    """Asks the base URL; the picture that it paints is saved, since it is paid for. The `result` of an error
    says what was sent."""
    started = time.monotonic()
    with temporary_folder() as folder:
        facts = HostFacts(probed_on=today(), refusal=_refusal(host, folder))
        inputs = tuple(_input(folder / f"{name}.png", shade) for name, shade in (("a", 64), ("b", 192)))
        request = replace(PROBE, images=inputs)
        refusals = 0
        while True:
            attempt, images = _send(host, request, picture)
            result = replace(
                _result(host, request, attempt, images),
                attempts=refusals + 1,
                requests_sent=refusals + attempt.end.sent,
                elapsed_s=time.monotonic() - started,
            )
            if images or attempt.answer.urls:
                return ProbeOutcome(_learnt(host, facts, request, attempt, images), result)
            changed = _changed(host, request, attempt)
            refusals += 1
            if changed is None or refusals > _MAX_REFUSALS:
                error = explained(host.settings, attempt, request)
                error.result = result
                raise error
            host, request = changed


def _refusal(host: Host, folder: Path) -> Optional[str]:
    """What a refusal looks like: `openai` for the official envelope, else `other`; None without one."""
    body = folder / "refused"
    # Without a prompt: a relay that takes any model for its own would paint one, and bill it.
    write_private(body, json.dumps({"model": _NO_SUCH_MODEL}).encode())
    attempt, document = ask(host, "/images/generations", str(body))
    if not 400 <= attempt.status < 500:
        return None
    error = read_server_error(document)
    return "openai" if error is not None and (error.type or error.code) else "other"


def _send(host: Host, request: ImageRequest, picture: Path) -> Tuple[Attempt, Tuple[SavedImage, ...]]:
    plan = OutputPlan(picture.parent, picture.stem, picture.suffix, False, True, picture.parent)
    collector = ImageCollector(plan, count(1))
    spool = Spool(picture.parent)
    try:
        attempt = send_once(host, request, collector, spool, PROBE_TIMEOUT_S)
    finally:
        collector.close()
        spool.discard()
    return attempt, collector.images


def _result(host: Host, request: ImageRequest, attempt: Attempt, images: Tuple[SavedImage, ...]) -> Result:
    usage = attempt.answer.usage
    return Result(
        command=PROBE_COMMAND,
        model=request.model,
        images=images,
        usage=usage,
        cost_usd=cost_of_usage(request.model, usage, host.settings.prices) if usage else None,
        billed=Billed.YES if images or attempt.answer.urls else judge(attempt).billed,
        http_status=attempt.status or None,
        request_id=request_id(attempt.head, host.settings.secrets),
    )


def _learnt(
    host: Host, facts: HostFacts, request: ImageRequest, attempt: Attempt, images: Tuple[SavedImage, ...]
) -> HostFacts:
    image = images[0] if images else None
    return replace(
        facts,
        answers="b64_json" if images else "url",
        streams=attempt.answer.shape == "sse" if request.stream else False,
        edits=bool(request.images),
        image_field=host.settings.image_field if request.images else None,
        format_field=host.settings.format_field if image and image.format == "jpeg" else None,
        honours_size=None if image is None else f"{image.width}x{image.height}" == _PROBE_SIZE,
    )


def _changed(host: Host, request: ImageRequest, attempt: Attempt) -> Optional[Tuple[Host, ImageRequest]]:
    """The next thing to ask after a free refusal, or None when nothing is left to change."""
    if attempt.status in _ENDPOINT_MISSING and request.images:
        return host, replace(request, images=())
    if attempt.status not in _FIELD_REFUSED or attempt.error is None:
        return None
    if request.stream and refuses_stream(attempt):
        return host, request.without_stream()
    settings = host.settings
    about = f"{attempt.error.param} {attempt.error.message}"
    if settings.format_field in about and settings.format_field != "format":
        settings = replace(settings, format_field="format")
    elif "image" in about and settings.image_field != "image":
        settings = replace(settings, image_field="image")
    else:
        return None
    return replace(host, settings=settings), request


def _input(path: Path, shade: int) -> InputImage:
    rows = (b"\0" + bytes([shade, shade, shade]) * _INPUT_EDGE) * _INPUT_EDGE
    header = struct.pack(">IIBBBBB", _INPUT_EDGE, _INPUT_EDGE, 8, 2, 0, 0, 0)
    chunks: List[bytes] = []
    for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")):
        chunks.append(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    write_private(path, data)
    return InputImage(str(path), path.name, "png", _INPUT_EDGE, _INPUT_EDGE, len(data), False)


def probe_in_words(settings: Settings) -> str:
    price = probe_price(settings.prices)
    cost = f"about ${price.high_usd:.3f}" if price else "an unknown price"
    return f"--probe makes one low-quality image for {cost}"


def probe_and_tell(settings: Settings, stop: StopSwitch, output: Output) -> Tuple[Check, Billed]:
    """Probes the base URL and keeps what was learnt; the finding, and whether it was paid for."""
    output.say(probe_in_words(settings))
    folder = state_folder(os.environ)
    prepare_folder(folder)
    picture = folder / f"probe-{os.urandom(4).hex()}.jpg"
    try:
        outcome = _recorded_probe(settings, picture, stop, output)
    except GptImage2Error as error:
        check = Check("probe", "fail", error.message, error.hint, exit_code=error.exit_code)
        return check, error.billed
    save_facts(folder, settings.base_url, outcome.facts)
    facts = ", ".join(
        f"{name}: {YES_NO.get(value, value) if isinstance(value, bool) else value}"
        for name, value in vars(outcome.facts).items()
        if value is not None
    )
    result = outcome.result
    cost = f"; cost ${result.cost_usd:.4f}" if result.cost_usd is not None else ""
    place = f"; picture: {result.images[0].path}" if result.images else ""
    return Check("probe", "ok", facts + cost + place), Billed.YES


def _recorded_probe(settings: Settings, picture: Path, stop: StopSwitch, output: Output) -> ProbeOutcome:
    """Runs the probe and records it in the ledger like any call, since it is paid for."""
    outcomes: List[ProbeOutcome] = []

    def run(warnings: Tuple[str, ...], _row: int) -> Result:
        for warning in warnings:
            output.warn(warning)
        with stop:
            outcomes.append(probe(host_of(settings, os.environ, stop), picture))
        return outcomes[0].result

    def observe(event: Event) -> None:
        if isinstance(event, Warned):
            output.warn(event.message)

    if settings.history:
        opening = Opening(
            base_url=settings.base_url,
            command=PROBE_COMMAND,
            request=PROBE,
            output=str(picture),
            estimate=probe_price(settings.prices),
        )
        recorded(Ledger(state_folder(os.environ), settings.secrets), opening, run, observe)
    else:
        run((), 0)
    return outcomes[0]
