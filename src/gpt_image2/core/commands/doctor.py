"""The commands around a call: `config` and `doctor`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Dict, List, Optional, Tuple

from ..base.errors import GptImage2Error, UsageError
from ..base.events import Event, Warned
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, ExitCode, Result
from ..base.turns import Turns
from ..calls.exchange import Wire
from ..ledger.entries import Opening
from ..ledger.recording import Ledger, recorded
from ..outputs.files import prepare_folder, write_config
from ..settings.config import TEMPLATE, Settings, config_locations, load_settings, state_folder
from ..settings.config_file import NO_PRICES
from ..settings.hosts import forget_facts, save_facts
from ..telling.output import Output
from .checks import Check, check_json, examine, verdict
from .options import config_parser, doctor_parser
from .probe import PROBE, PROBE_COMMAND, ProbeOutcome, probe, probe_price

_YES_NO = {True: "yes", False: "no", None: "unknown"}
_STATUS_WIDTH = 5
_NAME_WIDTH = 13


def run_config(rest: List[str], output: Output) -> ExitCode:
    """Runs `config`: writes a template, shows the settings in force, or both.

    Raises:
        GptImage2Error: a file cannot be read or written.
    """
    args = config_parser().parse_args(rest)
    outcome: Dict[str, object] = {"ok": True, "command": "config"}
    if args.init:
        named = Path(os.path.expanduser(args.config)) if args.config else config_locations(os.environ)[0]
        path = named.absolute()
        write_config(path, TEMPLATE, force=args.force)
        outcome["created"] = str(path)
        output.result(f"Created: {path}")
        output.say("edit it, or set the variable that api_key_env names; then: config --show")
    if args.show or not args.init:
        outcome.update(_show_config(args.config, output))
    output.finish(outcome)
    return ExitCode.OK


def _show_config(config: Optional[str], output: Output) -> Dict[str, object]:
    """Says which settings are in force and where each comes from; the same as an object."""
    settings = load_settings(os.environ, config=config)
    active = settings.config_file.path if settings.config_file else None
    sources = {**settings.sources, "state_folder": "XDG_STATE_HOME or its default"}
    if settings.api_key is None:
        sources["api_key"] = settings.key_problem or "no source has one"
    values = {
        "base_url": settings.base_url,
        "api_key": settings.masked_key,
        "format_field": settings.format_field,
        "image_field": settings.image_field,
        "streams": _YES_NO[settings.streams],
        "history": _YES_NO[settings.history],
        "prices": _prices_in_words(settings),
        "state_folder": str(state_folder(os.environ)),
    }
    for warning in settings.warnings:
        output.warn(warning)
    output.result(f"Active config: {active or 'none'}")
    looked_in = [str(path) for path in config_locations(os.environ)]
    if active is None:
        for place in looked_in:
            output.result(f"  looked for {place}")
    for name, value in values.items():
        output.result(f"{name:<13} {value}  ({sources[name]})")
    return {
        "active": active,
        "looked_in": looked_in,
        "settings": {name: {"value": value, "source": sources[name]} for name, value in values.items()},
        "warnings": list(settings.warnings),
    }


def _prices_in_words(settings: Settings) -> str:
    own = settings.config_file.prices if settings.config_file else NO_PRICES
    return f"list prices, but for {', '.join(own)}" if own else "list prices"


def run_doctor(rest: List[str], output: Output, stop: StopSwitch) -> ExitCode:
    """Runs `doctor`: every check in turn, and the exit code of the first that failed.

    Raises:
        GptImage2Error: the arguments are wrong.
    """
    args = doctor_parser().parse_args(rest)
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
    """Asks the base URL, keeps what it taught, and says it as a check."""
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
        f"{name}: {_YES_NO.get(value, value) if isinstance(value, bool) else value}"
        for name, value in vars(outcome.facts).items()
        if value is not None
    )
    result = outcome.result
    cost = f"; cost ${result.cost_usd:.4f}" if result.cost_usd is not None else ""
    place = f"; picture: {result.images[0].path}" if result.images else ""
    return Check("probe", "ok", facts + cost + place), Billed.YES


def _recorded_probe(settings: Settings, picture: Path, stop: StopSwitch, output: Output) -> ProbeOutcome:
    """A probe, which is in the ledger like any call: it is paid for."""
    outcomes: List[ProbeOutcome] = []

    def run(warnings: Tuple[str, ...]) -> Result:
        for warning in warnings:
            output.warn(warning)
        with stop:
            outcomes.append(probe(Wire(settings, os.environ, stop, Turns()), picture))
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
    """Forgets what a probe taught of the base URL in force."""
    url = settings.base_url
    forgotten = forget_facts(state_folder(os.environ), url)
    return Check("forget", "ok", f"forgot {url}" if forgotten else f"nothing was known of {url}")


def _say_check(check: Check, output: Output) -> None:
    seconds = f" in {check.elapsed_s:.3f} s" if check.elapsed_s is not None else ""
    output.result(f"{check.status:<{_STATUS_WIDTH}} {check.name:<{_NAME_WIDTH}} {check.detail}{seconds}")
    if check.cure:
        output.result(f"{'':<{_STATUS_WIDTH}} {'':<{_NAME_WIDTH}} → {check.cure}")
