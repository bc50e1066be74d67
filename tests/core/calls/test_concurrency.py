"""Runs beside each other, and what dead runs left: no target is torn, no image goes, nor anything foreign."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Dict, List

import pytest
from faulty import Exchange, body_of, quoted, serving
from harness import Home
from pictures import jpeg, png, webp
from servers import Recorder, images

CATS = [png(noise=bytes([number + 1]) * 40_000) for number in range(6)]
DAY_S = 24 * 3600


@pytest.mark.parametrize("is_there", [False, True])
def test_processes_that_write_one_target_at_once_keep_every_image(is_there: bool, home: Home) -> None:
    if is_there:
        (home.cwd / "cat.png").write_bytes(b"old")
    together = threading.Barrier(len(CATS))
    taken = iter(range(len(CATS)))

    def talk(exchange: Exchange) -> None:
        body = body_of([CATS[next(taken)]])
        exchange.start(len(body))
        exchange.send(body[: len(body) // 2])
        together.wait(30)  # all of them are writing now
        exchange.send(body[len(body) // 2 :])

    with serving(talk) as server:
        processes = [home.start("generate", "a cat", "-o", "cat.png", base_url=server.base_url) for _ in CATS]
        ends = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * len(CATS), ends
    assert (home.cwd / "cat.png").read_bytes() in CATS
    assert sorted(path.read_bytes() for path in home.cwd.iterdir()) == sorted(CATS)
    warned = [b"was written by somebody else during the call" in stderr for _, stderr in ends]
    assert sorted(warned) == [False, *[True] * (len(CATS) - 1)]
    assert home.leftovers() == []


def test_processes_under_no_clobber_all_keep_their_image(home: Home) -> None:
    together = threading.Barrier(len(CATS))
    taken = iter(range(len(CATS)))

    def talk(exchange: Exchange) -> None:
        number = next(taken)
        together.wait(30)
        exchange.answer(body_of([CATS[number]]))

    with serving(talk) as server:
        args = ("generate", "a cat", "-o", "cat.png", "--no-clobber")
        processes = [home.start(*args, base_url=server.base_url) for _ in CATS]
        for process in processes:
            process.communicate(timeout=60)
    assert sorted(path.read_bytes() for path in home.cwd.iterdir()) == sorted(CATS)


def test_a_reader_of_the_target_sees_the_old_image_or_the_whole_new_one(home: Home) -> None:
    target = home.cwd / "cat.png"
    target.write_bytes(CATS[0])
    seen: List[bytes] = []

    def talk(exchange: Exchange) -> None:
        body = body_of([CATS[1]])
        exchange.start(len(body))
        for at in range(0, len(body), 4000):
            exchange.send(body[at : at + 4000])
            seen.append(target.read_bytes())

    with serving(talk) as server:
        assert home.run("generate", "a cat", "-o", "cat.png", base_url=server.base_url).code == 0
    assert len(seen) > 5 and set(seen) <= {CATS[0], CATS[1]}
    assert target.read_bytes() == CATS[1]


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_link_stays_a_link_and_the_file_behind_it_is_replaced(home: Home, recorder: Recorder) -> None:
    real = home.root / "real.png"
    real.write_bytes(CATS[0])
    (home.cwd / "cat.png").symlink_to(real)
    recorder.answer = lambda request: images(CATS[1])
    assert home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url).code == 0
    assert (home.cwd / "cat.png").is_symlink()
    assert real.read_bytes() == CATS[1]
    assert [path.name for path in home.root.glob("*.part")] == []


@pytest.mark.skipif(os.name == "nt", reason="permission bits")
def test_a_replaced_file_keeps_its_permissions(home: Home, recorder: Recorder) -> None:
    (home.cwd / "cat.png").write_bytes(b"old")
    (home.cwd / "cat.png").chmod(0o640)
    assert home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url).code == 0
    assert (home.cwd / "cat.png").stat().st_mode & 0o777 == 0o640


# What dead runs left


def aged(path: Path, content: bytes, age_s: float) -> Path:
    """A file that was last written so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(str(path), (time.time() - age_s,) * 2)
    return path


def part(name: str, number: int) -> str:
    return f".{name}.gi2-{number:012x}.part"


WHOLE = {"a.png": png(noise=b"left"), "b.jpg": jpeg(), "c.webp": webp()}


@pytest.mark.parametrize("in_rescue_folder", [False, True])
def test_whole_images_of_dead_runs_are_rescued_and_reported(
    in_rescue_folder: bool, home: Home, recorder: Recorder
) -> None:
    folder = home.rescued if in_rescue_folder else home.cwd
    for number, (name, content) in enumerate(WHOLE.items()):
        aged(folder / part(name, number), content, DAY_S + 60)
    run = home.run("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert run.code == 0
    assert sorted(path.read_bytes() for path in home.rescued.iterdir()) == sorted(WHOLE.values())
    for path in home.rescued.iterdir():
        assert any(str(path) in warning for warning in run.json["warnings"])
        assert not path.name.startswith(".") and path.name.endswith(tuple(WHOLE))
    assert [path.name for path in home.cwd.iterdir()] == ["cat.png"]


def test_pieces_of_dead_runs_are_deleted(home: Home, recorder: Recorder) -> None:
    pieces: Dict[str, bytes] = {
        "empty": b"",
        "half.png": WHOLE["a.png"][:-1],
        "half.jpg": WHOLE["b.jpg"][:-1],
        "half.webp": WHOLE["c.webp"][:-1],
        "answer": b'{"data": []}',
    }
    for number, (name, content) in enumerate(pieces.items()):
        aged(home.cwd / part(name, number), content, DAY_S + 60)
        aged(home.rescued / part(name, number), content, DAY_S + 60)
    run = home.run("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    assert (run.code, run.json["warnings"]) == (0, [])
    assert [path.name for path in home.cwd.iterdir()] == ["cat.png"]
    assert list(home.rescued.iterdir()) == []


def test_what_is_young_or_foreign_is_left_alone(home: Home, recorder: Recorder) -> None:
    young = [aged(home.cwd / part("cat.png", number), WHOLE["a.png"], DAY_S - 600) for number in (1, 2)]
    names = [
        ".cat.png.part",
        ".cat.png.gi2-12345.part",
        ".cat.png.gi2-0123456789ab.part.bak",
        "cat.png.gi2-0123456789ab.part",
        ".cat.png.gi2-0123456789AB.part",
        ".hidden",
        "other.part",
    ]
    foreign = [aged(home.cwd / name, WHOLE["a.png"], 400 * DAY_S) for name in names]
    assert home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url).code == 0
    assert all(path.read_bytes() == WHOLE["a.png"] for path in (*young, *foreign))


def test_a_folder_with_the_name_of_a_part_does_no_harm(home: Home, recorder: Recorder) -> None:
    folder = home.cwd / part("cat.png", 1)
    (folder / "inside").mkdir(parents=True)
    os.utime(str(folder), (0, 0))
    assert home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url).code == 0
    assert (folder / "inside").is_dir()


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_part_that_is_a_link_is_not_followed(home: Home, recorder: Recorder) -> None:
    precious = aged(home.root / "precious.png", WHOLE["a.png"], 2 * DAY_S)
    link = home.cwd / part("cat.png", 1)
    link.symlink_to(precious)
    os.utime(str(link), (0, 0), follow_symlinks=False)
    assert home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url).code == 0
    assert precious.read_bytes() == WHOLE["a.png"]


def test_the_whole_image_of_a_killed_run_is_found_a_day_later(home: Home, recorder: Recorder) -> None:
    """In a stream an image may be whole before it is known to be the final one; a kill then leaves a part."""

    def talk(exchange: Exchange) -> None:
        exchange.start(10_000_000, content_type="text/event-stream")
        exchange.send(b"data: " + quoted(CATS[0]))
        exchange.wait_until_gone()

    with serving(talk) as server, home.start(
        "generate", "a", "-o", "cat.png", base_url=server.base_url
    ) as run:
        server.wait_for_request()
        deadline = time.monotonic() + 30
        while [path.stat().st_size for path in home.cwd.glob(".*.part")] != [len(CATS[0])]:
            assert time.monotonic() < deadline
        run.kill()
    (left,) = home.cwd.glob(".*.part")
    os.utime(str(left), (time.time() - DAY_S - 60,) * 2)
    assert home.run("generate", "a cat", "-o", "dog.png", base_url=recorder.base_url).code == 0
    (rescued,) = home.rescued.iterdir()
    assert rescued.read_bytes() == CATS[0]
