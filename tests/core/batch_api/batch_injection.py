"""Breaks `batch submit`, `batch fetch` or `doctor --probe` at lines that run once something may be paid for.

Usage: python batch_injection.py BASE_URL ROOT submit|fetch|probe POINTS. POINTS lines, evenly chosen (0 is
all), each in a home of its own. One line a broken command on stdout: a JSON object that says what it printed,
and what the commands printed that came after it.
"""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any, Dict, List, Optional

from broken_lines import Place, Tracer, paths_of

from gpt_image2.core.batch_api.api import BatchApi
from gpt_image2.core.calls.gate import SentRequest
from gpt_image2.core.cli import main as run_main

TRACED = paths_of(
    (
        *(
            f"batch_api/{name}.py"
            for name in ("api", "submit", "fetch", "results", "saving", "store", "bundle")
        ),
        *("batch/journal.py", "batch/plan.py", "batch/summary.py", "batch/output_folder.py"),
        *("commands/probe.py", "calls/lane.py", "calls/exchange.py", "calls/explain.py", "calls/retry.py"),
        *("ledger/database.py", "ledger/recording.py", "outputs/collect.py", "outputs/store.py"),
        *("telling/as_json.py", "wire/curl.py"),
    )
)
#: What catches, where a call is recorded and where a command ends; what closes files for the next command.
CATCHING = (
    *("__exit__", "recorded", "_tried", "settled"),
    *("run_submit", "run_fetch", "_hand_over", "probe_and_tell"),
)
SUBMIT = ["batch", "submit", "jobs.jsonl", "--out-dir", "out", "--json"]
WAIT = ["batch", "wait", "--poll", "0.05", "--json"]
FETCH = ["batch", "fetch", "--json"]
PROBE = ["doctor", "--probe", "--yes", "--json"]
#: What is done before, what is broken from which call on, and what is done after.
SCENARIOS: Dict[str, Any] = {
    "submit": ([], SUBMIT, (BatchApi, "create"), [SUBMIT, WAIT, FETCH]),
    "fetch": ([SUBMIT, WAIT], FETCH, (BatchApi, "download"), [FETCH]),
    "probe": ([], PROBE, (SentRequest, "left"), [["resume", "--json"]]),
}


def run(arguments: List[str]) -> Dict[str, Any]:
    """Runs the command line; its last line of JSON."""
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    try:
        run_main(list(arguments))
        return json.loads(sys.stdout.getvalue().splitlines()[-1])
    finally:
        sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__


def broken(root: Path, scenario: str, name: str, target: Optional[Place]) -> Tracer:
    """One broken command in a home of its own, and what it came to."""
    before, command, start, after = SCENARIOS[scenario]
    home = root / name
    home.mkdir()
    os.chdir(str(home))
    os.environ["HOME"] = str(home)
    size = {"quality": "low", "size": "816x816", "output_format": "jpeg"}
    lines = [json.dumps({"prompt": f"{scenario} {name} {number}", **size}) + "\n" for number in (1, 2)]
    (home / "jobs.jsonl").write_text("".join(lines), encoding="utf-8")
    for words in before:
        run(words)
    tracer = Tracer(TRACED, CATCHING, start, target)
    with tracer:
        said = run(command)
    at = "{}:{}".format(*target[0]) if target else ""
    later = [run(words) for words in after]
    row = {"at": at, "home": str(home), "raised": tracer.has_raised, "said": said, "later": later}
    print(json.dumps(row), flush=True)
    return tracer


def main() -> int:
    """Every line in turn, or some."""
    base_url, root, scenario, points = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    os.environ["GPT_IMAGE2_BASE_URL"] = base_url
    os.environ["GPT_IMAGE2_API_KEY"] = "sk-test-0123456789abcdefghij"
    places = list(broken(root, scenario, "whole", None).lines.values())
    step = max(1, len(places) // points) if points else 1
    for number, place in enumerate(places[::step]):
        broken(root, scenario, str(number), place)
    return 0


if __name__ == "__main__":
    sys.exit(main())
