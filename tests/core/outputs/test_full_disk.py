"""What was paid for ends up on some disk: when one is full, or a folder goes while the server works."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Callable, Iterator, List, Mapping

import full_disk
import pytest
from batching import again, command, image_files, write_jobs
from faulty import Exchange, body_of, serving
from harness import Home, Run
from pictures import png
from servers import Answer, Recorder, images

CATS = [png(64, 64, noise=bytes([number + 1]) * 200_000) for number in range(3)]


def run_with_limits(home: Home, base_url: str, limits: Mapping[object, int], *args: str) -> Run:
    """Runs the script while each of these folders takes only so many bytes of a file."""
    *python, script, _ = home.command("-")
    table = json.dumps({str(folder): limit for folder, limit in limits.items()})
    return home.run_program(*python, full_disk.__file__, script, table, *args, base_url=base_url)


def assert_rescued(run: Run, folder: Path, expected: List[bytes]) -> List[Path]:
    """Checks that exactly these images are in a rescue folder, that this is said, and what it cost."""
    answer = run.json
    paths = [Path(image["path"]) for image in answer["images"]]
    assert run.code == 8, run.stderr
    assert [path.read_bytes() for path in paths] == expected
    assert all(path.parent == folder for path in paths)
    assert sorted(path for path in folder.glob("*")) == sorted(paths)
    assert answer["billed"] == "yes" and answer["error"]["code"] == "output"
    assert all(str(path) in answer["error"]["message"] and str(path) in run.stderr for path in paths)
    assert "do not send the request again" in answer["error"]["hint"]
    return paths


GENERATE = ("generate", "a cat", "--n", "3", "-o", "out/cat.png", "--json")


@pytest.mark.parametrize("room", [0, 1000, 100_000, len(CATS[0]) - 1])
def test_images_that_a_full_disk_does_not_take_are_rescued(room: int, home: Home) -> None:
    with serving(lambda exchange: exchange.answer(body_of(CATS))) as server:
        run = run_with_limits(home, server.base_url, {home.cwd / "out": room}, *GENERATE)
    assert_rescued(run, home.rescued, CATS)
    assert server.hits == 1
    assert home.leftovers() == []
    assert list((home.cwd / "out").glob("*")) == []


@pytest.fixture
def small_disk(home: Home) -> Iterator[Path]:
    """A real disk of 32 MiB."""
    folder = home.cwd / "out"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_images_that_a_small_real_disk_does_not_take_are_rescued(small_disk: Path, home: Home) -> None:
    def answer(exchange: Exchange) -> None:
        """Lets somebody else take the disk, but for one of the images and a half."""
        free = os.statvfs(str(small_disk)).f_bavail * os.statvfs(str(small_disk)).f_frsize
        (small_disk / "other").write_bytes(bytes(free - len(CATS[0]) * 3 // 2))
        exchange.answer(body_of(CATS))

    with serving(answer) as server:
        run = home.run(*GENERATE, base_url=server.base_url)
    paths = [Path(image["path"]) for image in run.json["images"]]
    assert run.code == 8, run.stderr
    assert [path.read_bytes() for path in paths] == CATS
    assert [path.parent for path in paths] == [small_disk, home.rescued, home.rescued]
    assert all(str(path) in run.json["error"]["message"] for path in paths[1:])
    assert server.hits == 1
    assert home.leftovers() == []


@pytest.mark.parametrize("room", [0, 50_000])
def test_when_the_state_folder_is_full_as_well_images_go_to_the_temp_folder(room: int, home: Home) -> None:
    limits = {home.cwd / "out": 1000, home.rescued: room}
    with serving(lambda exchange: exchange.answer(body_of(CATS))) as server:
        run = run_with_limits(home, server.base_url, limits, *GENERATE)
    assert_rescued(run, temp_rescue(home), CATS)
    assert list(home.rescued.glob("*")) == list(home.rescued.glob(".*")) == []


def temp_rescue(home: Home) -> Path:
    """The rescue folder in the system's temp folder."""
    return home.tmp / f"gpt-image-2-rescued-{os.getuid() if hasattr(os, 'getuid') else 'user'}"


def test_when_no_disk_takes_the_images_the_error_says_so_and_nothing_crashes(home: Home) -> None:
    limits = {home.cwd / "out": 1000, home.rescued: 1000, home.tmp: 1000}
    with serving(lambda exchange: exchange.answer(body_of(CATS))) as server:
        run = run_with_limits(home, server.base_url, limits, *GENERATE)
    assert run.code == 8, run.stderr
    assert run.json["error"]["code"] == "output"
    assert "No space left on device" in run.json["error"]["message"]
    assert server.hits == 1
    assert home.leftovers() == [] or home.leftovers() == [temp_rescue(home)]


def test_a_faulty_text_on_a_full_disk_is_kept_aside_and_the_next_image_is_still_saved(home: Home) -> None:
    text = body_of([CATS[0], CATS[1]]).replace(b'"},', b'!"},', 1)
    with serving(lambda exchange: exchange.answer(text)) as server:
        limits = {home.cwd / "out": 1 << 20, home.rescued: 100}
        run = run_with_limits(home, server.base_url, limits, *GENERATE[:2], "--n", "2", *GENERATE[4:])
    (kept,) = temp_rescue(home).glob("*bad-base64.txt")
    assert run.code == 9
    assert [Path(image["path"]).read_bytes() for image in run.json["images"]] == [CATS[1]]
    assert kept.read_bytes().endswith(b"!")


def gone(folder: Path) -> None:
    shutil.rmtree(str(folder))


def a_file(folder: Path) -> None:
    gone(folder)
    folder.write_bytes(b"in the way")


def a_dead_link(folder: Path) -> None:
    gone(folder)
    folder.symlink_to(folder.parent / "nowhere" / "at" / "all")


def a_folder_for_each_target(folder: Path) -> None:
    for number in (1, 2, 3):
        (folder / f"cat-{number}.png" / "full").mkdir(parents=True)


def read_only(folder: Path) -> None:
    folder.chmod(0o500)


CHANGES: List[Callable[[Path], None]] = [gone, a_file, a_dead_link, a_folder_for_each_target, read_only]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_folder_that_changes_while_the_server_works_costs_no_image(
    change: Callable[[Path], None], home: Home, recorder: Recorder
) -> None:
    if change is read_only and hasattr(os, "geteuid") and os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    out = home.cwd / "out"
    recorder.answer = lambda request: images(*CATS)
    recorder.hold()
    with home.start(*GENERATE, base_url=recorder.base_url) as process:
        recorder.wait_for_request()
        change(out)
        recorder.release()
        stdout, stderr = process.communicate(timeout=60)
    run = Run(process.returncode, stdout.decode(), stderr.decode())
    assert_rescued(run, home.rescued, CATS)
    assert len(recorder.requests) == 1
    assert list(home.tmp.rglob("*")) == []


def test_without_folder_and_state_folder_images_go_to_the_temp_folder(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: images(*CATS)
    recorder.hold()
    home.state.parent.mkdir(parents=True)
    home.state.write_bytes(b"a file where the state folder should be")
    with home.start(*GENERATE, base_url=recorder.base_url) as process:
        recorder.wait_for_request()
        gone(home.cwd / "out")
        recorder.release()
        stdout, stderr = process.communicate(timeout=60)
    assert_rescued(Run(process.returncode, stdout.decode(), stderr.decode()), temp_rescue(home), CATS)


@pytest.mark.skipif(os.name == "nt", reason="permission bits")
def test_rescued_images_are_in_a_private_folder(home: Home) -> None:
    with serving(lambda exchange: exchange.answer(body_of(CATS[:1]))) as server:
        run = run_with_limits(
            home, server.base_url, {home.cwd: 10}, "generate", "a cat", "-o", "cat.png", "--json"
        )
    (path,) = assert_rescued(run, home.rescued, CATS[:1])
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("room", [100, 2_000_000])
def test_an_answer_that_is_not_understood_is_kept_in_the_temp_folder_when_the_state_folder_is_full(
    room: int, home: Home, recorder: Recorder
) -> None:
    body = json.dumps({"picture": "A" * 3_000_000}).encode()
    recorder.answer = lambda request: Answer(body=body)
    run = run_with_limits(home, recorder.base_url, {home.rescued: room}, *GENERATE)
    assert run.code == 6
    (kept,) = temp_rescue(home).glob("*answer.txt")
    assert kept.read_bytes() == body
    assert str(kept) in run.json["error"]["hint"]
    assert list(home.rescued.glob(".*")) == []


@pytest.mark.parametrize("place", ["out", "state"])
def test_without_room_for_what_is_asked_nothing_is_sent(place: str, home: Home, recorder: Recorder) -> None:
    folder = home.cwd / "out" if place == "out" else home.state
    limits = {f"free {folder}": 3 * 1024 * 1024 * 3 - 1}
    args = ("generate", "a cat", "--n", "3", "--size", "1024x1024", "-o", "out/cat.png", "--json")
    run = run_with_limits(home, recorder.base_url, limits, *args)
    assert run.code == 2, run.stderr
    assert run.json["error"]["code"] == "no_space" and str(folder) in run.json["error"]["message"]
    assert "free some space" in run.json["error"]["hint"]
    assert recorder.requests == []
    limits = {name: limit + 1_000_000 for name, limit in limits.items()}
    recorder.answer = lambda request: images(*CATS)
    assert run_with_limits(home, recorder.base_url, limits, *args).code == 0


def test_a_batch_stops_cleanly_before_it_pays_for_what_has_no_room(home: Home, recorder: Recorder) -> None:
    jobs = write_jobs(home, *({"prompt": f"cat {number}", "size": "1024x1024"} for number in range(6)))
    recorder.answer = lambda request: images(CATS[0])
    one = 1024 * 1024 * 3
    limits = {f"free {home.cwd / 'out'}": one + 2 * len(CATS[0]) + 100_000}
    run = run_with_limits(home, recorder.base_url, limits, *command(jobs, "--concurrency", "1"))
    made = image_files(home.cwd / "out")
    assert run.code == 9 and run.json["done"] == len(made) == len(recorder.requests)
    assert 0 < len(made) < 6
    assert "room for" in json.dumps(run.json)
    assert again(home, recorder.base_url).code == 0
    assert len(recorder.requests) == len(image_files(home.cwd / "out")) == 6
