"""Whatever breaks in `batch submit`, `batch fetch` or `doctor --probe` once something may be paid for loses
nothing and is never told as free, and the next command goes on.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List

import pytest
from batch_apis import Service, pictures_in
from ledgers import rows_of
from pictures import png
from servers import Answer, Recorder, Request, images, refusal

INJECTION = Path(__file__).with_name("batch_injection.py")
SUPPORT = Path(__file__).parents[2] / "support"
POINTS, ALL = "12", "0"
LEDGER = ".local/state/gpt-image-2/ledger.sqlite3"


def broken(base_url: str, root: Path, scenario: str, in_full: bool) -> List[Dict[str, Any]]:
    path = os.pathsep.join(filter(None, [str(SUPPORT), os.environ.get("PYTHONPATH", "")]))
    temporary = root / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        [sys.executable, str(INJECTION), base_url, str(root), scenario, ALL if in_full else POINTS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(temporary)},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    found = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert len(found) > 10
    return found


@pytest.mark.parametrize("scenario", ["submit", "fetch"])
def test_a_defect_once_a_batch_may_be_made_loses_no_image_and_pays_for_none_twice(
    scenario: str, host: Service, tmp_path: Path, in_full: bool
) -> None:
    wrong: List[str] = []
    for run in broken(host.base_url, tmp_path, scenario, in_full):
        home = Path(run["home"])
        paid = Counter(prompt for prompt in host.paid() if prompt.startswith(f"{scenario} {home.name} "))
        if any(times > 1 for times in paid.values()):
            wrong.append(f"paid {paid}: {run}")
        if "no" in {run["said"].get("billed"), *(row["billed"] for row in run["said"].get("rows", ()))}:
            wrong.append(f"told as free: {run}")
        if len(pictures_in(home / "out")) != len(paid):
            wrong.append(f"{pictures_in(home / 'out')} for {paid}: {run}")
        rows = rows_of(home / LEDGER)
        if len(rows) != len(paid) or any(row["billed"] != "yes" for row in rows):
            wrong.append(f"rows {rows}: {run}")
    assert wrong == [], "\n".join(wrong)


def test_a_defect_once_the_probe_may_have_left_loses_no_image_and_is_never_free(
    recorder: Recorder, tmp_path: Path, in_full: bool
) -> None:
    picture = png(noise=b"\1" * 900)

    def answer(request: Request) -> Answer:
        if request.method == "GET" or b"no-such-model" in request.body:
            return refusal(404, "not here")
        return images(picture)

    recorder.answer = answer
    wrong: List[str] = []
    for run in broken(recorder.base_url, tmp_path, "probe", in_full):
        home = Path(run["home"])
        (row,) = rows_of(home / LEDGER)
        is_had = any(file.read_bytes() == picture for file in home.rglob("*") if file.is_file())
        # Broken at the refusal that is asked for first, nothing is painted.
        is_paid = is_had or run["said"]["billed"] == "yes"
        if is_paid and not (is_had and "no" not in (run["said"]["billed"], row["billed"])):
            wrong.append(f"{row}: {run}")
        if row["status"] == "sent":
            wrong.append(f"unfinished: {run}")
    assert wrong == [], "\n".join(wrong)
