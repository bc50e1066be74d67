"""`python -m evals --agent COMMAND`: lets an agent at the tasks, and prints the judge's verdicts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from .judge import Verdict, judge
from .recording import Recording
from .running import new_folder, run_task
from .tasks import TASKS

RUNS = Path(__file__).resolve().parent / ".runs"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the tasks, or judges what was recorded; 0 where all passed."""
    options = _parser().parse_args(argv)
    verdicts: list[Verdict] = []
    if options.judge:
        lines = options.judge.read_text(encoding="utf-8").splitlines()
        verdicts = [judge(Recording.from_json(line)) for line in lines]
    else:
        for name in options.only or TASKS:
            root = new_folder(options.runs / name)
            recording = run_task(TASKS[name], options.agent, root, options.timeout)
            verdicts.append(judge(recording))
            print(line_of(verdicts[-1]), flush=True)
        with (options.runs / "recordings.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(
                (options.runs / v.task / "log" / "recording.json").read_text("utf-8") for v in verdicts
            )
    print(summary(verdicts))
    if options.json:
        print(json.dumps([{**asdict(verdict), "passed": verdict.passed} for verdict in verdicts]))
    return 0 if all(verdict.passed for verdict in verdicts) else 1


def line_of(verdict: Verdict) -> str:
    """A verdict in a line, and one more for each failure."""
    head = (
        f"{'ok  ' if verdict.passed else 'FAIL'} {verdict.task:<18} wasted {verdict.wasted}, "
        f"{'asked' if verdict.asked else 'did not ask'}, ${verdict.spent_usd:.4f}"
    )
    return "\n".join([head, *(f"     {name}: {wrong}" for name, wrong in verdict.failures)])


def summary(verdicts: Sequence[Verdict]) -> str:
    """All verdicts in a line."""
    passed = sum(verdict.passed for verdict in verdicts)
    wasted, spent = (
        sum(verdict.wasted for verdict in verdicts),
        sum(verdict.spent_usd for verdict in verdicts),
    )
    return f"{passed} of {len(verdicts)} tasks passed; {wasted} calls wasted; ${spent:.4f} spent"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m evals", description="Tasks for an agent that has the skill."
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--agent",
        metavar="COMMAND",
        help="a shell command that runs an agent in a folder; the prompt is in $PROMPT",
    )
    source.add_argument(
        "--judge", type=Path, metavar="FILE", help="judge recordings, one a line, and run nothing"
    )
    parser.add_argument("--only", nargs="+", choices=TASKS, metavar="TASK", help=", ".join(TASKS))
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help="default: evals/.runs")
    parser.add_argument(
        "--timeout", type=float, default=1200, metavar="S", help="for one task (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="the verdicts as JSON on the last line")
    return parser


if __name__ == "__main__":
    sys.exit(main())
