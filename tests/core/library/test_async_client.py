"""The client of asyncio: cancelled at every stage as by Ctrl-C, many calls at one pace, closed in order."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from typing import Any, List

import pytest
from asking import async_client, cancelled, reached
from faulty import Exchange, body_of, serving
from harness import Home
from limiting import limiting
from pacing import Limited
from pictures import png
from processes import IS_LINUX, curls_of, until
from servers import Recorder

import gpt_image2
from gpt_image2 import AsyncClient, Billed, Event, Finished, ImageSaved, InterruptedCall, UsageError

CATS = [png(noise=bytes([number + 1]) * 3000) for number in range(3)]


def test_a_call_returns_what_the_other_client_returns(home: Home, recorder: Recorder) -> None:
    async def main() -> None:
        async with async_client(home, recorder.base_url) as client:
            made = await client.generate("a cat")
            edited = await client.edit(made.image.bytes(), "a hat", output=home.cwd / "hat.png")
            assert made.image.path is None and made.image.bytes() == png(1024, 1024)
            assert edited.image.path == home.cwd / "hat.png"
            assert (await client.estimate("a cat", quality="low")) is not None
            assert [call.prompt for call in await client.history()] == ["a hat", "a cat"]
            assert (await client.spend()).total.requests == 2
            assert await client.resume() == []

    asyncio.run(main())


def test_a_call_that_waits_for_its_turn_is_cancelled_and_nothing_is_sent(
    home: Home, recorder: Recorder
) -> None:
    async def main() -> InterruptedCall:
        recorder.hold()
        client = async_client(home, recorder.base_url, concurrency=1)
        first = asyncio.ensure_future(client.generate("a cat"))
        await reached(recorder.wait_for_request)
        second = asyncio.ensure_future(client.generate("a dog"))
        await asyncio.sleep(0)
        second.cancel()
        became = await cancelled(second)
        recorder.release()
        await first
        return became

    became = asyncio.run(main())
    assert became.billed is Billed.NO and "nothing was sent" in became.message
    assert len(recorder.requests) == 1


def test_a_call_whose_inputs_are_fetched_is_cancelled_and_nothing_is_sent(
    home: Home, recorder: Recorder
) -> None:
    async def main() -> InterruptedCall:
        recorder.hold()
        client = async_client(home, recorder.base_url)
        call = asyncio.ensure_future(client.edit(f"{recorder.root}/in.png", "a hat"))
        await reached(recorder.wait_for_request)
        call.cancel()
        return await cancelled(call)

    became = asyncio.run(main())
    assert became.billed is Billed.NO
    assert [request.method for request in recorder.requests] == ["GET"]
    assert curls_of() == [] and home.leftovers() == []


def test_a_call_that_is_being_sent_is_cancelled_and_curl_ends(home: Home) -> None:
    begun = threading.Event()

    def never_read(connection: Any) -> Any:
        begun.set()
        until(lambda: not curls_of())
        return connection

    async def main(base_url: str) -> InterruptedCall:
        client = async_client(home, base_url)
        picture = png(noise=bytes(16 << 20))  # more than the socket takes
        call = asyncio.ensure_future(client.edit(picture, "a hat", output=home.cwd / "hat.png"))
        await reached(lambda: begun.wait(30))
        call.cancel()
        return await cancelled(call)

    with serving(lambda exchange: None, before=never_read) as server:
        became = asyncio.run(main(server.base_url))
        assert server.exchanges == []
    assert became.billed in (Billed.NO, Billed.MAYBE) and isinstance(became, InterruptedCall)
    assert curls_of() == [] and home.leftovers() == [] and list(home.cwd.iterdir()) == []


def test_a_call_that_waits_for_its_answer_may_be_billed_when_it_is_cancelled(
    home: Home, recorder: Recorder
) -> None:
    async def main() -> InterruptedCall:
        recorder.hold()
        call = asyncio.ensure_future(async_client(home, recorder.base_url).generate("a cat"))
        await reached(recorder.wait_for_request)
        assert not IS_LINUX or len(curls_of()) == 1
        call.cancel()
        return await cancelled(call)

    became = asyncio.run(main())
    assert became.billed is Billed.MAYBE and became.signum == 2
    assert became.result is not None and became.result.images == ()
    assert curls_of() == [] and home.leftovers() == []
    assert len(recorder.requests) == 1
    (row,) = home.run("history", "--json").json["requests"]
    assert (row["status"], row["billed"]) == ("interrupted", "maybe")


@pytest.mark.parametrize("in_memory", [False, True])
def test_the_first_image_of_three_is_kept_and_told_when_the_call_is_cancelled(
    in_memory: bool, home: Home
) -> None:
    def one_and_a_half(exchange: Exchange) -> None:
        body = body_of(CATS)
        exchange.start(len(body))
        exchange.send(body[: body.index(b"iVBOR", body.index(b"iVBOR") + 9) + 2000])
        exchange.wait_until_gone()

    async def main(base_url: str) -> InterruptedCall:
        saved = asyncio.Event()

        def look(event: Event) -> None:
            if isinstance(event, ImageSaved):
                saved.set()

        client = async_client(home, base_url, observer=look)
        output = None if in_memory else home.cwd / "cat.png"
        call = asyncio.ensure_future(client.generate("a cat", n=3, output=output))
        await saved.wait()
        call.cancel()
        return await cancelled(call)

    with serving(one_and_a_half) as server:
        became = asyncio.run(main(server.base_url))
    assert became.billed is Billed.YES and "1 images saved" in became.message
    assert became.result is not None
    (image,) = became.result.images
    assert image.bytes() == CATS[0] and image.path is not None and image.path.is_file()
    assert (image.path.parent == home.rescued) is in_memory
    assert curls_of() == [] and home.leftovers() == []


def test_a_call_that_is_cancelled_when_it_has_ended_loses_nothing(home: Home, recorder: Recorder) -> None:
    async def main() -> InterruptedCall:
        recorder.hold()
        client = async_client(home, recorder.base_url)
        call = asyncio.ensure_future(client.generate("a cat"))
        await reached(recorder.wait_for_request)
        # The loop stands still until the call's thread has ended: the result waits, and cannot be taken.
        recorder.release()
        until(lambda: not any(each.name == "gpt-image2-call" for each in threading.enumerate()))
        call.cancel()
        return await cancelled(call)

    became = asyncio.run(main())
    assert became.billed is Billed.YES and became.result is not None
    (image,) = became.result.images
    assert image.path is not None and image.path.parent == home.rescued
    assert image.bytes() == png(1024, 1024)


@pytest.mark.skipif(sys.version_info < (3, 9), reason="3.8 drops what a cancelled task has raised")
@pytest.mark.parametrize("by", ["wait_for", "timeout"])
def test_the_end_of_its_time_ends_the_call_and_says_what_became_of_it(
    by: str, home: Home, recorder: Recorder
) -> None:
    if not hasattr(asyncio, by):
        pytest.skip("asyncio.timeout came with Python 3.11")

    async def main() -> gpt_image2.GptImage2Error:
        recorder.hold()
        client = async_client(home, recorder.base_url)
        with pytest.raises(asyncio.TimeoutError) as caught:
            if by == "wait_for":
                await asyncio.wait_for(client.generate("a cat"), timeout=0.5)
            else:
                async with asyncio.timeout(0.5):  # type: ignore[attr-defined, unused-ignore]
                    await client.generate("a cat")
        became = gpt_image2.cancelled_call(caught.value)
        assert became is not None
        return became

    assert asyncio.run(main()).billed in (Billed.MAYBE, Billed.NO)
    assert curls_of() == [] and home.leftovers() == []


def test_a_stream_that_waits_for_its_turn_is_cancelled_like_a_call(home: Home, recorder: Recorder) -> None:
    async def main() -> gpt_image2.GptImage2Error:
        recorder.hold()
        client = async_client(home, recorder.base_url, concurrency=1)
        first = asyncio.ensure_future(client.generate("a"))
        await reached(recorder.wait_for_request)

        async def listen() -> None:
            async for _ in client.stream("b"):
                pass

        second = asyncio.ensure_future(listen())
        await asyncio.sleep(0)
        second.cancel()
        became = await cancelled(second)
        recorder.release()
        await first
        return became

    assert asyncio.run(main()).billed is Billed.NO and len(recorder.requests) == 1


def test_what_became_of_the_tasks_of_a_gather_is_told_by_the_tasks(home: Home, recorder: Recorder) -> None:
    async def main() -> List[Any]:
        recorder.hold()
        client = async_client(home, recorder.base_url, concurrency=1)
        tasks = [asyncio.ensure_future(client.generate(name)) for name in ("a", "b")]
        await reached(recorder.wait_for_request)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        return [gpt_image2.cancelled_call(task) for task in tasks]

    first, second = asyncio.run(main())
    assert (first.billed, second.billed) == (Billed.MAYBE, Billed.NO)


def test_who_leaves_a_stream_ends_the_call(home: Home) -> None:
    def preview_and_wait(exchange: Exchange) -> None:
        from faulty import partial

        exchange.start(10_000_000, content_type="text/event-stream")
        exchange.send(partial(CATS[0], 0))
        exchange.wait_until_gone()

    async def main(base_url: str) -> bytes:
        events: Any = async_client(home, base_url).stream("a cat")
        async for event in events:
            if isinstance(event, gpt_image2.PartialImage):
                await events.aclose()
                return event.image.bytes()
        raise AssertionError("no preview came")

    with serving(preview_and_wait) as server:
        assert asyncio.run(main(server.base_url)) == CATS[0]
    assert curls_of() == [] and home.leftovers() == []


def test_a_stream_tells_what_happens_and_ends_with_the_result(home: Home, recorder: Recorder) -> None:
    async def main() -> List[Event]:
        async with async_client(home, recorder.base_url) as client:
            return [event async for event in client.stream("a cat", image=png())]

    events = asyncio.run(main())
    last = events[-1]
    assert isinstance(last, Finished) and last.result.image.bytes() == png(1024, 1024)
    assert last.result.command == "edit"


def test_an_observer_is_called_in_the_loop(home: Home, recorder: Recorder) -> None:
    seen: List[threading.Thread] = []

    async def main() -> None:
        await async_client(
            home, recorder.base_url, observer=lambda event: seen.append(threading.current_thread())
        ).generate("a cat")

    asyncio.run(main())
    assert len(seen) >= 3 and set(seen) == {threading.current_thread()}


def test_an_observer_hears_of_the_end_of_a_call_that_fails(home: Home, recorder: Recorder) -> None:
    events: List[Event] = []

    async def main() -> None:
        with pytest.raises(gpt_image2.PartialError):
            await async_client(home, recorder.base_url, observer=events.append).generate("a cat", n=2)

    asyncio.run(main())
    assert isinstance(events[-1], Finished) and len(events[-1].result.images) == 1


def test_many_calls_at_once_share_one_pace_and_all_get_through(home: Home) -> None:
    async def main(base_url: str) -> List[Any]:
        async with async_client(home, base_url, concurrency=8) as client:
            calls = (client.generate(f"cat {number}") for number in range(24))
            return await asyncio.gather(*calls, return_exceptions=True)

    with limiting(Limited(600, "headers", "waits", burst=4), latency_s=0.0) as server:
        results = asyncio.run(main(server.base_url))
        refused, passed = server.refused, server.passed
    assert [type(result).__name__ for result in results] == ["Result"] * 24
    assert passed == 24 and refused <= 12


def test_a_refusal_for_now_is_told_and_the_call_counts_its_tries(home: Home, recorder: Recorder) -> None:
    from servers import images, refusal

    def answer(request: object) -> Any:
        if len(recorder.requests) > 1:
            return images(png())
        return refusal(429, "Slow down.", "rate_limit_exceeded")._replace(headers=(("retry-after-ms", "1"),))

    recorder.answer = answer
    events: List[Event] = []

    async def main() -> gpt_image2.Result:
        return await async_client(home, recorder.base_url, observer=events.append).generate("a cat")

    result = asyncio.run(main())
    assert result.attempts == 2
    assert [event for event in events if isinstance(event, gpt_image2.RetryWaiting)]


def test_who_does_not_want_to_wait_for_the_server_is_told_of_the_refusal(
    home: Home, recorder: Recorder
) -> None:
    from servers import refusal

    recorder.answer = lambda request: refusal(429, "Slow down.", "rate_limit_exceeded")

    async def main() -> None:
        await async_client(home, recorder.base_url, waits_for_server=False).generate("a cat")

    with pytest.raises(gpt_image2.RateLimitError):
        asyncio.run(main())
    assert len(recorder.requests) == 1


def test_a_closed_client_ends_its_calls_and_makes_no_more(home: Home, recorder: Recorder) -> None:
    async def main() -> None:
        recorder.hold()
        async with async_client(home, recorder.base_url) as client:
            call = asyncio.ensure_future(client.generate("a cat"))
            await reached(recorder.wait_for_request)
        with pytest.raises(InterruptedCall):
            await call
        with pytest.raises(UsageError):
            await client.generate("a cat")

    asyncio.run(main())
    assert curls_of() == [] and len(recorder.requests) == 1


def test_one_client_serves_one_loop_after_the_other(home: Home, recorder: Recorder) -> None:
    client = async_client(home, recorder.base_url)
    for _ in range(2):
        assert asyncio.run(client.generate("a cat")).image.size_bytes


@pytest.mark.parametrize("options", [{"concurrency": 0}, {"concurrency": 257}, {"images_per_minute": 0}])
def test_a_pace_that_is_none_is_refused(options: Any) -> None:
    with pytest.raises(UsageError) as caught:
        AsyncClient(env=dict(os.environ), **options)
    assert f"`{next(iter(options))}`" in caught.value.message
