"""`--events`: progress as JSON lines on stderr, each valid by its schema."""

from __future__ import annotations

import io
import json
import threading
from typing import List

import pytest
from harness import Home, Sandbox

from gpt_image2.core.telling.events_output import EventsOutput


def names(events: List[dict]) -> List[str]:
    return [event["event"] for event in events]


def test_a_streamed_call_tells_of_each_step_in_order(home: Home, sandbox: Sandbox, prompt: str) -> None:
    run = home.run("generate", prompt, "--stream", "-o", "a.png", "--events", base_url=sandbox.base_url)
    assert run.code == 0
    assert names(run.events) == [
        "request_started",
        "headers_received",
        "partial_image",
        "image_saved",
        "finished",
    ]
    assert run.saved == [home.cwd / "a.png"]
    assert run.events[-1]["ok"] is True
    times = [event["elapsed_s"] for event in run.events]
    assert times == sorted(times)


def test_a_retry_and_a_warning_are_events_too(home: Home, sandbox: Sandbox, prompt: str) -> None:
    run = home.run(
        "generate", prompt, "-o", "a.jpg", "--events", "--json", base_url=sandbox.fault("rate-once")
    )
    assert {"retry_waiting", "warning"} <= set(names(run.events))
    finished = dict(run.events[-1])
    assert finished.pop("event") == "finished"
    assert {**finished, "elapsed_s": 0} == {**run.json, "elapsed_s": 0}


def test_a_failure_before_sending_is_one_finished_event(home: Home) -> None:
    run = home.run("generate", "x", "--n", "99", "--events")
    assert run.code == 2
    assert names(run.events) == ["finished"]
    assert run.events[0]["ok"] is False
    assert run.stdout == ""


def test_config_speaks_in_events_as_well(home: Home) -> None:
    run = home.run("config", "--show", "--events", "--json")
    assert names(run.events) == ["finished"]
    assert run.json["settings"]["api_key"]["source"] == "GPT_IMAGE2_API_KEY"


def test_the_heart_beats_while_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    beat = threading.Event()

    class Stderr(io.StringIO):
        def write(self, text: str) -> int:
            if json.loads(text)["event"] == "heartbeat":
                beat.set()
            return len(text)

    monkeypatch.setattr("sys.stderr", Stderr())
    with EventsOutput([], heartbeat_s=0.01).heartbeat():
        assert beat.wait(30)


def test_quiet_says_nothing_on_stderr_when_all_is_well(home: Home, sandbox: Sandbox, prompt: str) -> None:
    run = home.run("generate", prompt, "-o", "a.png", "--quiet", base_url=sandbox.base_url)
    assert run.code == 0
    assert run.stderr == ""
