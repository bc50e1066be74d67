"""A job's id names its file, unless its output does; what was done under another name stays done."""

from __future__ import annotations

import os
from typing import Any, Dict, List

import pytest
from batch_apis import fetch, job, pictures_in, service, submit, wait
from batching import (
    Painter,
    again,
    batch,
    entries,
    image_files,
    in_flight,
    out_of,
    picture,
    write_entries,
    write_jobs,
)
from harness import Home


def names_of(home: Home, painter: Painter, *jobs: Dict[str, Any]) -> List[List[str]]:
    """The names of the files of each job, in a run that goes well."""
    run = batch(home, painter.base_url, *jobs)
    assert run.code == 0, run.stderr
    return [
        [os.path.relpath(image["path"], str(out_of(home))) for image in row["images"]]
        for row in run.json["rows"]
    ]


def test_an_id_names_the_file_and_an_output_goes_before_it(home: Home, painter: Painter) -> None:
    jobs = (
        {"prompt": "a fox", "id": "fox"},
        {"prompt": "two", "id": 17, "n": 2},
        {"prompt": "a cat", "id": "cat", "output": "pets/tom.png"},
        {"prompt": "a dog"},
    )
    assert names_of(home, painter, *jobs) == [
        ["fox.png"],
        ["17-1.png", "17-2.png"],
        ["pets/tom.png"],
        ["0004-a-dog.png"],
    ]


@pytest.mark.parametrize(
    ("job_id", "name"),
    [
        ("SKU 12.b", "SKU 12.b.png"),
        ("Straße-9", "Straße-9.png"),
        ("hero.png", "hero.png"),
        ("../../etc/passwd", "etc-passwd.png"),
        ("a/b:c", "a-b-c.png"),
        (".hidden", "hidden.png"),
        ("-rf", "rf.png"),
        ("con", "0001-p.png"),
        ("!!", "0001-p.png"),
        ("", "0001-p.png"),
        ("x" * 300, "x" * 40 + ".png"),
    ],
)
def test_an_id_that_is_no_name_everywhere_gives_its_letters_or_nothing(
    home: Home, painter: Painter, job_id: str, name: str
) -> None:
    assert names_of(home, painter, {"prompt": "p", "id": job_id}) == [[name]]


def test_a_name_that_another_job_has_is_left_to_it(home: Home, painter: Painter) -> None:
    jobs = (
        {"prompt": "1", "id": "cat"},
        {"prompt": "2", "output": "cat.png"},
        {"prompt": "3", "id": "dog"},
        {"prompt": "4", "id": "DOG"},
        {"prompt": "5", "id": "fox"},
        {"prompt": "6", "output": "fox.png/inside.png"},
        {"prompt": "7", "id": "a-1"},
        {"prompt": "8", "id": "a", "n": 2},
    )
    assert names_of(home, painter, *jobs) == [
        ["0001-1.png"],
        ["cat.png"],
        ["dog.png"],
        ["0004-4.png"],
        ["0005-5.png"],
        ["fox.png/inside.png"],
        ["a-1.png"],
        ["0008-8-1.png", "0008-8-2.png"],
    ]


def test_a_file_that_is_there_by_that_name_is_not_replaced(home: Home, painter: Painter) -> None:
    out_of(home).mkdir()
    (out_of(home) / "fox.png").write_bytes(b"mine")
    assert names_of(home, painter, {"prompt": "a fox", "id": "fox"}) == [["fox-1.png"]]
    assert (out_of(home) / "fox.png").read_bytes() == b"mine"


def test_what_was_done_before_its_job_had_an_id_is_not_paid_again(home: Home, painter: Painter) -> None:
    batch(home, painter.base_url, "a cat", {"prompt": "a fox", "n": 2}, "a dog")
    files = image_files(out_of(home))
    jobs = ({"prompt": "a cat", "id": "c"}, {"prompt": "a fox", "n": 2, "id": "f"}, {"prompt": "a dog"})
    assert names_of(home, painter, *jobs) == [
        ["0001-a-cat.png"],
        ["0002-a-fox-1.png", "0002-a-fox-2.png"],
        ["0003-a-dog.png"],
    ]
    assert image_files(out_of(home)) == files and len(painter.prompts) == 3


def test_what_a_killed_run_saved_under_the_other_name_is_found(home: Home, painter: Painter) -> None:
    batch(home, painter.base_url, "a cat")
    write_entries(out_of(home), [entry for entry in entries(out_of(home)) if entry["event"] == "sent"])
    assert in_flight(out_of(home)) == ["0001-a-cat.png"]
    assert names_of(home, painter, {"prompt": "a cat", "id": "c"}) == [["0001-a-cat.png"]]
    assert painter.prompts == ["a cat"]


def test_only_the_image_that_is_missing_takes_the_new_name(home: Home, painter: Painter) -> None:
    batch(home, painter.base_url, {"prompt": "a fox", "n": 2})
    (out_of(home) / "0001-a-fox-2.png").unlink()
    assert names_of(home, painter, {"prompt": "a fox", "n": 2, "id": "f"}) == [
        ["0001-a-fox-1.png", "f-2.png"]
    ]
    assert (out_of(home) / "f-2.png").read_bytes() == picture("a fox", 3)
    assert again(home, painter.base_url).json["images"] == 0


def test_the_batch_api_names_its_files_by_ids_too(home: Home) -> None:
    with service() as host:
        jobs = write_jobs(home, job("a lamp", id="lamp"), job("a boat", n=2, id="boat"))
        assert submit(home, host.base_url, jobs).code == 0
        assert wait(home, host.base_url).code == 0
        assert fetch(home, host.base_url).code == 0
    assert pictures_in(out_of(home)) == ["boat-1.jpg", "boat-2.jpg", "lamp.jpg"]
