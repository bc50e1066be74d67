"""A click is one call: once sent, told as it goes, kept within the ceiling, and never sent twice."""

from __future__ import annotations

import http.client
import json
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from harness import Home, Sandbox, serve_sandbox
from pictures import png
from servers import Recorder
from studio_driving import Studio, made, studio_of

BYTES = "application/octet-stream"


def asked(prompt: str, call_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """What a click sends."""
    given = {"prompt": prompt, "quality": "low", "size": "1024x1024", **fields}
    return {"id": call_id or str(uuid.uuid4()), "fields": given}


@contextmanager
def listening(studio: Studio) -> Iterator[Iterator[dict[str, Any]]]:
    """What the studio tells, from its state on."""
    connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=30)
    connection.request("GET", f"{studio.root}/api/events", headers=studio.own_headers())
    answer = connection.getresponse()

    def told() -> Iterator[dict[str, Any]]:
        for line in answer:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    try:
        yield told()
    finally:
        connection.close()


def ended(studio: Studio, call_id: str) -> dict[str, Any]:
    """The state of a call once it has ended."""
    with listening(studio) as told:
        for event in told:
            for call in [*event.get("calls", []), *([event["call"]] if "call" in event else [])]:
                if call["id"] == call_id and call["state"] not in ("queued", "running"):
                    return call
    raise AssertionError("the stream ended")


def test_a_click_makes_a_picture_that_is_in_the_gallery(
    studio: Studio, home: Home, sandbox: Sandbox, prompt: str
) -> None:
    body = asked(prompt)
    assert studio.post("api/calls", body).json["state"] == "queued"
    call = ended(studio, body["id"])
    assert (call["state"], call["billed"], call["error"]) == ("done", "yes", None)
    assert call["cost_usd"] > 0 and len(call["images"]) == 1
    (card,) = studio.get("api/pictures").json["cards"]
    assert card["prompt"] == prompt and card["picture"]["sha256"] == call["images"][0]["sha256"]
    path = studio.get(f"api/pictures/{card['id']}/file").json["path"]
    assert path.startswith(str(home.root / "gpt-image2-studio"))
    assert len(sandbox.log(prompt)["requests"]) == 1


def test_the_same_click_again_is_the_same_call(studio: Studio, sandbox: Sandbox, prompt: str) -> None:
    body = asked(prompt)
    for _ in range(3):
        assert studio.post("api/calls", body).json["id"] == body["id"]
    ended(studio, body["id"])
    assert studio.post("api/calls", body).json["state"] == "done"
    assert len(sandbox.log(prompt)["requests"]) == 1
    other = studio.post("api/calls", asked("another", body["id"]))
    assert other.status == 400 and "another call" in other.json["error"]["message"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"id": "1"},
        {"fields": {"prompt": "x", "unknown": 1}},
        {"fields": {"prompt": "x", "n": "3"}},
        {"fields": {"prompt": "x", "n": True}},
        {"fields": {"prompt": 7}},
        {"fields": []},
        {"inputs": "1-1"},
        {"inputs": ["/etc/passwd"]},
        {"inputs": ["1-1"] * 17},
        {"mask": 1},
        {"base_url": "http://evil.example"},
        {"fields": {"prompt": ""}},
        {"fields": {"prompt": "x", "size": "100x100"}},
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_sent(recorder: Recorder, home: Home, wrong: Any) -> None:
    with studio_of(home, recorder.base_url) as studio:
        reply = studio.enter().post("api/calls", {**asked("x"), **wrong})
    assert reply.status == 400 and reply.json["error"]["message"]
    assert recorder.requests == []


def test_the_price_comes_before_the_click(studio: Studio) -> None:
    low, high = (
        studio.post("api/price", {"fields": asked("x", quality=quality)["fields"]}).json
        for quality in ("low", "high")
    )
    assert 0 < low["estimate_usd"]["high"] < high["estimate_usd"]["low"]
    assert low["size"] == [1024, 1024] and low["typical_s"] == 70.0
    wide = studio.post("api/price", {"fields": {"prompt": "x", "size": "16:9@2k"}}).json
    assert wide["size"] == [2048, 1152]
    wrong = studio.post("api/price", {"fields": {"prompt": "x", "size": "17x17"}})
    assert wrong.status == 400 and wrong.json["error"]["hint"]


def test_the_ceiling_holds_for_all_calls_together(home: Home, recorder: Recorder) -> None:
    with studio_of(home, recorder.base_url) as studio:
        studio.enter()
        assert studio.post("api/ceiling", {"max_cost_usd": 0.01}).json["left_usd"] == 0.01
        recorder.hold()
        first = asked("the first")
        assert studio.post("api/calls", first).status == 200
        recorder.wait_for_request()
        recorder.release()
        ended(studio, first["id"])
        second = studio.post("api/calls", asked("the second"))
        assert second.status == 400 and second.json["error"]["code"] == "over_max_cost"
        for wrong in (-1, "1", True, float("nan")):
            assert studio.post("api/ceiling", {"max_cost_usd": wrong}).status == 400
        studio.post("api/ceiling", {"max_cost_usd": None})
        assert studio.post("api/calls", asked("the third")).status == 200
        recorder.wait_for_request()
    assert len(recorder.requests) == 2


def test_a_call_that_may_have_been_billed_says_so(studio: Studio, home: Home, sandbox: Sandbox) -> None:
    with studio_of(home, sandbox.fault("reset")) as other:
        body = asked("a call that is cut")
        other.enter().post("api/calls", body)
        call = ended(other, body["id"])
    assert (call["state"], call["billed"]) == ("failed", "maybe")
    assert not call["error"]["retry_safe"]
    assert studio.get("api/pictures?billed=maybe").json["maybe_billed"] == 1


def test_cancelling_what_waits_sends_nothing(home: Home, recorder: Recorder) -> None:
    with studio_of(home, recorder.base_url) as studio:
        studio.enter()
        recorder.hold()
        running = [asked(f"number {number}") for number in range(4)]
        for body in running:
            studio.post("api/calls", body)
        for _ in running:
            recorder.wait_for_request()
        waiting = asked("one too many")
        assert studio.post("api/calls", waiting).json["state"] == "queued"
        studio.post(f"api/calls/{waiting['id']}/cancel", {})
        call = ended(studio, waiting["id"])
        assert (call["state"], call["billed"]) == ("cancelled", "no")
        studio.post(f"api/calls/{running[0]['id']}/cancel", {})
        call = ended(studio, running[0]["id"])
        assert (call["state"], call["billed"]) == ("cancelled", "maybe")
        recorder.release()
        for body in running[1:]:
            assert ended(studio, body["id"])["state"] == "done"
    assert len(recorder.requests) == 4


def test_previews_are_told_and_leave_no_files(studio: Studio, home: Home, prompt: str) -> None:
    body = asked(prompt, partial_images=2)
    seen = 0
    with listening(studio) as told:
        next(told)
        studio.post("api/calls", body)
        for event in told:
            seen = max(seen, event["call"]["previews"] if "call" in event else 0)
            if "call" in event and event["call"]["state"] == "done":
                break
    assert seen == 2
    assert studio.get(f"api/calls/{body['id']}/previews/0").status == 404, "the picture has taken their place"
    assert len(list((home.root / "gpt-image2-studio").iterdir())) == 1


def test_pictures_are_sent_along_by_their_ids(home: Home, recorder: Recorder, sandbox: Sandbox) -> None:
    path = made(home, sandbox, "from the gallery", "-o", "fox.png")
    dropped = png(1024, 1024)
    with studio_of(home, recorder.base_url) as studio:
        added = studio.enter().post("api/inputs", dropped, BYTES).json
        assert (added["width"], added["height"]) == (1024, 1024)
        assert studio.get(f"inputs/{added['id']}").body == dropped
        body = {**asked("both"), "inputs": ["1-1", added["id"]]}
        assert studio.post("api/price", {k: body[k] for k in ("fields", "inputs")}).status == 200
        studio.post("api/calls", body)
        assert ended(studio, body["id"])["state"] == "done"
    assert [file.data for file in recorder.only.files()] == [path.read_bytes(), dropped]


def test_pictures_are_sent_under_the_names_they_were_given(home: Home, recorder: Recorder) -> None:
    given = {
        "the hat": "the hat.png",
        "IMG_1.HEIC": "IMG_1.png",
        "Kept.PNG": "Kept.PNG",
        '../../etc/"passwd"\r\n: x': "etc passwd x.png",
        "猫" * 100: "猫" * 40 + ".png",
        " \u202e .": None,
        "": None,
    }
    with studio_of(home, recorder.base_url) as studio:
        studio.enter()
        ids = [
            studio.post("api/inputs", png(640 + 16 * at, 640), BYTES).json["id"] for at in range(len(given))
        ]
        body = {**asked("all of them"), "inputs": ids, "names": list(given)}
        assert studio.post("api/calls", body).status == 200
        assert ended(studio, body["id"])["state"] == "done"
        (past,) = studio.get("api/requests/1").json["inputs"][:1]
        assert past["filename"] == "the hat.png"
        for wrong in (["one"], "the hat", [1] * len(given), ["\ud800"] * len(given)):
            assert studio.post("api/calls", {**body, "id": str(uuid.uuid4()), "names": wrong}).status == 400
    names = [file.filename for file in recorder.only.files()]
    own = [each.removeprefix("in-") for each in ids]
    assert names == [name or own[at] for at, name in enumerate(given.values())]


def test_a_studio_that_is_killed_loses_nothing_and_the_next_sends_nothing_again(
    home: Home, recorder: Recorder
) -> None:
    recorder.hold()
    body = asked("under way")
    with studio_of(home, recorder.base_url) as studio:
        studio.enter().post("api/calls", body)
        recorder.wait_for_request()
        studio.kill()
    recorder.release()
    with studio_of(home, recorder.base_url) as studio:
        (card,) = studio.enter().get("api/pictures").json["cards"]
        assert (card["prompt"], card["status"], card["billed"]) == ("under way", "sent", "maybe")
        with listening(studio) as told:
            assert next(told)["calls"] == []
    assert len(recorder.requests) == 1


def test_a_signal_ends_what_is_under_way_and_says_that_it_may_have_been_billed(
    home: Home, recorder: Recorder
) -> None:
    recorder.hold()
    with studio_of(home, recorder.base_url) as studio:
        studio.enter().post("api/calls", asked("under way"))
        recorder.wait_for_request()
        started = time.monotonic()
        studio.process.terminate()
        assert studio.process.wait(20) == 143
        assert time.monotonic() - started < 10
    assert home.run("history", "--json").json["requests"][0]["status"] == "interrupted"


@pytest.fixture(scope="module")
def slow() -> Iterator[Sandbox]:
    """A sandbox whose calls take a second."""
    with serve_sandbox("--latency", "1") as url:
        yield Sandbox(url)


def test_a_page_that_comes_back_finds_its_call(home: Home, slow: Sandbox, prompt: str) -> None:
    with studio_of(home, slow.base_url) as studio:
        body = asked(prompt)
        studio.enter().post("api/calls", body)
        for _ in range(2):
            with listening(studio) as told:
                (call,) = next(told)["calls"]
                assert call["fields"]["prompt"] == prompt
        assert ended(studio, body["id"])["state"] == "done"
    assert len(slow.log(prompt)["requests"]) == 1


def test_the_price_follows_the_prompt_and_everything_else(
    studio: Studio, home: Home, sandbox: Sandbox
) -> None:
    def high(prompt: str, **more: Any) -> float:
        body = {"fields": {"prompt": prompt, "quality": "low", "size": "1024x1024", **more}}
        return studio.post("api/price", body).json["estimate_usd"]["high"]

    short, long = high("x"), high("x" * 4000)
    assert long > short == high("x") < high("x", n=2) and high("x", quality="high") > long
    assert studio.post("api/price", {"fields": {"prompt": ""}}).status == 400
    made(home, sandbox, "a fox", "-o", "fox.png", "--quality", "low")
    body = {"fields": {"prompt": "x", "quality": "low", "size": "1024x1024"}, "inputs": ["1-1"]}
    assert studio.post("api/price", body).json["estimate_usd"]["high"] > short
