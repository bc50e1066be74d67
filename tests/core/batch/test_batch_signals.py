"""A first signal waits for what is paid for, a second one ends it in order. Later all goes on."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time
from typing import Any, Dict, List

import pytest
from batching import Painter, again, command, entries, image_files, in_flight, out_of, picture, write_jobs
from harness import Home
from pictures import png
from processes import IS_LINUX, curls_of, end_of, is_alive, until
from servers import Answer, Recorder

from gpt_image2.core.base.interrupt import StopSwitch

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")


@pytest.fixture
def painter(recorder: Recorder) -> Painter:
    made = Painter(recorder)
    recorder.hold()
    return made


class Voice:
    """What a process says on stderr, as it comes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.lines: List[str] = []
        self._process = process
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def wait_for(self, text: str) -> str:
        """The line that has this in it, when it has come."""
        return until(lambda: next((line for line in list(self.lines) if text in line), ""))

    def outcome(self) -> Dict[str, Any]:
        """The object on stdout, when the process has ended."""
        assert self._process.stdout is not None
        stdout = self._process.stdout.read()
        self._process.wait(30)
        self._thread.join(30)
        return json.loads(stdout)

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append(line.decode())


def test_the_first_ctrl_c_starts_nothing_more_and_waits_for_what_is_paid_for(
    home: Home, painter: Painter
) -> None:
    flags = command(write_jobs(home, *(f"job {number}" for number in range(9))), "--concurrency", "3")
    with home.start(*flags, base_url=painter.base_url) as process:
        voice = Voice(process)
        for _ in range(3):
            painter.server.wait_for_request()
        process.send_signal(signal.SIGINT)
        said = voice.wait_for("nothing more is started")
        assert "waiting for 3 requests that are paid for" in said
        assert re.search(r"the oldest is \d+ s old; one may take \d+ (s|min)", said)
        assert "Another Ctrl-C or SIGTERM ends them" in said
        painter.server.release()
        outcome = voice.outcome()
    assert process.returncode == 130
    assert (outcome["done"], outcome["not_started"], outcome["failed"]) == (3, 6, 0)
    assert outcome["error"]["code"] == "interrupted"
    assert len(image_files(out_of(home))) == len(painter.server.requests) == 3
    assert home.leftovers() == []
    run = again(home, painter.base_url)
    assert (run.code, run.json["done"]) == (0, 9)
    assert set(painter.hits.values()) == {1} and len(painter.hits) == 9


def test_what_waits_for_its_turn_is_not_said_to_be_paid_for(home: Home, painter: Painter) -> None:
    flags = command(write_jobs(home, *(f"job {number}" for number in range(12))), "--concurrency", "12")
    with home.start(*flags, "--images-per-minute", "2", base_url=painter.base_url) as process:
        voice = Voice(process)
        painter.server.wait_for_request()
        process.send_signal(signal.SIGINT)
        said = voice.wait_for("nothing more is started")
        painter.server.release()
        outcome = voice.outcome()
    assert "waiting for 1 request" in said
    assert (process.returncode, outcome["done"], outcome["not_started"]) == (130, 1, 11)


def test_the_second_ctrl_c_ends_curl_and_says_what_may_be_billed(home: Home, painter: Painter) -> None:
    flags = command(write_jobs(home, *(f"job {number}" for number in range(9))), "--concurrency", "3")
    with home.start(*flags, base_url=painter.base_url) as process:
        voice = Voice(process)
        for _ in range(3):
            painter.server.wait_for_request()
        curls = curls_of(process)
        process.send_signal(signal.SIGINT)
        voice.wait_for("nothing more is started")
        assert all(map(is_alive, curls))
        process.send_signal(signal.SIGINT)
        outcome = voice.outcome()
    assert process.returncode == 130
    assert not any(map(is_alive, curls))
    assert (outcome["failed"], outcome["not_started"]) == (3, 6)
    failed = [row for row in outcome["rows"] if row["status"] == "failed"]
    assert {row["billed"] for row in failed} == {"maybe"}
    assert {row["error"]["code"] for row in failed} == {"interrupted"}
    assert in_flight(out_of(home)) == [] and home.leftovers() == []
    painter.server.release()
    run = again(home, painter.base_url)
    assert (run.code, run.json["done"], run.json["ambiguous"]) == (9, 6, 3)
    assert set(painter.hits.values()) == {1}
    assert again(home, painter.base_url, "--retry-ambiguous").code == 0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_another_signal_waits_for_what_is_paid_for_too_though_it_comes_twice_at_once(
    signum: int, home: Home, painter: Painter
) -> None:
    """`timeout` and `srun` signal a process and its group; a shell that hangs up, and then its terminal."""
    flags = command(write_jobs(home, *(f"job {number}" for number in range(5))), "--concurrency", "2")
    with home.start(*flags, base_url=painter.base_url) as process:
        voice = Voice(process)
        for _ in range(2):
            painter.server.wait_for_request()
        process.send_signal(signum)
        process.send_signal(signum)
        assert "waiting for 2 requests that are paid for" in voice.wait_for("nothing more is started")
        painter.server.release()
        outcome = voice.outcome()
    assert process.returncode == 128 + signum
    assert (outcome["done"], outcome["not_started"], outcome["failed"]) == (2, 3, 0)
    assert (outcome["ok"], outcome["error"]["code"]) == (False, "interrupted")
    assert len(painter.server.requests) == 2 and home.leftovers() == []
    assert again(home, painter.base_url).code == 0


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGHUP], ids=["SIGTERM", "SIGHUP"])
def test_a_second_signal_of_any_kind_ends_the_batch_at_once_and_in_order(
    signum: int, home: Home, painter: Painter
) -> None:
    flags = command(write_jobs(home, *(f"job {number}" for number in range(5))), "--concurrency", "2")
    with home.start(*flags, base_url=painter.base_url) as process:
        voice = Voice(process)
        for _ in range(2):
            painter.server.wait_for_request()
        curls = curls_of(process)
        process.send_signal(signal.SIGINT)
        voice.wait_for("nothing more is started")
        process.send_signal(signum)
        outcome = voice.outcome()
    assert process.returncode == 128 + signum
    assert not any(map(is_alive, curls)) and home.leftovers() == []
    assert (outcome["failed"], outcome["not_started"], outcome["ok"]) == (2, 3, False)
    assert {row["billed"] for row in outcome["rows"] if row["status"] == "failed"} == {"maybe"}
    assert (out_of(home) / "index.html").exists()


def test_a_signal_while_everybody_waits_for_the_server_ends_the_wait(home: Home, painter: Painter) -> None:
    from servers import refusal

    plain = refusal(429, "Slow down.", "rate_limit_exceeded")
    painter.server.answer = lambda request: plain._replace(headers=(*plain.headers, ("Retry-After", "3600")))
    painter.server.release()
    flags = command(write_jobs(home, "one", "two"), "--concurrency", "2")
    with home.start(*flags, base_url=painter.base_url) as process:
        painter.server.wait_for_request()
        until(lambda: any(entry["event"] == "failed" for entry in entries(out_of(home))))
        process.send_signal(signal.SIGINT)
        run = end_of(process)
    assert (run.code, run.json["failed"], run.json["not_started"]) == (130, 0, 2)
    assert {row["billed"] for row in run.json["rows"]} == {"no"}


def test_ctrl_c_while_inputs_are_fetched_sends_nothing_and_leaves_nothing_behind(
    home: Home, painter: Painter
) -> None:
    paint, fetched = painter.answer, Answer(200, png(noise=b"in"), (("Content-Type", "image/png"),))
    painter.server.answer = lambda request: paint(request) if request.method == "POST" else fetched
    flags = command(write_jobs(home, {"prompt": "p", "image": f"{painter.server.root}/in.png"}))
    with home.start(*flags, base_url=painter.base_url) as process:
        voice = Voice(process)
        painter.server.wait_for_request()
        process.send_signal(signal.SIGINT)
        voice.wait_for("nothing more is started")
        painter.server.release()
        outcome = voice.outcome()
    assert (process.returncode, outcome["not_started"], outcome["failed"]) == (130, 1, 0)
    assert [request.method for request in painter.server.requests] == ["GET"]
    assert not (out_of(home) / "journal.jsonl").exists() and home.leftovers() == []
    assert (again(home, painter.base_url).code, painter.hits) == (0, {"p": 1})


def test_ctrl_c_when_the_last_jobs_are_under_way_changes_nothing_about_them(
    home: Home, painter: Painter
) -> None:
    flags = command(write_jobs(home, "one", "two"), "--concurrency", "2")
    with home.start(*flags, base_url=painter.base_url) as process:
        voice = Voice(process)
        for _ in range(2):
            painter.server.wait_for_request()
        process.send_signal(signal.SIGINT)
        voice.wait_for("nothing more is started")
        painter.server.release()
        outcome = voice.outcome()
    assert (outcome["done"], outcome["not_started"]) == (2, 0)
    assert (out_of(home) / "0001-one.png").read_bytes() == picture("one")
    # What it says and the code that it ends with agree.
    assert outcome["ok"] is (process.returncode == 0)


def test_ctrl_c_at_the_terminal_does_not_reach_curl(home: Home, painter: Painter) -> None:
    """A terminal signals the whole group of processes."""
    flags = command(write_jobs(home, "one", "two", "three"), "--concurrency", "2")
    with home.start(*flags, base_url=painter.base_url, start_new_session=True) as process:
        voice = Voice(process)
        for _ in range(2):
            painter.server.wait_for_request()
        os.killpg(process.pid, signal.SIGINT)
        voice.wait_for("nothing more is started")
        painter.server.release()
        outcome = voice.outcome()
    assert (process.returncode, outcome["done"], outcome["failed"]) == (130, 2, 0)


@pytest.mark.skipif(not IS_LINUX, reason="finds curl by /proc")
def test_a_signal_to_every_process_of_a_job_does_not_end_what_is_paid_for(
    home: Home, painter: Painter
) -> None:
    """Slurm and systemd signal all processes that a job has, in whatever group and session they are."""
    flags = command(write_jobs(home, "one", "two", "three"), "--concurrency", "2")
    with home.start(*flags, base_url=painter.base_url) as process:
        voice = Voice(process)
        for _ in range(2):
            painter.server.wait_for_request()
        for pid in (*curls_of(process), process.pid):
            os.kill(pid, signal.SIGTERM)
        voice.wait_for("nothing more is started")
        painter.server.release()
        outcome = voice.outcome()
    assert (process.returncode, outcome["done"], outcome["failed"]) == (143, 2, 0)


def test_the_same_signal_more_than_a_second_later_is_a_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    switch, drained = StopSwitch(), threading.Event()
    moments = iter([10.0, 10.4, 10.8, 11.2])
    monkeypatch.setattr(time, "monotonic", lambda: next(moments))
    with switch:
        switch.drain_first(drained.set)
        for _ in range(3):
            switch.on_signal(signal.SIGTERM, None)
        assert drained.is_set() and not switch.is_set
        switch.on_signal(signal.SIGTERM, None)
        assert switch.is_set and switch.signum == signal.SIGTERM
