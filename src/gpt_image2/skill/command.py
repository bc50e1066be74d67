"""`gpt-image2 install-skill`: from arguments to an exit code."""

from __future__ import annotations

import os
import sys
from typing import Dict, List, Optional, Sequence

from gpt_image2.core.base.about import called
from gpt_image2.core.base.errors import GptImage2Error
from gpt_image2.core.base.outcome import ExitCode
from gpt_image2.core.commands.options import add_output_flags
from gpt_image2.core.commands.parser import Parser
from gpt_image2.core.telling.output import Output, output_for

from .copying import CopyPlan, copy_skill, plan_copy
from .places import AGENTS, Place, find_place, find_skill_folder, for_hermes

COMMAND = "install-skill"


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Runs the command; returns its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    output = output_for(arguments)
    try:
        _install(arguments, output)
    except GptImage2Error as error:
        output.fail(error, COMMAND)
        return int(error.exit_code)
    return int(ExitCode.OK)


def _parser() -> Parser:
    parser = Parser(
        prog=f"{called()} {COMMAND}",
        description="Copy the skill folder to where an agent looks for it.",
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
    add_output_flags(add)
    return parser


def _install(arguments: List[str], output: Output) -> None:
    options = _parser().parse_args(arguments)
    place = find_place(options.to, os.environ)
    plan = plan_copy(
        find_skill_folder(), place, options.force or options.dry_run, for_hermes if place.hermes else None
    )
    if not options.dry_run:
        copy_skill(plan)
    warnings = _warnings(place, plan, options.dry_run and not options.force)
    for warning in warnings:
        output.warn(warning)
    if options.dry_run:
        for name in plan.files:
            output.result(f"{plan.source / name} -> {plan.target / name}")
        output.result("Nothing was written.")
    else:
        verb = "Replaced" if plan.replaces else "Installed"
        output.result(f"{verb}: {plan.target} ({len(plan.files)} files)")
    output.finish(_as_json(options.to, plan, options.dry_run, warnings))


def _warnings(place: Place, plan: CopyPlan, needs_force: bool) -> List[str]:
    warnings: List[str] = []
    if plan.replaces and needs_force:
        warnings.append(f"{plan.target} exists already; to replace it, --force is needed")
    for path in place.also_read:
        if path.is_dir():
            warnings.append(f"{path} is read too and may show the skill twice: one of the two is enough")
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
