"""Two studios beside each other, or two tabs of one: none takes away what the other works with."""

from __future__ import annotations

import os
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from harness import Home
from pictures import png
from processes import until

from gpt_image2.core.calls.client import Client
from gpt_image2.studio.gallery.picture_files import PictureFiles
from gpt_image2.studio.making import inputs, offline, unsent
from gpt_image2.studio.making.inputs import Inputs
from gpt_image2.studio.making.unsent import Unsent
from gpt_image2.studio.way_in import WayIn

CALL = "01234567-89ab-cdef-0123-456789abcdef"


def test_each_studio_leads_the_browser_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    ways_in = [WayIn(tmp_path, port) for port in (1, 2)]
    for number, way_in in enumerate(ways_in, 1):
        way_in.open(f"http://127.0.0.1:{number}/")
    until(lambda: len(opened) == 2)
    pages = [Path(uri.removeprefix("file://")) for uri in sorted(opened)]
    assert [f"127.0.0.1:{number}/" in page.read_text() for number, page in enumerate(pages, 1)] == [True] * 2
    ways_in[0].close()
    assert [page.exists() for page in pages] == [False, True]
    ways_in[1].close()
    assert list(tmp_path.iterdir()) == []


def test_the_same_picture_can_be_added_twice_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[inputs.Input] = []
    kept = Inputs(tmp_path / "inputs", tmp_path, PictureFiles())
    really = inputs.for_upload

    def beside(path: str, folder: Path) -> Any:
        if not added:
            monkeypatch.setattr(inputs, "for_upload", really)
            added.append(kept.add(png(64, 64)))
        return really(path, folder)

    monkeypatch.setattr(inputs, "for_upload", beside)
    assert [kept.add(png(64, 64))] == added
    assert [path.name for path in (tmp_path / "inputs").iterdir()] == [added[0].sha256]


def test_what_is_made_without_a_call_replaces_no_picture_that_came_meanwhile(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, paid = home.cwd / "cat.png", home.cwd / "cat-exact.png"
    source.write_bytes(png(64, 64))
    really = offline.encode

    def encode(*args: Any, **options: Any) -> bytes:
        paid.write_bytes(b"a picture that was paid for")
        return really(*args, **options)

    monkeypatch.setattr(offline, "encode", encode)
    client = Client(env=home.environment("http://127.0.0.1:9/v1"), history=False)
    made = offline.made_of(source, {"what": "exact", "size": "32x32"}, home.cwd, client)
    assert paid.read_bytes() == b"a picture that was paid for"
    assert made.path == str(home.cwd / "cat-exact-1.png") and made.notes == ()


def test_a_click_that_could_not_be_kept_can_be_sent_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clicks = Unsent(tmp_path / "unsent")

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        clicks.keep(CALL, {})
    clicks.take(CALL)
    assert list((tmp_path / "unsent").iterdir()) == [] and clicks.close() == 0


def test_a_click_that_another_studio_sends_at_this_moment_is_not_offered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, first, second = (Unsent(tmp_path / "unsent") for _ in range(3))
    before.keep(CALL, {"prompt": "a fox"})
    before.close()
    assert [call_id for call_id, _ in first.left()] == [CALL]
    really = unsent.try_lock

    def later(descriptor: int) -> bool | None:
        first.take(CALL)
        return really(descriptor)

    monkeypatch.setattr(unsent, "try_lock", later)
    assert second.left() == [] and second.close() == 0
