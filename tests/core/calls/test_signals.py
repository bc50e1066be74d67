"""Ctrl-C and SIGTERM end a call in order: whole images stay, curl and temp files go, money is spoken of."""

from __future__ import annotations

import json
import os
import signal

import pytest
from faulty import Exchange, body_of, completed, partial, serving
from harness import Home
from pictures import png
from processes import IS_LINUX, curls_of, end_of, is_alive, until
from servers import Answer, Recorder, refusal

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals")

CATS = [png(noise=bytes([number + 1]) * 3000) for number in range(3)]
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
IDS = ["SIGINT", "SIGTERM"]


def two_and_a_half(exchange: Exchange) -> None:
    """Sends two images and a half, then waits for the client to go."""
    body = body_of(CATS)
    exchange.start(len(body))
    exchange.send(body[: body.rindex(b"iVBOR") + 2000])
    exchange.wait_until_gone()


@pytest.mark.parametrize("signum, code", SIGNALS, ids=IDS)
def test_a_signal_keeps_the_images_that_are_whole_and_leaves_nothing_else(
    signum: int, code: int, home: Home
) -> None:
    with serving(two_and_a_half) as server:
        args = ("generate", "a cat", "--n", "3", "-o", "cat.png")
        with home.start(*args, base_url=server.base_url) as process:
            until(lambda: (home.cwd / "cat-2.png").exists() and list(home.cwd.glob(".*.part")))
            curls = curls_of(process)
            process.send_signal(signum)
            run = end_of(process)
    assert run.code == code, run.stderr
    assert [path.read_bytes() for path in run.saved] == CATS[:2]
    assert sorted(home.cwd.iterdir()) == sorted(run.saved)
    assert "2 images saved; the request may still be billed" in run.stderr
    assert "billed: yes" in run.stderr
    assert len(curls) == (1 if IS_LINUX else 0) and not any(map(is_alive, curls))
    assert home.leftovers() == [] and server.hits == 1


@pytest.mark.parametrize("signum, code", SIGNALS, ids=IDS)
def test_a_signal_before_any_answer_says_that_it_may_be_billed(
    signum: int, code: int, home: Home, recorder: Recorder
) -> None:
    recorder.hold()
    with home.start("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url) as process:
        recorder.wait_for_request()
        curls = curls_of(process)
        process.send_signal(signum)
        run = end_of(process)
    assert (run.code, run.json["billed"], run.json["images"]) == (code, "maybe", [])
    assert run.json["error"]["code"] == "interrupted"
    assert "the request may still be billed" in run.json["error"]["message"]
    assert not any(map(is_alive, curls))
    assert home.leftovers() == [] and list(home.cwd.iterdir()) == []
    assert len(recorder.requests) == 1


@pytest.mark.parametrize("signum, code", SIGNALS, ids=IDS)
def test_a_signal_before_anything_was_sent_costs_nothing(
    signum: int, code: int, home: Home, recorder: Recorder
) -> None:
    recorder.hold()
    args = ("edit", f"{recorder.root}/in.png", "a cat", "-o", "cat.png", "--json")
    with home.start(*args, base_url=recorder.base_url) as process:
        recorder.wait_for_request()  # for the input image
        curls = curls_of(process)
        process.send_signal(signum)
        run = end_of(process)
    assert (run.code, run.json["billed"]) == (code, "no")
    assert "may still be billed" not in run.stdout + run.stderr
    assert [request.method for request in recorder.requests] == ["GET"]
    assert not any(map(is_alive, curls))
    assert home.leftovers() == []


@pytest.mark.parametrize("signum, code", SIGNALS, ids=IDS)
def test_a_signal_in_a_wait_ends_it_at_once_and_nothing_is_sent_again(
    signum: int, code: int, home: Home, recorder: Recorder
) -> None:
    plain = refusal(429, "too fast", "rate_limit_exceeded")
    recorder.answer = lambda request: plain._replace(headers=(*plain.headers, ("Retry-After", "500")))
    with home.start("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url) as process:
        assert process.stderr is not None
        said = [process.stderr.readline().decode() for _ in range(2)]
        assert said[1].startswith("sending again in 500.0 s")
        process.send_signal(signum)
        run = end_of(process)
    assert run.code == code
    assert "interrupted; nothing was billed" in run.stderr and "billed: no" in run.stderr
    assert len(recorder.requests) == 1
    assert home.leftovers() == []


def test_a_signal_in_a_download_keeps_the_address_that_was_paid_for(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        if exchange.path == "/1.png":
            exchange.start(len(CATS[0]))
            exchange.send(CATS[0][:100])
            exchange.wait_until_gone()
        else:
            exchange.answer(json.dumps({"data": [{"url": f"{server.root}/1.png"}]}).encode())

    args = ("generate", "a cat", "-o", "cat.png", "--json")
    with serving(talk) as server, home.start(*args, base_url=server.base_url) as process:
        server.wait_for_request()
        server.wait_for_request()
        process.send_signal(signal.SIGTERM)
        run = end_of(process)
    (kept,) = home.rescued.glob("*answer.json")
    assert (run.code, run.json["billed"], server.hits) == (143, "yes", 1)
    assert str(kept) in run.json["error"]["hint"]
    assert f"{server.root}/1.png" in kept.read_text()
    assert home.leftovers() == []


def test_a_signal_ends_every_one_of_n_streams_and_keeps_what_they_brought(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        exchange.start(10_000_000, content_type="text/event-stream")
        first = exchange is server.exchanges[0]
        exchange.send(completed(CATS[0]) if first else partial(CATS[1], 0))
        exchange.wait_until_gone()

    with serving(talk) as server:
        args = ("generate", "a cat", "--n", "3", "-o", "cat.png", "--stream", "--json")
        with home.start(*args, base_url=server.base_url) as process:
            for _ in range(3):
                server.wait_for_request()
            until(lambda: list(home.cwd.glob("cat-*.png")))
            until(lambda: len(list(home.cwd.glob(".*.part"))) == 2)
            curls = curls_of(process)
            process.send_signal(signal.SIGINT)
            run = end_of(process)
    assert (run.code, run.json["billed"], len(run.json["images"])) == (130, "yes", 1)
    # The stream that has brought its image is over, although its connection was still open.
    assert not IS_LINUX or 2 <= len(curls) <= 3
    assert not any(map(is_alive, curls))
    assert home.leftovers() == []


def test_a_signal_after_the_last_image_changes_nothing(home: Home) -> None:
    def talk(exchange: Exchange) -> None:
        body = body_of(CATS)
        exchange.start(len(body))
        exchange.send(body[:-5])
        exchange.wait_until_gone()

    with serving(talk) as server:
        args = ("generate", "a cat", "--n", "3", "-o", "cat.png", "--json")
        with home.start(*args, base_url=server.base_url) as process:
            until(lambda: (home.cwd / "cat-3.png").exists())
            process.send_signal(signal.SIGTERM)
            run = end_of(process)
    assert (run.code, run.json["ok"], len(run.json["images"])) == (0, True, 3)


def test_a_signal_that_the_parent_made_us_ignore_stays_ignored(home: Home, recorder: Recorder) -> None:
    recorder.hold()
    recorder.answer = lambda request: Answer(body=body_of(CATS[:1]))
    deaf = {"preexec_fn": lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)}
    with home.start("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url, **deaf) as process:
        recorder.wait_for_request()
        process.send_signal(signal.SIGHUP)
        recorder.release()
        run = end_of(process)
    assert run.code == 0, run.stderr
    assert (home.cwd / "cat.png").read_bytes() == CATS[0]


def test_a_hang_up_ends_the_call_in_order_too(home: Home, recorder: Recorder) -> None:
    recorder.hold()
    with home.start("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url) as process:
        recorder.wait_for_request()
        process.send_signal(signal.SIGHUP)
        run = end_of(process)
    assert (run.code, run.json["billed"]) == (128 + signal.SIGHUP, "maybe")
    assert home.leftovers() == []


def test_ctrl_c_at_the_terminal_does_not_reach_curl_before_us(home: Home) -> None:
    """A terminal signals the whole group of processes; curl must outlive it until its bytes are safe."""
    with serving(two_and_a_half) as server:
        args = ("generate", "a cat", "--n", "3", "-o", "cat.png", "--json")
        with home.start(*args, base_url=server.base_url, start_new_session=True) as process:
            until(lambda: (home.cwd / "cat-2.png").exists())
            os.killpg(process.pid, signal.SIGINT)
            run = end_of(process)
    assert (run.code, len(run.json["images"])) == (130, 2)
    assert home.leftovers() == []


@pytest.mark.skipif(not IS_LINUX, reason="finds curl by /proc")
def test_a_curl_that_somebody_killed_is_told_by_its_signal(home: Home, recorder: Recorder) -> None:
    recorder.hold()
    with home.start("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url) as process:
        recorder.wait_for_request()
        os.kill(curls_of(process)[0], signal.SIGKILL)
        run = end_of(process)
    assert (run.code, run.json["billed"]) == (7, "maybe")
    assert "(curl was ended by signal 9)" in run.json["error"]["message"]


def test_many_signals_at_once_lose_no_image_and_leave_no_curl(home: Home) -> None:
    with serving(two_and_a_half) as server:
        args = ("generate", "a cat", "--n", "3", "-o", "cat.png")
        with home.start(*args, base_url=server.base_url) as process:
            until(lambda: (home.cwd / "cat-2.png").exists())
            curls = curls_of(process)
            for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
                process.send_signal(signum)
            run = end_of(process)
    # The last of them may come when the command has given the signals back to the system.
    assert run.code in (130, 143, -signal.SIGINT, -signal.SIGTERM), run.stderr
    assert sorted(path.name for path in home.cwd.glob("cat*")) == ["cat-1.png", "cat-2.png"]
    until(lambda: not any(map(is_alive, curls)))
