"""Stars and collections as the server keeps them: by content, in one file, through the same door."""

from __future__ import annotations

import fcntl
import io
import json
import os
import shutil
import zipfile
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pytest
from harness import Home, Sandbox
from studio_driving import Studio, made, studio_of


def ids(studio: Studio, query: str) -> list[str]:
    """The ids of the cards of a search."""
    return [card["id"] for card in studio.get(f"api/pictures?{query}").json["cards"]]


def collect(studio: Studio, name: str, *pictures: str, is_in: bool = True) -> int:
    """Puts pictures into a collection or takes them out; the status of the answer."""
    body = {"name": name, "pictures": list(pictures), "is_in": is_in}
    return studio.post("api/collections", body).status


def star(studio: Studio, *pictures: str, is_starred: bool = True) -> int:
    """Stars pictures or takes their stars away; the status of the answer."""
    return studio.post("api/stars", {"pictures": list(pictures), "is_starred": is_starred}).status


@pytest.fixture
def three(home: Home, sandbox: Sandbox, studio: Studio) -> list[Path]:
    """A fox, a cat and a hen: 1-1, 2-1, 3-1."""
    return [made(home, sandbox, prompt, "-o", f"{prompt}.png") for prompt in ("fox", "cat", "hen")]


def test_the_gallery_is_filtered_by_star_and_by_collection_and_summed_up(
    studio: Studio, three: list[Path]
) -> None:
    assert ids(studio, "starred=1") == ids(studio, "collection=none") == []
    assert star(studio, "1-1", "3-1") == collect(studio, "Für das Buch", "2-1", "1-1") == 200
    assert ids(studio, "starred=1") == ["3-1", "1-1"]
    named = f"collection={quote('Für das Buch')}"
    assert ids(studio, named) == ["2-1", "1-1"]
    assert ids(studio, f"{named}&starred=1") == ids(studio, f"{named}&search=fox") == ["1-1"]
    found = studio.get(f"api/pictures?{named}").json
    assert (found["total"], found["requests"]) == (2, 2)
    assert found["choices"]["collection"] == ["Für das Buch"]
    card = studio.get("api/pictures/1-1").json
    assert card == found["cards"][1]
    assert card["is_starred"] is True and card["collections"] == ["Für das Buch"]
    assert star(studio, "1-1", is_starred=False) == 200
    assert ids(studio, "starred=1") == ["3-1"]
    assert collect(studio, "two", "1-1", "2-1") == 200
    assert collect(studio, "Für das Buch", "1-1", "2-1", is_in=False) == 200
    assert studio.get("api/pictures").json["choices"]["collection"] == ["two"], "an empty one goes"
    assert studio.post("api/collections/dissolve", {"name": "two"}).status == 200
    found = studio.get("api/pictures").json
    assert found["choices"]["collection"] == [] and found["total"] == 3
    assert all(path.exists() for path in three)


def test_a_picture_keeps_its_marks_when_its_file_moves_and_when_the_studio_starts_anew(
    home: Home, sandbox: Sandbox, three: list[Path], studio: Studio
) -> None:
    assert star(studio, "1-1") == collect(studio, "book", "1-1") == 200
    three[0].rename(three[0].with_name("fox.1.png"))
    shutil.copy(three[1], three[0])
    studio.kill()
    with studio_of(home, sandbox.base_url) as again:
        again.enter()
        assert ids(again, "starred=1&collection=book") == ["1-1"]
        assert again.get("pictures/1-1").body == three[0].with_name("fox.1.png").read_bytes()
    kept = home.ledger.with_name("collections.json")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_two_studios_over_one_home_take_nothing_from_each_other(
    home: Home, sandbox: Sandbox, three: list[Path], studio: Studio
) -> None:
    with studio_of(home, sandbox.base_url) as other:
        other.enter()
        assert star(studio, "1-1") == star(other, "2-1") == star(studio, "3-1") == 200
        assert ids(studio, "starred=1") == ids(other, "starred=1") == ["3-1", "2-1", "1-1"]
    file = home.ledger.with_name("collections.json")
    between = {**json.loads(file.read_bytes()), "collections": {"of another": ["0" * 64]}}
    writing = Thread(target=star, args=(studio, "1-1"), kwargs={"is_starred": False})
    folder = os.open(file.parent, os.O_RDONLY)
    try:  # as another studio does while it writes
        fcntl.flock(folder, fcntl.LOCK_EX)
        writing.start()
        writing.join(0.2)
        file.write_text(json.dumps(between), encoding="utf-8")
    finally:
        os.close(folder)
    writing.join()
    assert ids(studio, "starred=1") == ["3-1", "2-1"]
    assert studio.get("api/pictures").json["choices"]["collection"] == ["of another"]


def test_a_collection_is_exported_whole_in_the_order_in_which_it_was_made(
    studio: Studio, three: list[Path]
) -> None:
    assert collect(studio, "For a book", "3-1") == collect(studio, "For a book", "1-1") == 200
    reply = studio.get("api/export?collection=For%20a%20book")
    assert reply.headers["content-disposition"] == 'attachment; filename="for-a-book.zip"'
    archive = zipfile.ZipFile(io.BytesIO(reply.body))
    names = [each["file"] for each in json.loads(archive.read("pictures.json"))]
    assert [archive.read(name) for name in names] == [three[2].read_bytes(), three[0].read_bytes()]
    assert star(studio, "2-1") == 200
    starred = zipfile.ZipFile(io.BytesIO(studio.get("api/export?starred=1").body))
    assert len(json.loads(starred.read("pictures.json"))) == 1
    assert studio.get("api/export?collection=none").status == 400


def test_a_collection_gets_another_name_that_no_other_has(studio: Studio, three: list[Path]) -> None:
    def rename(name: object, to: object) -> int:
        return studio.post("api/collections/rename", {"name": name, "to": to}).status

    assert collect(studio, "book", "3-1", "1-1") == collect(studio, "film", "2-1") == 200
    reply = studio.post("api/collections/rename", {"name": "book", "to": "  Das  Bu\u0308ch "})
    assert reply.json == {"name": "Das Büch"}
    assert ids(studio, f"collection={quote('Das Büch')}") == ["3-1", "1-1"]
    assert rename("film", "film") == 200 and rename("film", "Das Büch") == rename("book", "x") == 400
    for wrong in ("", "x" * 81, "a\u202eb", 7, None):
        assert rename("film", wrong) == rename(wrong, "x") == 400
    assert studio.get("api/pictures").json["choices"]["collection"] == ["Das Büch", "film"]


def test_what_is_no_name_or_no_picture_is_refused(studio: Studio, three: list[Path]) -> None:
    for name in ("", "  ", "x" * 81, "a\u0000b", "a\u202eb", "\ud800", 7, None):
        body = {"name": name, "pictures": ["1-1"], "is_in": True}
        assert studio.post("api/collections", body).status == 400, name
    for pictures in (["9-9"], ["../x"], [], [1], ["1-1"] * 501, "1-1"):
        assert studio.post("api/stars", {"pictures": pictures, "is_starred": True}).status == 400
        body = {"name": "book", "pictures": pictures, "is_in": True}
        assert studio.post("api/collections", body).status == 400
    assert studio.post("api/stars", {"pictures": ["1-1"], "is_starred": 1}).status == 400
    found = studio.get("api/pictures?starred=1").json
    assert found["cards"] == found["choices"]["collection"] == []


def test_a_file_that_is_not_understood_is_never_written_over(
    home: Home, studio: Studio, three: list[Path]
) -> None:
    file = home.ledger.with_name("collections.json")
    for damaged in (b"{", b"[]", b'{"starred": ["fox"]}', b"\xff"):
        file.write_bytes(damaged)
        reply = studio.post("api/stars", {"pictures": ["1-1"], "is_starred": True})
        assert reply.status == 400 and str(file) in reply.json["error"]["hint"]
        assert file.read_bytes() == damaged
        assert len(ids(studio, "")) == 3, "the gallery goes on without"
