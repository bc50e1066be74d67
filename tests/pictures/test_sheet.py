from __future__ import annotations

import re

import numpy as np
import pytest
from canvases import Desk, photo
from harness import Home, Sandbox
from PIL import Image

from gpt_image2.pictures.sheet import Entry, as_page, letters


@pytest.fixture
def full(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("XDG_STATE_HOME", str(desk.folder / ".state"))
    for number, name in enumerate(("b.png", "a.jpg", "c d#.webp")):
        desk.save(name, photo(120, 80 + 40 * number, seed=number))
    desk.path("notes.txt").write_text("no picture", "utf-8")
    return desk


def test_letters_go_on_after_z() -> None:
    assert [letters(number) for number in (0, 1, 25, 26, 27, 51, 52, 701, 702)] == (
        ["A", "B", "Z", "AA", "AB", "AZ", "BA", "ZZ", "AAA"]
    )


def test_a_folder_becomes_a_page_of_its_pictures_in_order_of_their_names(full: Desk) -> None:
    told = full.ok("sheet", ".", "-o", "sheet.html")
    assert told["page"] == str(full.path("sheet.html"))
    page = full.path("sheet.html").read_text("utf-8")
    assert re.findall(r'<img src="([^"]*)"', page) == ["a.jpg", "b.png", "c%20d%23.webp"]
    assert re.findall(r"<b>(\w+)</b>", page) == ["A", "B", "C"]
    assert "default-src 'none'" in page.replace("&#x27;", "'")
    assert "<script" not in page


def test_files_keep_the_order_of_the_words(full: Desk) -> None:
    full.ok("sheet", "c d#.webp", "a.jpg", "-o", "sheet.html")
    page = full.path("sheet.html").read_text("utf-8")
    assert re.findall(r'<img src="([^"]*)"', page) == ["c%20d%23.webp", "a.jpg"]


def test_a_sheet_as_a_picture_is_a_grid_and_is_not_put_on_itself_the_next_time(full: Desk) -> None:
    for _ in range(2):
        told = full.ok("sheet", ".", "-o", "sheet.png")
        assert len(told["derived_from"]) == 3
    picture = full.pixels("sheet.png")
    with Image.open(full.path("sheet.png")) as image:
        assert image.width < image.height * 2
    assert (picture != 250).any(axis=2)[: picture.shape[0] // 2].mean() > 0.05


def test_every_text_on_a_page_is_escaped() -> None:
    page = "".join(as_page([Entry('/x/<b>"a.png', "<script>alert(1)</script> & more")], "/x"))
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; more" in page
    assert 'src="%3Cb%3E%22a.png"' in page


def test_prompts_come_from_the_history(
    full: Desk, home: Home, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = home.run(
        "generate", "a fox on a sheet", "-o", str(full.path("fox.png")), base_url=sandbox.base_url
    )
    assert done.code == 0, done.stderr
    monkeypatch.setenv("XDG_STATE_HOME", str(home.state.parent))
    full.ok("sheet", "fox.png", "a.jpg", "-o", "sheet.html")
    assert full.path("sheet.html").read_text("utf-8").count("a fox on a sheet") == 1
    full.ok("sheet", "fox.png", "a.jpg", "-o", "sheet.png")


WRONG = {
    "missing": (["none.png", "-o", "sheet.html"], "none.png is missing"),
    "no pictures": (["empty", "-o", "sheet.html"], "no picture to put on the sheet"),
    "another format": ([".", "-o", "sheet.pdf"], "no extension that can be written"),
    "a picture as its own sheet": (["b.png", "-o", "b.png"], "is an input as well"),
    "no picture inside": (["fake.png", "-o", "sheet.png"], "cannot read picture"),
}


@pytest.mark.parametrize("words, said", WRONG.values(), ids=WRONG)
def test_what_cannot_be_put_on_a_sheet_is_one_line(full: Desk, words: list[str], said: str) -> None:
    full.path("empty").mkdir()
    full.path("fake.png").write_bytes(b"no picture at all")
    before = full.pixels("b.png")
    assert said in full.run("sheet", *words).error
    assert np.array_equal(full.pixels("b.png"), before)
