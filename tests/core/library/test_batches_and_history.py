"""Many jobs from a program, what was paid for, and what was left to finish."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime, timedelta, timezone
from typing import Any, Dict, List

import pytest
from asking import async_client, client
from batching import Painter, picture
from faulty import Exchange, body_of, serving
from harness import Home
from pictures import png
from processes import curls_of
from servers import Recorder, Request, images, refusal

import gpt_image2
from gpt_image2 import Billed, JobOutcome, UsageError


def by_index(outcomes: List[JobOutcome]) -> List[JobOutcome]:
    assert sorted(outcome.index for outcome in outcomes) == list(range(len(outcomes)))
    return sorted(outcomes, key=lambda outcome: outcome.index)


def test_every_job_has_one_outcome_with_its_images(home: Home, painter: Painter, recorder: Recorder) -> None:
    jobs: List[Any] = ["a fox", {"prompt": "a whale", "id": "whale", "output": "w.png"}, "# a title"]
    outcomes = by_index(list(client(home, recorder.base_url).batch(jobs, home.cwd / "out", quality="low")))
    assert [outcome.status for outcome in outcomes] == ["done"] * 3
    assert [outcome.images[0].bytes() for outcome in outcomes] == [
        picture(prompt) for prompt in ("a fox", "a whale", "# a title")
    ]
    assert (outcomes[1].id, outcomes[1].images[0].path) == ("whale", home.cwd / "out" / "w.png")
    assert all(outcome.billed is Billed.YES and outcome.cost_usd for outcome in outcomes)
    assert {request.json["quality"] for request in recorder.requests} == {"low"}
    assert (home.cwd / "out" / "index.html").is_file() and home.leftovers() == []


def test_a_second_run_makes_only_what_is_missing_and_tells_of_all(
    home: Home, painter: Painter, recorder: Recorder
) -> None:
    maker = client(home, recorder.base_url)
    list(maker.batch(["a fox"], home.cwd / "out"))
    outcomes = by_index(list(maker.batch(["a fox", "a whale"], home.cwd / "out")))
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    assert [outcome.images[0].bytes() for outcome in outcomes] == [picture("a fox"), picture("a whale")]
    assert [request.json["prompt"] for request in recorder.requests] == ["a fox", "a whale"]


def test_inputs_of_jobs_may_be_bytes_and_count_as_the_same_the_next_time(
    home: Home, recorder: Recorder
) -> None:
    maker = client(home, recorder.base_url)
    for _ in range(2):
        jobs: Any = [{"prompt": "a hat", "image": [png(), png(noise=b"2")], "mask": png(alpha=True)}]
        (outcome,) = maker.batch(jobs, home.cwd / "out")
        assert outcome.status == "done"
    assert [part.name for part in recorder.only.files()] == ["image[]", "image[]", "mask"]


def test_a_job_that_fails_is_told_and_stops_no_other(home: Home, recorder: Recorder) -> None:
    def answer(request: Request) -> Any:
        if request.json["prompt"] == "bad":
            return refusal(400, "Blocked.", "moderation_blocked")
        return images(picture(request.json["prompt"]))

    recorder.answer = answer
    bad, good = by_index(list(client(home, recorder.base_url).batch(["bad", "good"], home.cwd / "out")))
    assert (bad.status, bad.images, good.status) == ("failed", (), "done")
    assert bad.error is not None and bad.error.code == "moderation_blocked" and bad.billed is Billed.MAYBE


def test_one_wrong_job_is_told_before_any_is_sent_or_skipped_if_wished(
    home: Home, painter: Painter, recorder: Recorder
) -> None:
    maker = client(home, recorder.base_url)
    with pytest.raises(UsageError) as caught:
        list(maker.batch(["a fox", {"prompt": "b", "size": "5x5"}], home.cwd / "out"))
    assert "`skip_invalid`" in caught.value.hint and recorder.requests == []
    jobs: Any = ["a fox", {"prompt": "b", "size": "5x5"}]
    outcomes = by_index(list(maker.batch(jobs, home.cwd / "out", skip_invalid=True)))
    assert [outcome.status for outcome in outcomes] == ["done", "invalid"]


def test_what_would_pass_the_cap_is_not_begun(home: Home, painter: Painter, recorder: Recorder) -> None:
    outcomes = list(
        client(home, recorder.base_url).batch(
            ["a", "b", "c"], home.cwd / "out", quality="low", size="square", max_cost_usd=0.013, concurrency=1
        )
    )
    assert sorted(outcome.status for outcome in outcomes) == ["done", "done", "not_started"]


def test_who_leaves_the_loop_begins_nothing_more_and_gets_what_was_paid_for(
    home: Home, painter: Painter, recorder: Recorder
) -> None:
    outcomes: Any = client(home, recorder.base_url).batch(
        [f"cat {number}" for number in range(20)], home.cwd / "out", concurrency=1
    )
    next(outcomes)
    outcomes.close()
    sent = [request.json["prompt"] for request in recorder.requests]
    assert len(sent) < 20
    assert len(list((home.cwd / "out").glob("*.png"))) == len(sent)
    assert curls_of() == []


def test_who_leaves_the_loop_when_all_jobs_have_ended_is_told_nothing_else(
    home: Home, painter: Painter, recorder: Recorder
) -> None:
    maker = client(home, recorder.base_url)
    list(maker.batch(["a", "b"], home.cwd / "out"))
    outcomes: Any = maker.batch(["a", "b"], home.cwd / "out")
    next(outcomes)
    outcomes.close()
    assert len(recorder.requests) == 2


def test_a_batch_that_nobody_iterates_over_sends_and_leaves_nothing(home: Home, recorder: Recorder) -> None:
    client(home, recorder.base_url).batch([{"prompt": "a", "image": png()}], home.cwd / "out")
    assert recorder.requests == [] and home.leftovers() == [] and list(home.cwd.iterdir()) == []


def test_a_batch_is_iterated_over_in_asyncio_too(home: Home, painter: Painter, recorder: Recorder) -> None:
    async def main() -> List[JobOutcome]:
        async with async_client(home, recorder.base_url) as maker:
            return [outcome async for outcome in maker.batch(["a", "b"], home.cwd / "out")]

    assert [outcome.status for outcome in asyncio.run(main())] == ["done", "done"]


def test_a_task_that_runs_a_batch_can_be_cancelled(home: Home, recorder: Recorder) -> None:
    async def main() -> None:
        recorder.hold()

        async def consume() -> None:
            async for _ in async_client(home, recorder.base_url).batch(["a", "b"], home.cwd / "out"):
                pass

        task = asyncio.ensure_future(consume())
        await asyncio.get_running_loop().run_in_executor(None, recorder.wait_for_request)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert curls_of() == [] and home.leftovers() == []


def test_extra_fields_and_streams_of_jobs_reach_the_server(home: Home, recorder: Recorder) -> None:
    jobs: Any = [{"prompt": "a", "seed": 7, "extra": {"depth": [1]}}]
    list(client(home, recorder.base_url).batch(jobs, home.cwd / "out", extra={"style": {"a": 1}}))
    sent = recorder.only.json
    assert (sent["seed"], sent["style"], sent["depth"]) == (7, {"a": 1}, [1])
    assert "extra" not in sent


def test_the_history_tells_what_the_command_tells(home: Home, recorder: Recorder) -> None:
    maker = client(home, recorder.base_url)
    maker.generate("a cat", output=home.cwd / "cat.png", quality="low")
    maker.generate("a dog")
    newest, oldest = maker.history()
    (row,) = home.run("history", "--search", "cat", "--json").json["requests"]
    assert (newest.prompt, oldest.prompt, oldest.id) == ("a dog", "a cat", row["id"])
    assert oldest.images[0].path == home.cwd / "cat.png" and oldest.fields == {"quality": "low"}
    assert abs(datetime.now(timezone.utc) - oldest.started_at) < timedelta(minutes=1)
    assert [call.prompt for call in maker.history("DOG")] == ["a dog"]
    assert [call.prompt for call in maker.history(limit=1)] == ["a dog"]
    for since in ("1h", timedelta(hours=1), datetime.now() - timedelta(hours=1), oldest.started_at):
        assert len(maker.history(since=since)) == 2
    assert maker.history(since=datetime.now() + timedelta(hours=1)) == []


def test_spending_is_added_up_as_the_command_does(home: Home, recorder: Recorder) -> None:
    maker = client(home, recorder.base_url)
    for quality in ("low", "high", "high"):
        maker.generate("a cat", quality=quality)
    spend = maker.spend("quality", since="1d")
    told: Dict[str, Any] = home.run("spend", "--by", "quality", "--json").json
    assert {group.name: group.requests for group in spend.groups} == {"low": 1, "high": 2}
    assert spend.total.cost_usd == pytest.approx(told["total_usd"])
    assert (spend.total.images, spend.sandbox.requests) == (3, 0)


def test_without_a_history_there_is_nothing_and_nothing_is_made(home: Home, recorder: Recorder) -> None:
    maker = client(home, recorder.base_url, history=False)
    assert maker.history() == [] and maker.spend().total.requests == 0 and maker.resume() == []
    assert not home.ledger.exists()


def test_an_estimate_is_that_of_the_command(home: Home) -> None:
    cost = client(home, "http://127.0.0.1:9").estimate(
        "a cat", quality="high", size="2k", n=2, input_images=1
    )
    flags = ("--quality", "high", "--size", "2k", "--n", "2")
    told = home.run("cost", "--prompt", "a cat", *flags, "--json").json["cost_usd"]
    assert cost is not None and cost.low_usd == pytest.approx(told["low"], abs=1e-6)
    assert cost.high_usd > cost.low_usd, "input images come on top"
    assert client(home, "http://127.0.0.1:9").estimate("a cat", model="unknown") is None


def test_what_could_not_be_fetched_is_resumed(home: Home) -> None:
    is_there = False

    def talk(exchange: Exchange) -> None:
        if exchange.path == "/1.png":
            exchange.answer(png(), 200 if is_there else 404)
        elif exchange.head.startswith(b"POST"):
            exchange.answer(json.dumps({"data": [{"url": f"{server.root}/1.png"}]}).encode())
        else:
            exchange.answer(body_of([]))

    with serving(talk) as server:
        maker = client(home, server.base_url)
        with pytest.raises(gpt_image2.NetworkError):
            maker.generate("a cat", output=home.cwd / "cat.png")
        (left,) = maker.resume()
        assert left.images == () and len(left.waiting) == 1
        is_there = True
        (done,) = maker.resume(left.id)
    assert done.images[0].path == home.cwd / "cat.png" and done.images[0].bytes() == png()
    assert server.hits == 1
