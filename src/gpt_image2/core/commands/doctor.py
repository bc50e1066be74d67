"""The command `doctor`: says what the checks find, and pays for a probe when it is asked to."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

from ..base.errors import GptImage2Error, UsageError
from ..base.events import Event, Warned
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, ExitCode, Result
from ..calls.exchange import host_of
from ..ledger.entries import Opening
from ..ledger.recording import Ledger, recorded
from ..outputs.files import prepare_folder
from ..settings.config import Settings, load_settings, state_folder
from ..settings.hosts import forget_facts, save_facts
from ..telling.output import Output
from .checks import Check, check_json, examine, verdict
from .options import YES_NO, doctor_parser
from .probe import PROBE, PROBE_COMMAND, ProbeOutcome, probe, probe_price

_STATUS_WIDTH = 5
_NAME_WIDTH = 13


def run_doctor(words: Sequence[str], output: Output, stop: StopSwitch) -> int:
    args = doctor_parser().parse_args(list(words))
    where = {"config": args.config, "base_url": args.base_url, "api_key": args.api_key}
    if args.probe and not args.yes:
        raise UsageError(_probe_price(load_settings(os.environ, **where)), hint="add --yes to pay for it")
    checks: List[Check] = []
    billed = Billed.NO
    found = (
        iter([_forget(load_settings(os.environ, **where))])
        if args.forget
        else examine(os.environ, stop, **where)
    )
    for check in found:
        checks.append(check)
        _say_check(check, output)
    if args.probe and verdict(checks) is ExitCode.OK:
        settings = load_settings(os.environ, **where)
        output.say(_probe_price(settings))
        check, billed = _probe(settings, stop, output)
        checks.append(check)
        _say_check(check, output)
    failed = next((check for check in checks if check.status == "fail"), None)
    error: Optional[Dict[str, object]] = None
    if failed is not None:
        error = {"code": f"doctor_{failed.name}", "message": failed.detail, "hint": failed.cure}
    output.finish(
        {
            "ok": failed is None,
            "command": "doctor",
            "checks": [check_json(check) for check in checks],
            "billed": billed.value,
            "error": error,
        }
    )
    return verdict(checks)


def _probe_price(settings: Settings) -> str:
    price = probe_price(settings.prices)
    cost = f"about ${price.high_usd:.3f}" if price else "an unknown price"
    return f"--probe makes one low-quality image for {cost}"


def _probe(settings: Settings, stop: StopSwitch, output: Output) -> Tuple[Check, Billed]:
    """Probes the base URL and keeps what was learnt; the finding, and whether it was paid for."""
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

    def run(warnings: Tuple[str, ...]) -> Result:
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
        run(())
    return outcomes[0]


def _forget(settings: Settings) -> Check:
    url = settings.base_url
    forgotten = forget_facts(state_folder(os.environ), url)
    return Check("forget", "ok", f"forgot {url}" if forgotten else f"nothing was known of {url}")


def _say_check(check: Check, output: Output) -> None:
    seconds = f" in {check.elapsed_s:.3f} s" if check.elapsed_s is not None else ""
    output.result(f"{check.status:<{_STATUS_WIDTH}} {check.name:<{_NAME_WIDTH}} {check.detail}{seconds}")
    if check.cure:
        output.result(f"{'':<{_STATUS_WIDTH}} {'':<{_NAME_WIDTH}} → {check.cure}")
