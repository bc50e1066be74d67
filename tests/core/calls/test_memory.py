"""The memory of the whole process stays flat, however many megabytes of images an answer holds."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from typing import Callable, Iterator

import pytest
from faulty import CLOSING, OPENING, Exchange, serving
from harness import SCRIPT, Home
from pictures import png
from processes import Measured, measured

IMAGE_BYTES = 15 * 1024 * 1024
#: What Python may take to compile the script, which differs by version (ADR 9), and what a call may add.
#: Where memory lies is different from run to run, which is half a megabyte in the one and one in the other.
SCRIPT_KB = (33 if sys.version_info < (3, 9) else 40 if sys.version_info < (3, 12) else 42) * 1024
CALL_KB, FLAT_KB = 5 * 1024, 2 * 1024
pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere"),
    pytest.mark.timeout(600),
]


def image_text() -> Iterator[bytes]:
    """The base64 of a 15 MB image, which nobody holds whole."""
    head = png(1024, 1024, noise=b"a")[:33]
    yield base64.b64encode(head)
    block = base64.b64encode(bytes(range(256)) * 192)
    left = (IMAGE_BYTES - len(head)) * 4 // 3
    while left > 0:
        yield block[:left]
        left -= len(block)


def as_json(count: int) -> Callable[[Exchange], None]:
    """An answer with so many images."""

    def talk(exchange: Exchange) -> None:
        exchange.start()
        exchange.send(OPENING)
        for number in range(count):
            exchange.send(b', {"b64_json": "' if number else b'{"b64_json": "')
            for text in image_text():
                exchange.send(text)
            exchange.send(b'"}')
        exchange.send(CLOSING)

    return talk


def as_events(count: int) -> Callable[[Exchange], None]:
    """A stream with so many final images, their type before or after the image."""

    def talk(exchange: Exchange) -> None:
        exchange.start(content_type="text/event-stream")
        for number in range(count):
            name = b"event: image_generation.completed\n" if number % 2 else b""
            exchange.send(name + b'data: {"b64_json": "')
            for text in image_text():
                exchange.send(text)
            exchange.send(b'", "type": "image_generation.completed"}\n\n')

    return talk


def as_previews(count: int) -> Callable[[Exchange], None]:
    """A stream with so many previews and one final image."""

    def talk(exchange: Exchange) -> None:
        exchange.start(content_type="text/event-stream")
        for number in range(count):
            kind = b"completed" if number == count - 1 else b"partial_image"
            exchange.send(b"event: image_generation." + kind + b'\ndata: {"b64_json": "')
            for text in image_text():
                exchange.send(text)
            exchange.send(b'"}\n\n')

    return talk


def generated(home: Home, count: int, talk: Callable[[Exchange], None]) -> Measured:
    """One run of the script, as a file."""
    home.script = SCRIPT
    with serving(talk) as server:
        return measured(home, server.base_url, "generate", "a cat", "--n", str(count), "-o", "cat.png")


@pytest.fixture(scope="module")
def script_kb(tmp_path_factory: pytest.TempPathFactory) -> int:
    """What the script takes that does nothing."""
    home = Home(tmp_path_factory.mktemp("script"))
    home.script = SCRIPT
    peak_kb, run = measured(home, "", "--version")
    assert run.code == 0, run.stderr
    return peak_kb


def test_the_script_is_compiled_in_little_memory(script_kb: int) -> None:
    assert script_kb <= SCRIPT_KB


@pytest.mark.parametrize("answer", [as_json, as_events], ids=["json", "events"])
def test_eight_images_of_15_megabytes_take_no_more_memory_than_two_and_little_more_than_the_script(
    answer: Callable[[int], Callable[[Exchange], None]], tmp_path: Path, script_kb: int
) -> None:
    peaks = {}
    for count in (2, 8):
        (tmp_path / str(count)).mkdir()
        home = Home(tmp_path / str(count))
        ended = generated(home, count, answer(count))
        assert ended.run.code == 0, ended.run.stderr
        assert [path.stat().st_size for path in home.cwd.glob("cat-*.png")] == [IMAGE_BYTES] * count
        peaks[count] = ended.peak_kb
        for path in home.cwd.glob("*"):
            path.unlink()
    print(f"peak memory in KiB: {peaks}, of the script {script_kb}")
    assert peaks[8] <= script_kb + CALL_KB
    assert peaks[8] <= peaks[2] + FLAT_KB


def test_previews_take_no_memory_either(home: Home, script_kb: int) -> None:
    ended = generated(home, 1, as_previews(5))
    assert ended.run.code == 0, ended.run.stderr
    assert ended.peak_kb <= script_kb + CALL_KB
    assert [path.name for path in home.cwd.glob("*")] == ["cat.png"]
    assert home.leftovers() == []
