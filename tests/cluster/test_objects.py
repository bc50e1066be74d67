from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from functools import partial

import pytest
from faulty import WAIT_S

from gpt_image2.cluster.jobs.results import read_result
from gpt_image2.cluster.store import presence
from gpt_image2.cluster.store.claims import Claims, State, read_claim
from gpt_image2.cluster.store.found import StoreError
from gpt_image2.cluster.store.objects import open_objects
from gpt_image2.cluster.store.presence import Presence, Times
from gpt_image2.core.base.errors import UsageError


def test_of_many_that_make_one_object_one_has_made_it(address: str) -> None:
    objects = open_objects(address)
    with ThreadPoolExecutor(8) as pool:
        for name in map(str, range(10)):
            made = list(pool.map(partial(objects.create, name), map(b"%d".__mod__, range(8))))
            assert made.count(True) == 1
            assert objects.get(name) == b"%d" % made.index(True)


def test_of_many_that_move_one_claim_one_has_moved_it(address: str) -> None:
    workers = [Claims(open_objects(address), f"worker-{number}") for number in range(6)]
    first = workers[0].take("job", None)
    assert first is not None
    with ThreadPoolExecutor(6) as pool:
        moved = list(pool.map(lambda worker: worker.move(first, State.SENT, attempts=1), workers))
    (winner,) = [claim for claim in moved if claim is not None]
    last = workers[1].last("job")
    assert last is not None and (last.worker, last.token, last.number) == (winner.worker, winner.token, 2)


def test_what_was_made_before_its_answer_was_lost_is_ours(address: str) -> None:
    objects = open_objects(address)
    assert objects.create("claim", b"token 1")
    assert objects.create("claim", b"token 1")
    assert not objects.create("claim", b"token 2")


def test_a_store_lists_reads_and_removes_what_is_below_its_address(address: str) -> None:
    objects = open_objects(address)
    data = b"x" * 1000
    for name in ("images/a/b.png", "images/c.png", "images-2/d.png"):
        objects.put(name, data)
    found = {each.name: each for each in objects.list("images/")}
    assert set(found) == {"images/a/b.png", "images/c.png"}
    assert found["images/c.png"].size_bytes == 1000
    assert abs(found["images/c.png"].modified - datetime.now(timezone.utc)) < timedelta(minutes=1)
    assert objects.is_whole("images/c.png", data)
    assert not objects.is_whole("images/c.png", b"y" * 1000)
    assert not objects.is_whole("images/none.png", data)
    objects.remove("images/c.png")
    objects.remove("images/c.png")
    assert objects.get("images/c.png") is None
    assert objects.head("images/c.png") is None


def test_an_address_of_no_store_is_refused_in_one_line() -> None:
    with pytest.raises(UsageError, match="file://"):
        open_objects("file://relative/path")
    with pytest.raises(UsageError, match="nowhere"):
        open_objects("nowhere://bucket")


def test_a_store_that_is_not_there_is_an_error_of_the_store(
    s3: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3.env.items():  # type: ignore[attr-defined]
        monkeypatch.setenv(name, value)
    with pytest.raises(StoreError, match="no-such-bucket"):
        open_objects("s3://no-such-bucket/run").put("a", b"")


def test_a_worker_that_has_just_come_is_alive_and_one_that_has_left_is_not(address: str) -> None:
    objects = open_objects(address)
    with Presence(objects, "first") as first:
        assert not first.is_alive("second")
        with Presence(objects, "second"):
            deadline = time.monotonic() + WAIT_S
            while not first.is_alive("second"):
                assert time.monotonic() < deadline
        left = Presence(objects, "third")
        assert not left.is_alive("second")
        assert left.is_alive("first")


def test_a_worker_that_is_silent_for_long_is_dead(address: str) -> None:
    objects = open_objects(address)
    objects.put("workers/silent", b"")
    times = Times(beat_s=0.1, silence_s=0.05)
    other = Presence(objects, "other", times)
    deadline = time.monotonic() + WAIT_S
    while other.is_alive("silent"):
        assert time.monotonic() < deadline


def test_ages_do_not_depend_on_who_sets_the_clock_of_this_machine(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = open_objects(address)
    with Presence(objects, "first") as first, Presence(objects, "second"):
        set_to = datetime.now(timezone.utc) + timedelta(hours=1)
        clock = type("Clock", (datetime,), {"now": classmethod(lambda *_: set_to)})
        monkeypatch.setattr(presence, "datetime", clock)
        assert abs(first.now() - datetime.now(timezone.utc)) < timedelta(minutes=1)
        assert first.is_alive("second")


@pytest.mark.parametrize("read", [read_claim, partial(read_result, folder="out")])
def test_an_object_that_nests_without_end_is_not_readable(read: Callable[[bytes], object]) -> None:
    with pytest.raises(StoreError, match="not readable"):
        read(b"[" * 200_000)
