"""Whatever breaks after the request has left, nothing paid for is lost, and nothing is told as free."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Dict, Iterator, List

import pytest
from faulty import body_of, completed, partial
from pictures import png
from servers import Answer, Recorder, Request

ONE, TWO = (png(noise=byte * 90_000) for byte in (b"\1", b"\2"))
PICTURES = {"/1.png": ONE, "/2.png": TWO}
SUPPORT = Path(__file__).parents[2] / "support"
INJECTION = Path(__file__).with_name("injection.py")


def answers(recorder: Recorder) -> None:
    """Lets a recorder answer as the first word of the prompt says."""
    bodies = {
        "images": body_of([ONE, TWO]),
        "addresses": json.dumps(
            {
                "data": [{"url": f"{recorder.root}{path}"} for path in PICTURES],
                "usage": {"input_tokens": 1, "output_tokens": 9},
            }
        ).encode(),
        "stream": partial(TWO, 0) + completed(ONE),
    }

    def answer(request: Request) -> Answer:
        if request.method == "GET":
            return Answer(body=PICTURES[request.path])
        return Answer(body=bodies[request.json["prompt"].split()[0]])

    recorder.answer = answer


def broken_calls(recorder: Recorder, root: Path, scenario: str, *flags: str) -> Iterator[Dict[str, Any]]:
    command = [sys.executable, str(INJECTION), recorder.base_url, str(root), scenario, *flags]
    path = os.pathsep.join(filter(None, [str(SUPPORT), os.environ.get("PYTHONPATH", "")]))
    temporary = root / "tmp"
    temporary.mkdir()
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(temporary)},
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    for line in done.stdout.decode().splitlines():
        yield json.loads(line)


def is_had(picture: bytes, home: Path, path: str) -> bool:
    """Whether an image is on disk, or all that is needed to have it: its text as it came, or its address."""
    text = base64.b64encode(picture)
    for file in home.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            if data == picture or text in data or path.encode() in data:
                return True
    return False


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scenario", ["images", "addresses", "stream"])
def test_a_defect_at_any_line_after_the_send_loses_no_image_and_is_never_free(
    scenario: str, recorder: Recorder, tmp_path: Path, in_full: bool
) -> None:
    """Each line in one of the scenarios that run it, or in full: in each of them."""
    answers(recorder)
    wrong: List[str] = []
    calls = list(broken_calls(recorder, tmp_path, scenario, *(["--full"] if in_full else [])))
    for call in calls:
        home = Path(call["home"])
        if call["billed"] not in ("yes", "maybe"):
            wrong.append(f"billed {call['billed']!r}: {call}")
        was_sent = any(f'"{scenario} {home.name}"'.encode() in request.body for request in recorder.requests)
        due = [] if not was_sent else ["/1.png"] if scenario == "stream" else list(PICTURES)
        lost = [path for path in due if not is_had(PICTURES[path], home, path)]
        if lost:
            wrong.append(f"lost {lost}: {call}")
        with closing(sqlite3.connect(str(home / ".local/state/gpt-image-2/ledger.sqlite3"))) as ledger:
            rows = ledger.execute("SELECT status, billed FROM requests").fetchall()
        if not rows or any(status == "sent" or billed == "no" for status, billed in rows):
            wrong.append(f"row {rows}: {call}")
    broken = sum(call["raised"] for call in calls)
    assert broken > (600 if in_full else 200) and broken > 0.95 * len(calls)
    assert wrong == [], f"{len(wrong)} of {len(calls)}:\n" + "\n".join(wrong)
