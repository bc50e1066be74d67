"""The pacer keeps to every kind of limit: simulated on a clock of its own, and once against the sandbox."""

from __future__ import annotations

import heapq
import json
import os
import subprocess
import sys
from copy import deepcopy
from itertools import count
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

import pytest
from batching import command, write_jobs
from harness import Home, Sandbox

from gpt_image2.core.base.events import RateLimit
from gpt_image2.core.batch.pacer import Pacer

MINUTE_S = 60.0
PLAIN = "Too many requests."
SANDBOX_PYTHON = os.environ.get("GPT_IMAGE2_SANDBOX_PYTHON", sys.executable)


class Clock:
    """A clock that moves only when somebody waits, and does then what is due."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self._due: List[Tuple[float, int, Callable[[], None]]] = []
        self._ids = count()

    def __call__(self) -> float:
        return self.now_s

    def at(self, after_s: float, what: Callable[[], None]) -> None:
        """Does something later."""
        heapq.heappush(self._due, (self.now_s + after_s, next(self._ids), what))

    def wait(self, seconds: float = float("inf")) -> None:
        """Lets so much time pass, or as much as there is until something is due, and does that."""
        until_s = self.now_s + seconds
        if self._due and self._due[0][0] <= until_s:
            self.now_s, _, what = heapq.heappop(self._due)
            what()
        else:
            self.now_s = until_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Server:
    """A server with a limit a minute: a bucket that is always filled, or a window that is filled at once.

    `tells` are the ways in which it speaks of it: headers, waits, words.
    """

    def __init__(self, clock: Clock, limit: int, burst: int, window: bool, tells: Tuple[str, ...]) -> None:
        self._clock = clock
        self._limit = limit
        self._burst = burst
        self._window = window
        self._tells = tells
        self._left = float(burst)
        self._seen_s = clock()

    def take(self, images: int) -> bool:
        """Whether a request may pass."""
        self._fill()
        passes = images <= self._left
        self._left -= images if passes else 0
        return passes

    def limits(self) -> Tuple[RateLimit, ...]:
        """What its headers say now."""
        self._fill()
        told = RateLimit("images", self._limit, int(self._left), 0.0)
        return (told,) if "headers" in self._tells else ()

    def wait_s(self, images: int) -> Optional[float]:
        """The wait that a refusal asks for."""
        if "waits" not in self._tells:
            return None
        if self._window:
            return self._seen_s + MINUTE_S - self._clock()
        return (images - self._left) * MINUTE_S / self._limit

    @property
    def message(self) -> str:
        """How a refusal is worded."""
        return (
            f"Rate limit reached on images per min: Limit {self._limit}, Used 1."
            if "words" in self._tells
            else PLAIN
        )

    def _fill(self) -> None:
        passed_s = self._clock() - self._seen_s
        if not self._window:
            self._left = min(self._burst, self._left + passed_s * self._limit / MINUTE_S)
            self._seen_s += passed_s
        elif passed_s >= MINUTE_S:
            self._left = self._burst
            self._seen_s += passed_s // MINUTE_S * MINUTE_S


class Outcome(NamedTuple):
    """How a simulated run went."""

    sent: int
    refused: int
    elapsed_s: float
    times: List[float]

    @property
    def share_refused(self) -> float:
        return self.refused / self.sent


def simulate(
    clock: Clock,
    pacer: Pacer,
    server: Server,
    jobs: int,
    workers: int,
    latency_s: float,
    images: int = 1,
) -> Outcome:
    """Runs jobs, so many at once, as the scheduler does."""
    began_s = clock()
    state = {"free": workers, "left": jobs, "done": 0, "sent": 0, "refused": 0}
    times: List[float] = []

    def send() -> None:
        passes = server.take(images)
        wait_s = None if passes else server.wait_s(images)
        state["sent"] += 1
        times.append(clock() - began_s)
        clock.at(latency_s if passes else 0.05, lambda: end(passes, wait_s))

    def end(passes: bool, wait_s: Optional[float]) -> None:
        pacer.learn(server.limits(), images)
        pacer.end(images)
        state["free"] += 1
        if passes:
            state["done"] += 1
        else:
            state["left"] += 1
            state["refused"] += 1
            pacer.refuse(images, wait_s, server.message, clock())

    while state["done"] < jobs:
        must_wait_s = pacer.wait_s(images, clock())
        if not state["free"] or not state["left"]:
            clock.wait()
        elif must_wait_s:
            clock.wait(must_wait_s)
        else:
            state["left"] -= 1
            state["free"] -= 1
            pacer.start(images, clock())
            send()
    return Outcome(state["sent"], state["refused"], clock() - began_s, times)


def pace(pacer: Pacer, now_s: float) -> Optional[float]:
    """How many images a minute it would let go from now on; None where nothing holds them back."""
    tried = deepcopy(pacer)
    now_s += tried.wait_s(1, now_s)
    tried.start(1, now_s)
    wait_s = tried.wait_s(1, now_s)
    return MINUTE_S / wait_s if wait_s else None


WAYS: Dict[str, Tuple[str, ...]] = {
    "headers": ("headers", "waits", "words"),
    "words": ("words",),
    "words and waits": ("words", "waits"),
    "waits": ("waits",),
}


@pytest.mark.parametrize("workers", [4, 32, 128])
@pytest.mark.parametrize("window", [False, True], ids=["bucket", "window"])
@pytest.mark.parametrize("way", WAYS)
def test_a_limit_that_is_told_in_any_way_is_used_up_and_hardly_ever_passed(
    way: str, window: bool, workers: int, clock: Clock
) -> None:
    limit, latency_s = 60, 2.0 if workers == 4 else 12.0
    server = Server(clock, limit, limit, window, WAYS[way])
    outcome = simulate(clock, Pacer(None, clock()), server, 5 * limit, workers, latency_s)
    # The first minute's images can be had at once, and of a window of which no header tells no minute's.
    ideal_s = (5 if window else 4) * MINUTE_S + latency_s
    surplus = max(0, workers - limit)  # they go out before anything is known
    assert outcome.refused <= (0.1 if way == "words" else 0.05) * outcome.sent + surplus, outcome[:3]
    assert ideal_s / outcome.elapsed_s >= (0.75 if way == "waits" else 0.9), outcome[:3]


@pytest.mark.parametrize("limit, workers", [(5, 4), (250, 64)])
@pytest.mark.parametrize("way", ["headers", "words"])
def test_small_and_large_limits_are_kept_as_well(way: str, limit: int, workers: int, clock: Clock) -> None:
    server = Server(clock, limit, limit, False, WAYS[way])
    outcome = simulate(clock, Pacer(None, clock()), server, 12 * limit, workers, 10.0)
    assert outcome.share_refused <= 0.05, outcome[:3]
    assert (11 * MINUTE_S + 10) / outcome.elapsed_s >= 0.9, outcome[:3]


@pytest.mark.parametrize("workers", [4, 32])
def test_refusals_alone_teach_the_pace(workers: int, clock: Clock) -> None:
    server = Server(clock, 60, 60, False, ())
    outcome = simulate(clock, Pacer(None, clock()), server, 600, workers, 2.0)
    assert outcome.share_refused <= 0.05, outcome[:3]
    assert (9 * MINUTE_S) / outcome.elapsed_s >= 0.9, outcome[:3]


def test_a_pace_that_the_user_tells_is_kept_evenly_whatever_the_server_says(clock: Clock) -> None:
    pacer = Pacer(30, clock())
    generous = Server(clock, 600, 600, False, ("headers",))
    outcome = simulate(clock, pacer, generous, 20, 8, 1.0)
    gaps = [later - earlier for earlier, later in zip(outcome.times, outcome.times[1:])]
    assert outcome.refused == 0 and min(gaps) >= 1.99
    assert max(gaps) <= 2.01 and pace(pacer, clock()) == pytest.approx(30)


def test_images_count_and_not_requests(clock: Clock) -> None:
    outcome = simulate(
        clock, Pacer(60, clock()), Server(clock, 10_000, 10_000, False, ()), 10, 8, 0.5, images=4
    )
    gaps = [later - earlier for earlier, later in zip(outcome.times, outcome.times[1:])]
    assert min(gaps) >= 3.99
    server = Server(clock, 60, 60, False, WAYS["headers"])
    outcome = simulate(clock, Pacer(None, clock()), server, 60, 16, 3.0, images=4)
    assert outcome.share_refused <= 0.05, outcome[:3]
    assert (180 + 3) / outcome.elapsed_s >= 0.9, outcome[:3]


def test_without_any_limit_nobody_waits(clock: Clock) -> None:
    pacer = Pacer(None, clock())
    outcome = simulate(clock, pacer, Server(clock, 10**6, 10**6, False, ()), 1000, 50, 1.0)
    assert outcome.elapsed_s == pytest.approx(20.0, abs=0.5)
    assert pace(pacer, clock()) is None


def test_a_wait_holds_everybody_until_it_is_over(clock: Clock) -> None:
    pacer = Pacer(None, clock())
    pacer.pause(40.0, clock())
    assert pacer.paused_s(clock()) == pacer.wait_s(1, clock()) == pytest.approx(40.0)
    clock.wait(39.0)
    assert pacer.wait_s(1, clock()) == pytest.approx(1.0)
    clock.wait(1.0)
    assert pacer.wait_s(1, clock()) == pacer.paused_s(clock()) == 0
    pacer.start(1, clock())
    pacer.end(1)
    pacer.refuse(1, 7.0, PLAIN, clock())
    pacer.pause(1.0, clock())  # a shorter one does not shorten it
    assert 6.99 <= pacer.wait_s(1, clock()) <= 8.0


def test_asking_how_long_to_wait_changes_nothing(clock: Clock) -> None:
    """A run that looks often goes out as one that looks seldom."""
    asked, left_alone = Pacer(30, clock()), Pacer(30, clock())
    for pacer in (asked, left_alone):
        pacer.start(1, clock())
        pacer.refuse(1, None, PLAIN, clock())
    for _ in range(100):
        clock.wait(1.0)
        asked.wait_s(1, clock())
    for pacer in (asked, left_alone):
        pacer.start(1, clock())
    assert asked.wait_s(1, clock()) == left_alone.wait_s(1, clock()) > 0


def test_many_refusals_of_one_moment_slow_down_but_once(clock: Clock) -> None:
    paces: List[Optional[float]] = []
    for refusals in (1, 30):
        pacer = Pacer(None, clock())
        for _ in range(40):
            assert pacer.wait_s(1, clock()) == 0
            pacer.start(1, clock())
        clock.wait(5.0)
        for _ in range(refusals):
            pacer.end(1)
            pacer.refuse(1, None, PLAIN, clock())
        paces.append(pace(pacer, clock()))
    assert paces[0] == paces[1] and paces[0] is not None


def test_after_refusals_have_stopped_the_pace_rises_to_what_is_known_and_no_further(clock: Clock) -> None:
    pacer = Pacer(None, clock())
    pacer.learn([RateLimit("images", 60, 0, 60.0)], 1)
    for _ in range(6):
        pacer.refuse(1, None, PLAIN, clock())
        clock.wait(3.0)
    slowed = pace(pacer, clock())
    assert slowed is not None and slowed < 50
    simulate(clock, pacer, Server(clock, 10_000, 10_000, False, ()), 2000, 8, 0.5)
    risen = pace(pacer, clock())
    assert risen is not None and slowed < risen <= 60


def test_requests_of_one_moment_go_out_one_by_one_and_none_is_forgotten(clock: Clock) -> None:
    fast = Server(clock, 10**6, 10**6, False, ())
    outcome = simulate(clock, Pacer(60_000, clock()), fast, 40, 40, 1.0)
    gaps = [later - earlier for earlier, later in zip(outcome.times, outcome.times[1:])]
    assert outcome.sent == 40 and gaps == [pytest.approx(0.001)] * 39


@pytest.fixture
def narrow_sandbox() -> Iterator[Sandbox]:
    """A sandbox that takes 600 images a minute, 30 of them at once."""
    limits = ["--images-per-minute", "600", "--burst", "30"]
    process = subprocess.Popen(
        [SANDBOX_PYTHON, "-m", "gpt_image2.sandbox", "--port", "0", "--latency", "0.1", *limits],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    assert process.stdout is not None
    with process:
        line = process.stdout.readline().decode()
        assert line.startswith("Sandbox: "), "the sandbox did not start"
        yield Sandbox(line.split()[1])
        process.terminate()


def test_against_the_sandbox_hardly_a_request_is_refused_and_the_limit_is_used_up(
    narrow_sandbox: Sandbox, home: Home
) -> None:
    jobs, burst, per_minute = 100, 30, 600
    path = write_jobs(home, *(f"job {number}" for number in range(jobs)))
    flags = ("--concurrency", "8", "--quality", "low", "--size", "816x816")
    run = home.run(*command(path, *flags), base_url=narrow_sandbox.base_url)
    assert run.code == 0, run.stderr
    statuses = [request["status"] for request in narrow_sandbox_log(narrow_sandbox)]
    refused = statuses.count(429)
    pace = (jobs - burst) * MINUTE_S / run.json["elapsed_s"]
    print(json.dumps({"refused": refused, "requests": len(statuses), "of the limit": pace / per_minute}))
    assert refused <= 0.05 * len(statuses)
    assert pace >= 0.9 * per_minute


def narrow_sandbox_log(sandbox: Sandbox) -> List[Dict[str, int]]:
    """Every request that it saw."""
    found: List[Dict[str, int]] = []
    for number in range(100):
        found += sandbox.log(f"job {number}")["requests"]
    return found
