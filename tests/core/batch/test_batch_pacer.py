"""The pacer serves every kind of limit, and refusals by chance: simulated, and the forecast with it.

Each row says what share of the ideal comes through at least, and what share of requests is refused at most.
"""

from __future__ import annotations

import random
from statistics import mean
from typing import List, NamedTuple, Optional, Tuple

import pacing
import pytest
from pacing import AtRandom, Clock, Limited, Outcome, Run, Server, ended, one_by_one

from gpt_image2.core.base.events import RateLimit
from gpt_image2.core.batch.pacer import FOUND, NAMED, TOLD, Pacer, Pacing

MINUTE_S = 60.0
PLAIN = "Too many requests."
ALL = ("headers", "waits", "words")
UNTOLD = (("waits",), ("seconds",), ())
SEEDS = range(3)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def outcome_of(run: Run, clock: Clock) -> Outcome:
    """How one run went."""
    (outcome,) = ended(clock, run)
    assert len(outcome.done_s) == outcome.jobs, "not every job was done"
    return outcome


class Row(NamedTuple):
    """A limit a minute, how a server tells of it (see `Limited`), and what is asked of a run of 600 jobs."""

    tells: Tuple[str, ...]
    per_minute: int
    burst: Optional[int]  # of a bucket; None: a window of a minute
    places: int
    latency_s: float
    least: float  # of the ideal
    most_refused: int

    @property
    def name(self) -> str:
        """In words."""
        kind = f"{self.burst} at once" if self.burst else "a window"
        return (
            f"{'+'.join(self.tells) or 'nothing'}, {self.per_minute} a minute, {kind}, {self.places} places"
        )


ROWS = [
    *(Row(tells, 60, 60, 4, 2.0, 0.97, 3) for tells in (ALL, ("headers",), ("words",), ("words", "waits"))),
    *(Row(tells, 60, 60, 32, 12.0, 0.97, 3) for tells in (ALL, ("headers",), ("words",), ("words", "waits"))),
    *(Row(tells, 60, None, 4, 2.0, 0.97, 4) for tells in (ALL, ("headers",), ("words", "waits"))),
    *(Row(tells, 60, None, 32, 12.0, 0.97, 6) for tells in (ALL, ("headers",), ("words", "waits"))),
    *(Row(("words",), 60, None, places, latency_s, 0.95, 10) for places, latency_s in ((4, 2.0), (32, 12.0))),
    *(Row(tells, 60, 60, 4, 2.0, 0.97, 9) for tells in UNTOLD),
    *(Row(tells, 60, 60, 32, 12.0, 0.97, 11) for tells in UNTOLD),
    *(Row(tells, 600, 30, 32, 2.0, 0.97, 13) for tells in UNTOLD),
    *(Row(tells, 250, 100, 64, 12.0, 0.97, 10) for tells in UNTOLD),
    *(Row(tells, 60, None, 4, 2.0, 0.97, 9) for tells in UNTOLD[:2]),
    *(Row(tells, 60, None, 32, 12.0, 0.97, 9) for tells in UNTOLD[:2]),
    # When the window ends is found out by asking.
    *(Row((), 60, None, places, latency_s, 0.97, 18) for places, latency_s in ((4, 2.0), (32, 12.0))),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_limit_is_used_up_and_seldom_passed_however_the_server_tells_of_it(row: Row, clock: Clock) -> None:
    window_s = 0.0 if row.burst else MINUTE_S
    server = Limited(row.per_minute, *row.tells, burst=row.burst, window_s=window_s)
    outcome = outcome_of(Run(clock, server, 600, row.places, row.latency_s), clock)
    at_once = row.burst or 0
    ideal_s = max((600 - at_once) * MINUTE_S / row.per_minute, 600 * row.latency_s / row.places)
    assert (ideal_s + row.latency_s) / outcome.elapsed_s >= row.least
    assert outcome.refused <= row.most_refused and outcome.gave_up == 0
    assert outcome.share_foretold >= 0.9


@pytest.mark.parametrize("images", [1, 4])
@pytest.mark.parametrize("per_minute", [5, 250])
def test_small_and_large_limits_and_jobs_of_several_images_are_served_as_well(
    per_minute: int, images: int, clock: Clock
) -> None:
    jobs = 8 * per_minute // images
    outcome = outcome_of(Run(clock, Limited(per_minute, *ALL), jobs, 64, 10.0, images), clock)
    assert (7 * MINUTE_S + 10) / outcome.elapsed_s >= 0.9
    assert outcome.refused <= max(0, 64 - per_minute // images) + 2


#: Jobs, places and seconds of a call.
SHAPES = [(60, 4, 0.05), (300, 4, 8.0), (400, 64, 12.0)]


@pytest.mark.parametrize("share", [0.05, 0.2, 0.4, 0.5, 0.6])
@pytest.mark.parametrize("wait_s", [1.0, None], ids=["Retry-After: 1", "no word"])
@pytest.mark.parametrize("jobs, places, latency_s", SHAPES, ids=["short", "calm", "wide"])
def test_refusals_by_chance_slow_nobody_down_but_the_refused(
    share: float, wait_s: Optional[float], jobs: int, places: int, latency_s: float
) -> None:
    """Against the official client with as many threads and retries without end; by the mean of some runs."""
    ours_s, theirs_s, foretold = [], [], []
    for seed in SEEDS:
        clock = Clock()
        outcome = outcome_of(
            Run(clock, AtRandom(share, wait_s, seed=seed), jobs, places, latency_s, seed=seed), clock
        )
        assert outcome.gave_up == 0
        ours_s.append(outcome.elapsed_s)
        foretold.append(outcome.share_foretold)
        theirs_s.append(
            one_by_one(Clock(), AtRandom(share, wait_s, seed=seed + 100), jobs, places, latency_s)
        )
    assert mean(ours_s) <= 1.3 * mean(theirs_s)
    assert jobs == 60 or mean(foretold) >= 0.7


@pytest.mark.parametrize("latency_s", [0.05, 8.0])
def test_hardly_a_single_run_is_slower_where_half_of_all_is_refused(latency_s: float) -> None:
    """The clients' own luck differs as much: the bound is 1.5 times what the official one takes as a rule."""
    runs = range(40)
    theirs_s = [one_by_one(Clock(), AtRandom(0.5, 1.0, seed=100 + seed), 60, 4, latency_s) for seed in runs]
    slow = 0
    for seed in runs:
        clock = Clock()
        outcome = outcome_of(Run(clock, AtRandom(0.5, 1.0, seed=seed), 60, 4, latency_s, seed=seed), clock)
        slow += outcome.elapsed_s > 1.5 * mean(theirs_s)
    assert slow <= 4


class Kind(NamedTuple):
    """A bucket of which nobody tells, and what is asked of runs of 600 jobs by their mean: per cent that are
    refused at most. `refusal_s` is how late a refusal is heard."""

    per_minute: int
    burst: int
    places: int
    latency_s: float
    refusal_s: float
    most_refused: float
    least: float = 0.965  # of the limit, in every single run

    @property
    def name(self) -> str:
        """In words."""
        limit = f"{self.per_minute} a minute, {self.burst} at once"
        return f"{limit}, {self.places} places, {self.latency_s} s, refused after {self.refusal_s} s"


#: Of 8 places 3 are refused at once by a bucket of 5, and of 32 two by one of 30. Where a refusal is heard as
#: late as a call ends, all places are refused together before anybody knows.
KINDS = [
    Kind(60, 60, 4, 2.0, 0.05, 1.7, 0.98),
    Kind(60, 5, 4, 2.0, 0.05, 1.6, 0.93),
    Kind(60, 60, 32, 12.0, 0.05, 1.7),
    Kind(250, 100, 64, 12.0, 0.05, 1.2),
    Kind(600, 30, 32, 2.0, 0.05, 2.0),
    Kind(600, 20, 8, 0.5, 0.05, 1.3),
    Kind(20, 5, 8, 20.0, 0.05, 2.4),
    *(Kind(600, 20, 8, 0.05, late_s, 1.6) for late_s in (0.005, 0.02)),
    Kind(600, 20, 8, 0.05, 0.05, 1.8),
    Kind(600, 20, 8, 0.05, 0.1, 3.1),
]


@pytest.mark.parametrize("tells", UNTOLD, ids=str)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_where_nothing_is_told_hardly_more_than_one_of_a_hundred_is_refused(
    kind: Kind, tells: Tuple[str, ...], monkeypatch: pytest.MonkeyPatch, in_full: bool
) -> None:
    """Prints the table of all kinds with `-s`."""
    monkeypatch.setattr(pacing, "REFUSAL_S", kind.refusal_s)
    shares, used = [], []
    for seed in range(24 if in_full else 8):
        clock = Clock()
        clock.now_s += 7.3 * seed
        latency_s = kind.latency_s * (1 + 0.015 * seed)
        server = Limited(kind.per_minute, *tells, burst=kind.burst)
        outcome = outcome_of(Run(clock, server, 600, kind.places, latency_s, seed=seed), clock)
        ideal_s = max((600 - kind.burst) * MINUTE_S / kind.per_minute, 600 * latency_s / kind.places)
        shares.append(100 * outcome.share_refused)
        used.append((ideal_s + latency_s) / outcome.elapsed_s)
    figures = f"{mean(shares):.2f} % refused, at most {max(shares):.1f}; {mean(used):.3f} of the limit"
    print(f"\n{kind.name}, tells {'+'.join(tells) or 'nothing'}: {figures}, at least {min(used):.3f}")
    assert mean(shares) <= kind.most_refused and max(shares) <= kind.most_refused + 1.3
    assert mean(used) >= 0.97 and min(used) >= kind.least


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6])
@pytest.mark.parametrize("named", [60.0, None], ids=["named", "told"])
def test_a_pace_that_is_named_or_told_is_reached_whatever_chance_refuses(
    share: float, named: Optional[float], clock: Clock
) -> None:
    told = None if named else Limited(60, "headers", burst=5)
    run = Run(clock, AtRandom(share, None, told, seed=3), 200, 16, 2.0, named=named)
    outcome = outcome_of(run, clock)
    assert (200 + 2) / outcome.elapsed_s >= 0.8
    assert outcome.gave_up == 0 and outcome.share_foretold >= 0.8


@pytest.mark.parametrize("tells", [ALL, ("waits",), ("seconds",), ()], ids="+".join)
@pytest.mark.parametrize("before, after", [(60, 240), (240, 60)], ids=["raised", "lowered"])
def test_a_limit_that_changes_in_the_middle_is_followed(
    tells: Tuple[str, ...], before: int, after: int
) -> None:
    for change_s in (120.0, 140.0, 160.0, 180.0):
        clock = Clock()
        server = Limited(before, *tells, burst=20, changes=[(change_s, after)])
        outcome = outcome_of(Run(clock, server, 900, 32, 4.0), clock)
        # At once where it is told, and where it is not: within a minute of the change or little more.
        begin_s = change_s + (10.0 if tells == ALL or after < before else 100.0)
        reached = outcome.done_between(begin_s, begin_s + 60)
        assert 0.85 * after <= reached <= 1.1 * after + 10
        assert outcome.share_refused <= 0.15 and outcome.gave_up == 0


@pytest.mark.parametrize("runs", [2, 3])
@pytest.mark.parametrize("window_s", [0.0, MINUTE_S], ids=["bucket", "window"])
@pytest.mark.parametrize(
    "tells, most", [(ALL, 0.2), (("words", "waits"), 0.2), (("waits",), 0.6), ((), 0.6)], ids=str
)
def test_several_runs_on_one_key_share_its_limit(
    tells: Tuple[str, ...], most: float, window_s: float, runs: int, clock: Clock
) -> None:
    server = Limited(60, *tells, window_s=window_s)
    outcomes = ended(clock, *(Run(clock, server, 300, 8, 4.0, seed=seed) for seed in range(runs)))
    assert runs * 300 / max(outcome.elapsed_s for outcome in outcomes) >= 0.7
    assert sum(outcome.refused for outcome in outcomes) <= most * sum(len(each.sent_s) for each in outcomes)
    assert not any(outcome.gave_up for outcome in outcomes)


class Outage:
    """A server that refuses everything for a time."""

    def __init__(self, begin_s: float, end_s: float, wait_s: Optional[float]) -> None:
        self._times_s = begin_s, end_s
        self._refuses = AtRandom(1.1, wait_s)
        self._takes = AtRandom(0.0)
        self._began_s: Optional[float] = None

    def __call__(self, now_s: float, images: int):  # type: ignore[no-untyped-def]
        self._began_s = now_s if self._began_s is None else self._began_s
        begin_s, end_s = self._times_s
        is_out = begin_s <= now_s - self._began_s < end_s
        return (self._refuses if is_out else self._takes)(now_s, images)


@pytest.mark.parametrize("wait_s", [10.0, None], ids=["told", "no word"])
def test_after_an_outage_all_is_as_before_within_seconds(wait_s: Optional[float], clock: Clock) -> None:
    outcome = outcome_of(Run(clock, Outage(60, 150, wait_s), 1000, 16, 4.0), clock)
    assert outcome.refused <= 16 + 30
    assert outcome.done_between(200, 230) >= 0.8 * 4 * 30


def test_without_any_limit_nobody_waits(clock: Clock) -> None:
    outcome = outcome_of(Run(clock, AtRandom(0.0), 1000, 50, 1.0), clock)
    assert outcome.elapsed_s == pytest.approx(20.0, abs=0.1)
    assert outcome.share_foretold == 1.0


def test_a_pace_that_the_user_names_is_kept_evenly_whatever_the_server_says(clock: Clock) -> None:
    run = Run(clock, Limited(600, "headers"), 20, 8, 1.0, named=30)
    outcome = outcome_of(run, clock)
    gaps = [later - earlier for earlier, later in zip(outcome.sent_s, outcome.sent_s[1:])]
    assert min(gaps) >= 1.99 and max(gaps) <= 2.01
    assert run.pacer.pacing(clock()) == Pacing(0.0, False, 30, NAMED)


def test_images_count_and_not_requests(clock: Clock) -> None:
    outcome = outcome_of(Run(clock, AtRandom(0.0), 10, 8, 0.5, images=4, named=60), clock)
    gaps = [later - earlier for earlier, later in zip(outcome.sent_s, outcome.sent_s[1:])]
    assert min(gaps) >= 3.99


def test_a_refusal_that_names_its_limit_holds_everybody_as_long_as_it_asks() -> None:
    pacer = Pacer(None)
    first, second = pacer.start(1, 100.0), pacer.start(1, 100.0)
    pacer.end(first)
    pacer.refuse(first, 40.0, "Rate limit reached on images per min: Limit 60, Used 60.", 101.0)
    assert pacer.wait_s(1, 101.0) == pytest.approx(40.0)
    assert pacer.pacing(101.0) == Pacing(40.0, True, pytest.approx(58.8), TOLD)  # type: ignore[arg-type]
    pacer.end(second)
    assert pacer.wait_s(1, 140.0) == pytest.approx(1.0) and pacer.wait_s(1, 141.0) == 0


def test_a_refusal_that_names_none_holds_nobody_else() -> None:
    pacer = Pacer(None)
    first = pacer.start(1, 100.0)
    pacer.end(first)
    pacer.refuse(first, 40.0, PLAIN, 100.1)
    assert pacer.wait_s(1, 100.1) == 0


def test_a_window_of_which_nothing_is_left_is_waited_for_and_a_bucket_is_not() -> None:
    """Of a bucket of 60, empty, a server says that it is whole in a minute; sooner, it is a window."""
    for reset_s, wait_s in ((17.0, 17.0), (60.0, 0.0), (0.0, 0.0)):
        pacer = Pacer(None)
        departure = pacer.start(1, 100.0)
        pacer.learn([RateLimit("images", 60, 0, reset_s)], departure)
        assert pacer.wait_s(1, 100.0) == pytest.approx(wait_s)


def test_a_pace_is_found_by_what_gets_through_and_said_to_be(clock: Clock) -> None:
    run = Run(clock, Limited(60, "waits"), 300, 8, 2.0)
    outcome_of(run, clock)
    pacing = run.pacer.pacing(clock())
    assert pacing.source == FOUND and pacing.per_minute == pytest.approx(60, rel=0.05)


def test_asking_how_long_to_wait_changes_nothing() -> None:
    """A run that looks often goes out as one that looks seldom."""
    asked, left_alone = Pacer(30), Pacer(30)
    for pacer in (asked, left_alone):
        departure = pacer.start(1, 100.0)
        pacer.end(departure)
        pacer.refuse(departure, None, PLAIN, 100.1)
    for tick in range(100):
        asked.wait_s(1, 101.0 + tick)
    for pacer in (asked, left_alone):
        pacer.start(1, 201.0)
    assert asked.wait_s(1, 201.0) == left_alone.wait_s(1, 201.0)


@pytest.mark.parametrize("seed", range(20))
def test_property_whatever_a_server_does_no_wait_is_without_end_and_no_job_is_lost(seed: int) -> None:
    """Servers that change their mind from request to request, and say anything."""
    dice = random.Random(seed)
    clock = Clock()
    servers: List[Server] = [
        AtRandom(dice.random() * 0.8, dice.choice([None, 0.0, 0.3, 7.0]), seed=seed),
        Limited(dice.choice([5, 60, 900]), *dice.sample(["headers", "waits", "words"], dice.randint(0, 3))),
        Limited(dice.choice([5, 60, 900]), burst=1),
    ]

    def server(now_s: float, images: int):  # type: ignore[no-untyped-def]
        return servers[int(now_s // 40) % 3](now_s, images)

    run = Run(clock, server, 120, dice.choice([1, 4, 32]), dice.choice([0.1, 5.0]), seed=seed)
    (outcome,) = ended(clock, run)
    assert len(outcome.done_s) + outcome.gave_up == 120 and outcome.gave_up <= 2
    assert outcome.elapsed_s < 120 * 12 * 4 or outcome.gave_up
