"""SIGKILL at any moment loses at most the image that had not fully arrived, and tears no file."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Callable, List, NamedTuple, Tuple

import pytest
from faulty import CLOSING, OPENING, WAIT_S, Exchange, completed, quoted, serving
from harness import Home, Started
from pictures import png
from processes import IS_LINUX, curls_of, sleeps

KILLS, KILLS_IN_FULL = 50, 200
SIDE_BY_SIDE = 2
#: Between two looks. What is sent is given to who reads it, and wakes him, within this time.
LOOK_S = 0.01
IMAGES = 6
OLD = b"what was here before"
pytestmark = pytest.mark.timeout(600)


class Tally(NamedTuple):
    """One killed run: images that were due, those of them that were found whole, and all that were found."""

    due: int
    due_and_found: int
    found: int
    torn: List[str]


def killed_run(root: Path, seed: int) -> Tally:
    """Lets a server dribble an answer, kills the client at some moment, and looks at what is on disk."""
    dice = random.Random(seed)
    pictures = [
        png(32, 32, noise=bytes(dice.choices(range(1, 256), k=dice.randint(1, 6000)))) for _ in range(IMAGES)
    ]
    written: List[int] = []
    root.mkdir()
    home = Home(root)
    targets = [home.cwd / f"cat-{number}.png" for number in range(1, IMAGES + 1)]
    for target in targets[:: dice.choice([1, 2])]:
        target.write_bytes(OLD)

    with serving(dribbling(pictures, seed, written)) as server:
        client = home.start(
            "generate", "a cat", "--n", str(IMAGES), "-o", "cat.png", base_url=server.base_url
        )
        with client:
            server.wait_for_request()
            due = arrived_until(time.monotonic() + dice.uniform(0.0, 0.45), written, client)
            client.kill()
        server.exchanges[0].wait_until_gone()
    content = [target.read_bytes() if target.exists() else OLD for target in targets]
    whole = [number for number in range(IMAGES) if content[number] == pictures[number]]
    torn = [
        str(targets[number]) for number in range(IMAGES) if content[number] not in (OLD, pictures[number])
    ]
    return Tally(due, len(set(range(due)) & set(whole)), len(whole), torn)


def arrived_until(moment: float, written: List[int], client: Started) -> int:
    """How many images have arrived at a random moment: curl, and then the client, have slept since they were
    sent, which is when they had no more to do."""
    readers = [*curls_of(client), client.pid]
    arrived = before = 0
    slept = False
    while True:
        count, sleep = len(written), all(map(sleeps, readers))
        if sleep and slept:
            arrived = before
        before, slept = count, sleep
        left_s = moment - time.monotonic()
        if left_s <= 0:
            return arrived
        time.sleep(min(LOOK_S, left_s))


def dribbling(pictures: List[bytes], seed: int, written: List[int]) -> Callable[[Exchange], None]:
    """Sends images in drops; notes each when its last byte, its closing quote, was given to the socket."""
    dice = random.Random(seed)
    pieces: List[Tuple[bytes, bool]] = []
    as_events = dice.random() < 0.5
    for number, picture in enumerate(pictures):
        whole = completed(picture) if as_events else quoted(picture)
        end = whole.index(b'"', whole.index(b"iVBOR")) + 1
        text, rest = whole[:end], whole[end:] + (b"" if as_events else b"}," if number < IMAGES - 1 else b"}")
        at = 0
        while at < len(text):
            size = dice.randint(1, 2500)
            pieces.append((text[at : at + size], at + size >= len(text)))
            at += size
        pieces.append((rest, False))

    def talk(exchange: Exchange) -> None:
        length = sum(len(data) for data, _ in pieces) + (0 if as_events else len(OPENING + CLOSING))
        exchange.start(length, content_type="text/event-stream" if as_events else "application/json")
        exchange.send(b"" if as_events else OPENING)
        for data, is_end in pieces:
            exchange.send(data)
            if is_end:
                written.append(len(written))
            time.sleep(dice.uniform(0.0, 0.012))  # the dribble
        exchange.send(b"" if as_events else CLOSING)
        exchange.wait_until_gone()

    return talk


@pytest.mark.skipif(not IS_LINUX, reason="only Linux tells of every process what it does")
def test_sigkill_at_a_random_moment_loses_no_image_that_had_arrived_and_tears_none(
    tmp_path: Path, in_full: bool
) -> None:
    kills = KILLS_IN_FULL if in_full else KILLS
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        tallies = list(pool.map(lambda seed: killed_run(tmp_path / str(seed), seed), range(kills)))
    due, found = sum(tally.due for tally in tallies), sum(tally.found for tally in tallies)
    before = sum(tally.found == 0 for tally in tallies)
    between = sum(0 < tally.found < IMAGES for tally in tallies)
    print(f"{kills} kills, {due} images due, {found} found; {before} before the first, {between} between")
    assert [path for tally in tallies for path in tally.torn] == []
    assert sum(tally.due_and_found for tally in tallies) == due
    # The kills came before, between and after the images: otherwise this would show nothing.
    assert due > kills // 2
    assert before > kills // 50 and between > kills // 4


def test_after_a_sigkill_the_next_run_finds_the_targets_usable(home: Home) -> None:
    picture = png(noise=b"next")

    def talk(exchange: Exchange) -> None:
        exchange.start(10_000_000)
        exchange.send(OPENING + quoted(picture)[:-10])
        exchange.wait_until_gone()

    args = ("generate", "a cat", "-o", "cat.png")
    with serving(talk) as server, home.start(*args, base_url=server.base_url) as client:
        server.wait_for_request()
        deadline = time.monotonic() + WAIT_S
        while not list(home.cwd.glob(".cat.png.*.part")):
            assert time.monotonic() < deadline
        client.kill()
    assert not (home.cwd / "cat.png").exists()
    with serving(lambda exchange: exchange.answer(OPENING + quoted(picture) + b"}" + CLOSING)) as server:
        run = home.run("generate", "a cat", "-o", "cat.png", base_url=server.base_url)
    assert run.code == 0, run.stderr
    assert (home.cwd / "cat.png").read_bytes() == picture
