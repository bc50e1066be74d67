"""What the end of a studio keeps from being sent: it waits for a click at the next start."""

from __future__ import annotations

from typing import Any

from harness import Home
from playwright.sync_api import expect
from servers import Recorder
from studio_driving import Studio, studio_of
from studio_visitor import Visitor
from test_calls_api import asked, ended, listening

AT_ONCE = 4


def calls(studio: Studio) -> list[dict[str, Any]]:
    """The calls as a page that is opened now is told them."""
    with listening(studio) as told:
        return next(told)["calls"]


def sent(recorder: Recorder) -> list[str]:
    """The prompts of the calls that have come to the server."""
    return [request.json["prompt"] for request in recorder.requests if request.method == "POST"]


def fill_the_queue(studio: Studio, recorder: Recorder, *prompts: str) -> list[dict[str, Any]]:
    """As many calls under way as there may be, and these behind them."""
    recorder.hold()
    for number in range(AT_ONCE):
        studio.post("api/calls", asked(f"under way {number}"))
        recorder.wait_for_request()
    waiting = [asked(prompt) for prompt in prompts]
    for body in waiting:
        assert studio.post("api/calls", body).json["state"] == "queued"
    return waiting


def test_what_waited_when_a_studio_ended_waits_for_a_click_in_the_next_and_is_sent_once(
    home: Home, recorder: Recorder
) -> None:
    with studio_of(home, recorder.base_url) as studio:
        first, second, third = fill_the_queue(studio.enter(), recorder, "first", "second", "third")
        with studio_of(home, recorder.base_url) as beside:
            assert calls(beside.enter()) == [], "they are another studio's as long as it lives"
        studio.post(f"api/calls/{third['id']}/cancel", {})
        studio.process.terminate()
        assert studio.process.wait(20) == 143
    recorder.release()
    with studio_of(home, recorder.base_url) as studio:
        left = calls(studio.enter())
        assert [(call["id"], call["state"]) for call in left] == [
            (first["id"], "unsent"),
            (second["id"], "unsent"),
        ]
        assert left[0]["fields"] == first["fields"] and left[0]["billed"] == "no"
        assert len(sent(recorder)) == AT_ONCE, "nothing is sent by itself"
        for _ in range(2):
            assert studio.post(f"api/calls/{first['id']}/send", {}).status == 200
        assert ended(studio, first["id"])["state"] == "done"
        assert studio.post(f"api/calls/{first['id']}/send", {}).json["state"] == "done"
        studio.post(f"api/calls/{second['id']}/dismiss", {})
        assert studio.post(f"api/calls/{second['id']}/send", {}).status == 404
        assert sent(recorder)[AT_ONCE:] == ["first"]
        studio.kill()
    with studio_of(home, recorder.base_url) as studio:
        assert calls(studio.enter()) == []


def test_what_another_studio_has_sent_is_not_sent_again(home: Home, recorder: Recorder) -> None:
    with studio_of(home, recorder.base_url) as studio:
        (waiting,) = fill_the_queue(studio.enter(), recorder, "the last")
        (kept,) = (home.state / "studio" / "unsent").iterdir()
        assert kept.stat().st_mode & 0o777 == 0o600
        kept.unlink()  # as where files have no locks, and the other has taken it
        recorder.release()
        call = ended(studio, waiting["id"])
        assert (call["state"], call["billed"]) == ("failed", "no")
        assert "another studio" in call["error"]["message"]
    assert len(sent(recorder)) == AT_ONCE


def test_the_page_says_what_a_killed_studio_has_not_sent_and_what_sending_it_costs(
    home: Home, recorder: Recorder, visitor: Visitor
) -> None:
    with studio_of(home, recorder.base_url) as studio:
        fill_the_queue(studio.enter(), recorder, "the last but one", "the last")
        studio.kill()
    recorder.release()
    with studio_of(home, recorder.base_url) as studio:
        page = visitor.open(studio.enter())
        call = page.locator(".call.unsent", has_text="the last but one")
        expect(call).to_contain_text("Not sent: the studio ended before its turn came.")
        expect(call.get_by_role("button", name="Send it")).to_contain_text("$0.00")
        call.get_by_role("button", name="Send it").click()
        expect(page.locator(".call.done")).to_contain_text("the last but one")
        page.locator(".call.unsent").get_by_role("button", name="Dismiss").click()
        expect(page.locator(".call")).to_have_count(1)
    assert sent(recorder)[AT_ONCE:] == ["the last but one"]
