"""Streams of events, and the plain ways to stop: leaving the loop, `stop`, `close`, Ctrl-C."""

from __future__ import annotations

import threading
from typing import Any, List

import pytest
from asking import client
from faulty import Exchange, completed, partial, serving
from harness import Home
from pictures import png
from processes import curls_of
from servers import Recorder, refusal

import gpt_image2
from gpt_image2 import Billed, Event, Finished, ImageSaved, InterruptedCall, PartialImage, UsageError

PREVIEWS = [png(32, 32, noise=bytes([number + 1]) * 900) for number in range(2)]
LAST = png(noise=b"last")


def two_previews(exchange: Exchange) -> None:
    exchange.start(content_type="text/event-stream")
    for index, preview in enumerate(PREVIEWS):
        exchange.send(partial(preview, index))
    exchange.send(completed(LAST))


def a_preview_and_no_end(exchange: Exchange) -> None:
    exchange.start(10_000_000, content_type="text/event-stream")
    exchange.send(partial(PREVIEWS[0], 0))
    exchange.wait_until_gone()


@pytest.mark.parametrize("output", [None, "cat.png"])
def test_a_stream_brings_previews_with_their_bytes_and_the_result_last(output: Any, home: Home) -> None:
    with serving(two_previews) as server:
        target = output and home.cwd / output
        events = list(client(home, server.base_url).stream("a cat", output=target, partial_images=2))
    previews = [event for event in events if isinstance(event, PartialImage)]
    assert [event.image.bytes() for event in previews] == PREVIEWS
    assert [event.partial_image_index for event in previews] == [0, 1]
    assert [(event.image.path, event.image.number, event.image.width) for event in previews] == [
        (None, 1, 32)
    ] * 2
    last = events[-1]
    assert isinstance(last, Finished) and [type(event) for event in events].count(Finished) == 1
    assert last.result.image.bytes() == LAST and last.result.image.path == target
    (saved,) = (event for event in events if isinstance(event, ImageSaved))
    assert saved.image.bytes() == LAST and saved.image.path == target
    assert sorted(path.name for path in home.cwd.iterdir()) == ([output] if output else [])


def test_previews_that_are_saved_are_files_too(home: Home) -> None:
    with serving(two_previews) as server:
        events = client(home, server.base_url).stream(
            "a cat", output=home.cwd / "cat.png", partial_images=2, save_partials=True
        )
        previews = [event.image for event in events if isinstance(event, PartialImage)]
    assert [image.path and image.path.name for image in previews] == [
        "cat.partial-0.png",
        "cat.partial-1.png",
    ]
    assert [image.bytes() for image in previews] == PREVIEWS


def test_each_preview_of_several_images_says_of_which_it_is(home: Home) -> None:
    with serving(two_previews) as server:
        events = client(home, server.base_url).stream("a cat", n=2, partial_images=2)
        numbers = sorted(event.image.number for event in events if isinstance(event, PartialImage))
    assert numbers == [1, 1, 2, 2]


def test_nothing_is_sent_before_the_first_event_is_asked_for(home: Home, recorder: Recorder) -> None:
    events = client(home, recorder.base_url).stream("a cat")
    assert recorder.requests == []
    next(events)
    assert len(list(events)) >= 3 and len(recorder.requests) == 1


def test_wrong_arguments_of_a_stream_raise_where_it_is_called(home: Home, recorder: Recorder) -> None:
    with pytest.raises(UsageError):
        client(home, recorder.base_url).stream("a cat", n="two")  # type: ignore[arg-type]


def test_a_stream_that_fails_raises_and_has_no_end(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: refusal(400, "No.", "moderation_blocked")
    events = client(home, recorder.base_url).stream("a cat")
    heard: List[Event] = []
    with pytest.raises(gpt_image2.ModerationError) as caught:
        heard.extend(iter(events))
    assert not any(isinstance(event, Finished) for event in heard)
    assert caught.value.result is not None


def test_who_leaves_the_loop_ends_the_call(home: Home) -> None:
    with serving(a_preview_and_no_end) as server:
        events: Any = client(home, server.base_url).stream("a cat", output=home.cwd / "cat.png")
        for event in events:
            if isinstance(event, PartialImage):
                break
        events.close()
    assert curls_of() == [] and home.leftovers() == []
    (row,) = home.run("history", "--json").json["requests"]
    assert (row["status"], row["billed"]) == ("interrupted", "maybe")


def test_ctrl_c_in_the_loop_ends_the_call(home: Home) -> None:
    with serving(a_preview_and_no_end) as server:
        events: Any = client(home, server.base_url).stream("a cat")
        next(events)
        with pytest.raises(KeyboardInterrupt):
            events.throw(KeyboardInterrupt)
    assert curls_of() == [] and home.leftovers() == []


def test_stop_from_another_thread_ends_every_call_as_ctrl_c_does(home: Home, recorder: Recorder) -> None:
    recorder.hold()
    maker = client(home, recorder.base_url)
    stopper = threading.Thread(target=lambda: (recorder.wait_for_request(), maker.stop()))
    stopper.start()
    with pytest.raises(InterruptedCall) as caught:
        maker.generate("a cat")
    stopper.join()
    assert caught.value.billed is Billed.MAYBE and curls_of() == []
    recorder.release()
    assert maker.generate("a dog").image.size_bytes, "later calls go on"


def test_an_observer_may_stop_its_own_call(home: Home) -> None:
    with serving(a_preview_and_no_end) as server:
        maker = client(
            home, server.base_url, observer=lambda event: isinstance(event, PartialImage) and maker.stop()
        )
        with pytest.raises(InterruptedCall):
            maker.generate("a cat", stream=True)
    assert curls_of() == []


def test_an_observer_may_close_its_client(home: Home, recorder: Recorder) -> None:
    maker = client(home, recorder.base_url, observer=lambda event: maker.close())
    with pytest.raises(InterruptedCall):
        maker.generate("a cat")


def test_a_closed_client_makes_no_calls(home: Home, recorder: Recorder) -> None:
    with client(home, recorder.base_url) as maker:
        maker.generate("a cat")
    with pytest.raises(UsageError) as caught:
        maker.generate("a dog")
    assert "closed" in caught.value.message and len(recorder.requests) == 1
    with pytest.raises(UsageError):
        next(iter(maker.stream("a cow")))


def test_leaving_the_context_ends_a_stream_that_nobody_listens_to(home: Home) -> None:
    with serving(a_preview_and_no_end) as server, client(home, server.base_url) as maker:
        events = maker.stream("a cat")
        next(events)
        maker.close()
        with pytest.raises(InterruptedCall):
            list(events)
    assert curls_of() == []


def test_an_observer_hears_of_previews_and_of_the_end_of_a_failed_call(
    home: Home, recorder: Recorder
) -> None:
    events: List[Event] = []
    with pytest.raises(gpt_image2.PartialError) as caught:
        client(home, recorder.base_url, observer=events.append).generate("a cat", n=2)
    last = events[-1]
    assert isinstance(last, Finished) and last.result == caught.value.result
