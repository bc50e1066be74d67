"""The command `doctor`: says what the checks find, and pays for a probe when it is asked to."""

from __future__ import annotations

import os
from typing import Dict, List, Optional, Sequence

from ..base.errors import ConfigError, UsageError
from ..base.interrupt import StopSwitch
from ..base.outcome import Billed, ExitCode
from ..settings.config import Settings
from ..settings.learnt import forget_facts
from ..settings.places import state_folder
from ..telling.output import Output
from .checks import Check, check_json, examine, not_tested, verdict
from .options import ServerFlags, add_output_flags, add_server_flags
from .parser import Parser, parser_of

_STATUS_WIDTH = 5
_NAME_WIDTH = 13
_CHECK_NAMES = {"base_url": "base URL", "api_key": "API key", "state_folder": "state folder", "dns": "DNS"}


class DoctorCommand(ServerFlags):
    """A `doctor` command line."""

    probe: bool
    yes: bool
    forget: bool


def doctor_parser() -> Parser:
    description = "Check all that a call needs: curl, settings, key, network, disk. Free but for --probe."
    parser = parser_of("doctor", description)
    parser.add_argument(
        "--probe",
        action="store_true",
        help="make one low-quality image to learn what this base URL really does",
    )
    parser.add_argument("--yes", action="store_true", help="with --probe: yes, pay for it")
    parser.add_argument("--forget", action="store_true", help="forget what --probe learnt of this base URL")
    add_output_flags(parser.add_argument)
    add_server_flags(parser)
    return parser


def run_doctor(words: Sequence[str], output: Output, stop: StopSwitch) -> int:
    args = doctor_parser().parse_args(list(words), DoctorCommand())
    if args.probe and not args.yes:
        from .probe import probe_in_words

        raise UsageError(probe_in_words(args.settings()), hint="add --yes to pay for it")
    price = _price_of_probe(args)  # now: nothing may go wrong behind a probe
    checks: List[Check] = []
    billed = Billed.NO
    found = iter([_forget(args.settings())]) if args.forget else examine(args, stop)
    for check in found:
        checks.append(check)
        _say_check(check, output)
    if args.probe and verdict(checks) is ExitCode.OK:
        from .probe import probe_and_tell

        check, billed = probe_and_tell(args.settings(), stop, output)
        checks.append(check)
        _say_check(check, output)
    untested = [] if args.forget else not_tested(checks, price)
    if untested:
        output.result(f"Not tested: {'; '.join(untested)}.")
    failed = next((check for check in checks if check.status == "fail"), None)
    error: Optional[Dict[str, object]] = None
    if failed is not None:
        error = {"code": f"doctor_{failed.name}", "message": failed.detail, "hint": failed.cure}
    output.finish(
        {
            "ok": failed is None,
            "command": "doctor",
            "checks": [check_json(check) for check in checks],
            "not_tested": untested,
            "billed": billed.value,
            "error": error,
        }
    )
    return verdict(checks)


def _price_of_probe(args: ServerFlags) -> str:
    from .probe import price_in_words

    try:
        return price_in_words(args.settings())
    except ConfigError:
        return "the price of a small one"


def _forget(settings: Settings) -> Check:
    url = settings.base_url
    forgotten = forget_facts(state_folder(os.environ), url)
    return Check("forget", "ok", f"forgot {url}" if forgotten else f"nothing was known of {url}")


def _say_check(check: Check, output: Output) -> None:
    seconds = f" in {check.elapsed_s:.3f} s" if check.elapsed_s is not None else ""
    name = _CHECK_NAMES.get(check.name, check.name)
    output.result(f"{check.status:<{_STATUS_WIDTH}} {name:<{_NAME_WIDTH}} {check.detail}{seconds}")
    if check.cure:
        output.result(f"{'':<{_STATUS_WIDTH}} {'':<{_NAME_WIDTH}} → {check.cure}")
