"""Learns, for the price of one small image, what a base URL really does.

A refusal is free, so the form of a refusal is asked for first; what a relay paints even then is saved and
counted. The paid request is an edit of two tiny pictures, streamed, as jpeg, in a given size: its one answer
tells the most. Where a field or the endpoint is refused, it is changed and asked again; refusals before work
cost nothing either.
"""

from __future__ import annotations

import os
import struct
import zlib
from itertools import count
from operator import attrgetter
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from ..api.cost import cost_of_usage
from ..api.request import ImageRequest, InputImage
from ..base.errors import GptImage2Error
from ..base.events import Event, Observer, Warned
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import replace
from ..base.redact import mask_secrets
from ..calls.call import Call
from ..calls.download import DEFAULT_MAX_DOWNLOAD_BYTES
from ..calls.exchange import Host, host_of
from ..calls.explain import refuses_stream
from ..calls.lane import Lane, LaneEnd
from ..calls.retry import Attempt
from ..calls.under_way import CallPolicy
from ..ledger.entries import Opening
from ..ledger.recording import Ledger, recorded
from ..outputs.files import Room, prepare_folder, temporary_folder, write_private
from ..outputs.naming import OutputPlan
from ..settings.config import Settings
from ..settings.hosts import HostFacts
from ..settings.learnt import save_facts, today
from ..settings.places import state_folder
from ..telling.output import Output
from .checks import Check
from .options import YES_NO

PROBE_COMMAND = "doctor"
PROBE_TIMEOUT_S = 600.0
_PROBE_SIZE = "1024x1024"
_INPUT_EDGE = 64
_MAX_REFUSALS = 5
_FIELD_REFUSED = (400, 422)
_ENDPOINT_MISSING = (404, 405, 501)
#: Nobody can paint it: a picture of nothing, without a pixel, by no model.
_UNPAINTABLE = ImageRequest(prompt="", model="no-such-model-this-is-a-probe", size="0x0")


class Probe(Call):
    """One probe, as a call of two images at most: what comes is saved and counted as in any other."""

    def __init__(self, host: Host, picture: Path, observer: Observer) -> None:
        plan = OutputPlan(
            picture.parent, picture.stem, picture.suffix, False, True, picture.parent / "rescued"
        )
        policy = CallPolicy(PROBE_TIMEOUT_S, 0, False, DEFAULT_MAX_DOWNLOAD_BYTES, save_partials=False)
        super().__init__(host, probe_request(host.settings), plan, policy, observer, numbers=(1, 2))
        self._results: List[Result] = []
        #: What it came to, where it came to an end.
        self.result: Optional[Result] = None
        #: What was learnt by now.
        self.facts = HostFacts(probed_on=today())

    def _run(self, warnings: Tuple[str, ...]) -> Result:
        for warning in warnings:
            self.warn(warning)
        with self.host.stop, temporary_folder() as folder:
            self._ask_for_a_refusal()
            inputs = tuple(_input(folder / f"{name}.png", shade) for name, shade in (("a", 64), ("b", 192)))
            error = self._ask_for_an_image(replace(self.request, images=inputs))
        paid = [result for result in self._results if result.billed is not Billed.NO]
        result = self.result = replace(
            self._result(paid or self._results[-1:]),
            command=PROBE_COMMAND,
            attempts=self.attempts - (self.facts.refusal is not None),  # that one was free
        )
        if error is not None:
            error = self._error([error], result) or error
            error.result = result
            raise error
        return result

    def _send(self, request: ImageRequest) -> Tuple[Attempt, LaneEnd]:
        number = 1 + sum(len(result.images) for result in self._results)
        end, attempt, _ = Lane(self, request, [number], count(number + 1)).send()
        self._results.append(end[0])
        return attempt, end

    def _ask_for_a_refusal(self) -> None:
        """Learns what a refusal looks like: `openai` for the official envelope, else `other`."""
        attempt, (result, _) = self._send(_UNPAINTABLE)
        if result.images or attempt.answer.urls:
            usage, prices = attempt.answer.usage, self.host.settings.prices
            cost_usd = cost_of_usage(self.request.model, usage, prices) if usage else None
            price = self.request.estimate(prices)
            if cost_usd is None and price is not None:
                cost_usd = price.high_usd
            sum_of_it = "an unknown sum" if cost_usd is None else f"about ${cost_usd:.4f}"
            self.warn(f"this host paints what the API refuses: {sum_of_it} more may be billed for it")
        elif 400 <= attempt.status < 500:
            is_official = attempt.error is not None and (attempt.error.type or attempt.error.code)
            self.facts = replace(self.facts, refusal="openai" if is_official else "other")

    def _ask_for_an_image(self, request: ImageRequest) -> Optional[GptImage2Error]:
        """Asks until an image comes, and learns from it; the error where none does."""
        for left in range(_MAX_REFUSALS, -1, -1):
            attempt, (result, error) = self._send(request)
            if result.images or attempt.answer.urls:
                self.facts = _learnt(self.host, self.facts, request, attempt, result.images)
                if error is not None:
                    self.warn(error.message)
                return None
            changed = _changed(self.host, request, attempt)
            if changed is None or not left or self.host.stop.is_set:
                return error
            self.host, request = changed
        raise AssertionError("the last refusal returns")


def probe_request(settings: Settings) -> ImageRequest:
    """What it asks for, before it knows more: of the model that the settings name."""
    return ImageRequest(
        prompt="A plain grey circle on a white ground",
        model=settings.model,
        size=_PROBE_SIZE,
        quality="low",
        output_format="jpeg",
        stream=True,
        partial_images=1,
    )


def _learnt(
    host: Host, facts: HostFacts, request: ImageRequest, attempt: Attempt, images: Tuple[SavedImage, ...]
) -> HostFacts:
    image = images[0] if images else None
    return replace(
        facts,
        answers="url" if attempt.answer.urls else "b64_json",
        streams=attempt.answer.shape == "sse" if request.stream else False,
        tasks=attempt.accepted is not None,
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
    return f"--probe makes one low-quality image for {price_in_words(settings)}"


def price_in_words(settings: Settings) -> str:
    price = probe_request(settings).estimate(settings.prices)
    return f"about ${price.high_usd:.3f}" if price else "an unknown price"


def probe_and_tell(settings: Settings, stop: StopSwitch, output: Output) -> Tuple[Check, Billed]:
    """Probes the base URL and keeps what was learnt; the finding, and whether it was paid for."""
    output.say(probe_in_words(settings))
    folder = state_folder(os.environ)
    prepare_folder(folder, what="state folder")
    picture = folder / f"probe-{os.urandom(4).hex()}.jpg"
    probe = Probe(host_of(settings, os.environ, stop), picture, _observer(output))
    try:
        Room().take(2 * probe.request.most_bytes, [folder])
        return _told(probe, settings, folder, picture)
    except Exception as defect:
        said = mask_secrets(f"internal error: {defect!r}", settings.secrets)
        error = defect if isinstance(defect, GptImage2Error) else GptImage2Error(said)
        result = error.result or probe.result
        billed = max(error.billed, result.billed, key=attrgetter("rank")) if result else error.billed
        places = _places(result.images if result else ())
        return Check("probe", "fail", error.message + places, error.hint, exit_code=error.exit_code), billed


def _told(probe: Probe, settings: Settings, folder: Path, picture: Path) -> Tuple[Check, Billed]:
    try:
        result = _recorded(probe, settings, picture)
    finally:
        probe.gate.close()
    save_facts(folder, settings.base_url, probe.facts)
    facts = ", ".join(
        f"{name}: {YES_NO.get(value, value) if isinstance(value, bool) else value}"
        for name, value in vars(probe.facts).items()
        if value is not None
    )
    cost = f"; cost ${result.cost_usd:.4f}" if result.cost_usd is not None else ""
    return Check("probe", "ok", facts + cost + _places(result.images)), result.billed


def _places(images: Sequence[SavedImage]) -> str:
    pictures = "pictures" if len(images) > 1 else "picture"
    return f"; {pictures}: {', '.join(image.path for image in images)}" if images else ""


def _observer(output: Output) -> Observer:
    def observe(event: Event) -> None:
        if isinstance(event, Warned):
            output.warn(event.message)

    return observe


def _recorded(probe: Probe, settings: Settings, picture: Path) -> Result:
    """Runs the probe and records it in the ledger like any call, since it is paid for."""
    if not settings.history:
        return probe.run()
    opening = Opening(
        base_url=settings.base_url,
        profile=settings.profile,
        command=PROBE_COMMAND,
        request=probe.request,
        output=str(picture),
        estimate=probe.request.estimate(settings.prices),
    )
    ledger = Ledger(state_folder(os.environ), settings.secrets)

    def run(warnings: Tuple[str, ...], row: int) -> Result:
        probe.on_accepted = lambda task_id: ledger.accepted(row, task_id, probe.warn)
        return probe.run(warnings, row)

    return recorded(ledger, opening, run, probe.observer)
