"""Killed between any two effects on the disk, a call loses nothing that had come, and has nothing twice."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from faulty import body_of, completed, partial
from ledgers import rows_of
from pictures import png
from servers import Answer, Recorder, Request

KILLS = Path(__file__).with_name("kills.py")
POINTS, ALL = "16", "0"

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")


def picture(name: str, number: int) -> bytes:
    return png(noise=f"{name} {number}".encode() * 90)


def answers(recorder: Recorder, scenario: str) -> None:
    """Answers each call with two pictures of its own, or one in a stream after a preview."""

    def answer(request: Request) -> Answer:
        if request.path.endswith("/models"):
            return Answer(404)
        if request.method == "GET":
            name, number = request.path.strip("/").split("/")
            return Answer(body=picture(name, int(number)))
        name = request.json["prompt"]
        if scenario == "stream":
            return Answer(body=partial(picture(name, 2), 0) + completed(picture(name, 1)))
        if scenario == "images":
            return Answer(body=body_of([picture(name, 1), picture(name, 2)]))
        urls = [{"url": f"{recorder.root}/{name}/{number}"} for number in (1, 2)]
        return Answer(body=json.dumps({"data": urls}).encode())

    recorder.answer = answer


def killed(recorder: Recorder, root: Path, scenario: str, in_full: bool) -> Iterator[Dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, str(KILLS), recorder.base_url, str(root), scenario, ALL if in_full else POINTS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    for line in done.stdout.decode().splitlines():
        yield json.loads(line)


def had(files: List[List[str]], data: bytes) -> List[str]:
    """The files that are this picture and have a name of their own."""
    text = data.decode("latin-1")
    return [name for name, content in files if content == text and not name.endswith(".part")]


def has_come(files: List[List[str]], data: bytes, address: str) -> bool:
    """Whether the disk has the picture, or all that is needed to have it: its whole text, or its address."""
    texts = (data.decode("latin-1"), base64.b64encode(data).decode() + '"')
    return any(
        content == texts[0] or texts[1] in content or ("inflight" in name and address in content)
        for name, content in files
    )


@pytest.mark.parametrize("scenario", ["images", "addresses", "stream"])
def test_killed_between_any_two_effects_what_had_come_is_had_once_and_paid_for_once(
    scenario: str, recorder: Recorder, tmp_path: Path, in_full: bool
) -> None:
    answers(recorder, scenario)
    wrong: List[str] = []
    runs = list(killed(recorder, tmp_path, scenario, in_full))
    assert len(runs) > 10
    asked = Counter(request.path for request in recorder.requests if request.method == "GET")
    paid = Counter(request.json["prompt"] for request in recorder.requests if request.method == "POST")
    for run in runs:
        name = run["name"]
        where = f"effect {name}"
        if run["ended"] is not None or paid[name] > 1:
            wrong.append(f"{where}: ended {run['ended']}, paid {paid[name]}")
        for number in (1,) if scenario == "stream" else (1, 2):
            data, address = picture(name, number), f"/{name}/{number}"
            now = had(run["alive"], data)
            if len(now) > 1 or (not now and has_come(run["dead"], data, address)):
                wrong.append(f"{where}: picture {number} is {now}; then {[each for each, _ in run['dead']]}")
            if asked[address] > 2 or (asked[address] > 1 and had(run["dead"], data)):
                wrong.append(f"{where}: {address} was fetched {asked[address]} times")
        if run["resumed"][0] not in (0, 1) or run["resumed"][1] != 0:
            wrong.append(f"{where}: resumed {run['resumed']}")
        # A part that nobody wrote to yet is not noted yet: it is swept after a day.
        parts = [each for each, content in run["alive"] if each.endswith(".part") and content]
        left = parts + [each for each, _ in run["alive"] if "inflight" in each]
        if left:
            wrong.append(f"{where}: left {left}")
        (row,) = rows_of(tmp_path / name / ".local/state/gpt-image-2/ledger.sqlite3")
        if row["billed"] == "no":
            wrong.append(f"{where}: {row}")
    assert wrong == [], "\n".join(wrong)
