"""`gpt-image2 install-skill`: from arguments to an exit code."""

from __future__ import annotations

import os
import sys
from typing import Dict, List, Optional, Sequence

from gpt_image2.core.about import PROGRAM
from gpt_image2.core.errors import GptImage2Error
from gpt_image2.core.options import Parser
from gpt_image2.core.outcome import ExitCode
from gpt_image2.core.report import error_json
from gpt_image2.core.terminal import Terminal, print_json, standard_terminal

from .copying import CopyPlan, copy_skill, plan_copy
from .places import AGENTS, Place, find_place, find_skill_folder, for_hermes

COMMAND = "install-skill"


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Runs the command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    terminal = standard_terminal(os.environ)
    try:
        _install(arguments, terminal)
    except GptImage2Error as error:
        if "--json" in arguments:
            print_json(error_json(error, COMMAND), sys.stdout)
        else:
            terminal.error(error)
        return int(error.exit_code)
    return int(ExitCode.OK)


def _parser() -> Parser:
    parser = Parser(
        prog=f"{PROGRAM} {COMMAND}",
        description="Copy the skill folder to where an agent looks for it.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--to",
        required=True,
        metavar="AGENT|DIR",
        help=f"{', '.join(AGENTS)}, or a folder of skills (as ./NAME); the skill goes into a folder below it",
    )
    add("--dry-run", action="store_true", help="list what would be copied where; write nothing")
    add("--force", action="store_true", help="replace the skill if it is there already")
    add("--json", action="store_true", help="print one JSON object")
    return parser


def _install(arguments: List[str], terminal: Terminal) -> None:
    options = _parser().parse_args(arguments)
    place = find_place(options.to, os.environ)
    plan = plan_copy(
        find_skill_folder(), place, options.force or options.dry_run, for_hermes if place.hermes else None
    )
    if not options.dry_run:
        copy_skill(plan)
    warnings = _warnings(place, plan, options.dry_run and not options.force)
    if options.json:
        print_json(_as_json(options.to, plan, options.dry_run, warnings), sys.stdout)
        return
    for warning in warnings:
        terminal.say(warning, "warning", "yellow")
    if options.dry_run:
        for name in plan.files:
            terminal.result(f"{plan.source / name} -> {plan.target / name}")
        terminal.result("Nothing was written.")
        return
    terminal.result(
        f"{'Replaced' if plan.replaces else 'Installed'}: {plan.target} ({len(plan.files)} files)"
    )


def _warnings(place: Place, plan: CopyPlan, needs_force: bool) -> List[str]:
    warnings: List[str] = []
    if plan.replaces and needs_force:
        warnings.append(f"{plan.target} exists already; to replace it, --force is needed")
    if place.also_read is not None and place.also_read.is_dir():
        warnings.append(f"{place.also_read} is read too and would show the skill twice: remove it")
    return warnings


def _as_json(to: str, plan: CopyPlan, dry_run: bool, warnings: List[str]) -> Dict[str, object]:
    return {
        "ok": True,
        "command": COMMAND,
        "to": to,
        "path": str(plan.target),
        "source": str(plan.source),
        "files": [name.as_posix() for name in plan.files],
        "replaced": plan.replaces,
        "dry_run": dry_run,
        "warnings": warnings,
    }
