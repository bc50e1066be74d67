"""What is told and kept of a call once one of its requests has left, however the next one ends."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import Iterator

import pytest
from harness import Home
from servers import Answer, Recorder, Request, refusal

from gpt_image2 import Client, OutputError, UsageError
from gpt_image2.core.calls import exchange

STRANGE = json.dumps({"error": {"message": "choked"}, "picture": "A" * 50}).encode()


@pytest.mark.parametrize("status", [200, 500, 502])
def test_an_answer_that_may_be_paid_for_is_kept_whatever_error_it_carries(
    status: int, home: Home, recorder: Recorder
) -> None:
    recorder.answer = lambda _: Answer(status, STRANGE)
    run = home.run("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert run.json["billed"] == "maybe"
    (kept,) = home.rescued.glob("*answer.txt")
    assert kept.read_bytes() == STRANGE
    assert str(kept) in run.json["error"]["hint"]


def test_an_answer_that_is_free_is_not_kept(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda _: refusal(400, "no such size", "invalid_size")
    run = home.run("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert run.json["billed"] == "no"
    assert not home.rescued.exists() or list(home.rescued.iterdir()) == []


def test_a_try_that_may_be_billed_is_not_forgotten_when_the_next_is_refused(
    home: Home, recorder: Recorder
) -> None:
    def answer(_: Request) -> Answer:
        return (
            Answer(504, b"") if len(recorder.requests) == 1 else refusal(400, "no such size", "invalid_size")
        )

    recorder.answer = answer
    args = ("generate", "a cat", "-o", "cat.png", "--retry-ambiguous", "--retries", "1", "--json")
    run = home.run(*args, base_url=recorder.base_url)
    assert len(recorder.requests) == 2
    assert run.json["billed"] == "maybe"
    assert "an earlier try may have been billed" in run.json["error"]["hint"]


def test_a_second_sending_without_a_place_for_its_files_is_no_usage_error(
    home: Home, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder.answer = lambda _: Answer(429, b"{}", (("Retry-After", "0"),))
    real = exchange.temporary_folder

    @contextmanager
    def full() -> Iterator[Path]:
        """A disk that is full once the first request has left."""
        if recorder.requests:
            raise UsageError("cannot make a temporary folder", hint="free some space there")
        with real() as folder:
            yield folder

    monkeypatch.setattr(exchange, "temporary_folder", full)
    with pytest.raises(OutputError) as caught:
        Client(env=home.environment(recorder.base_url)).generate("a cat", output=home.cwd / "cat.png")
    assert len(recorder.requests) == 1
    assert "nothing was sent" not in caught.value.hint
