"""The same command again does what is missing, and pays for nothing that is there."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Tuple

import pytest
from batching import (
    JOURNAL,
    Painter,
    again,
    batch,
    entries,
    image_files,
    in_flight,
    out_of,
    picture,
    row_by_line,
    sha256,
    write_entries,
    write_jobs,
)
from harness import Home
from pictures import jpeg, png, webp
from servers import images

ONE = ("--concurrency", "1")


def hits(painter: Painter) -> int:
    return len(painter.server.requests)


def as_killed(home: Home, *names: str) -> None:
    """Turns the journal into that of a run that was killed while these jobs were in flight."""
    kept = [
        entry for entry in entries(out_of(home)) if entry["event"] == "sent" or entry["name"] not in names
    ]
    write_entries(out_of(home), kept)
    assert sorted(in_flight(out_of(home))) == sorted(names)


def test_what_is_done_is_not_sent_again(home: Home, painter: Painter) -> None:
    jobs = ("a cat", {"prompt": "a dog", "n": 2}, {"prompt": "a fox", "output": "fox.png", "id": "f"})
    first = batch(home, painter.base_url, *jobs)
    before = {name: (out_of(home) / name).read_bytes() for name in image_files(out_of(home))}
    second = again(home, painter.base_url)
    assert (first.code, second.code, hits(painter)) == (0, 0, 3)
    assert (second.json["done"], second.json["images"], second.json["cost_usd"]) == (3, 0, 0)
    assert [row["resumed"] for row in second.json["rows"]] == [True] * 3
    assert [row["images"] for row in second.json["rows"]] == [row["images"] for row in first.json["rows"]]
    assert [row["cost_usd"] for row in second.json["rows"]] == [row["cost_usd"] for row in first.json["rows"]]
    assert before == {name: (out_of(home) / name).read_bytes() for name in image_files(out_of(home))}


def test_the_journal_of_an_earlier_release_is_read(home: Home, painter: Painter) -> None:
    """It kept of an image its number, path, size and SHA-256 alone."""
    first = batch(home, painter.base_url, {"prompt": "a cat", "n": 2})
    old = entries(out_of(home))
    for entry in old:
        for image in entry.get("images", []):
            for name in ("format", "width", "height"):
                del image[name]
    write_entries(out_of(home), old)
    (out_of(home) / "0001-a-cat-2.png").unlink()
    second = again(home, painter.base_url)
    assert (second.code, hits(painter), second.json["images"]) == (0, 2, 1)
    assert [image["path"] for image in second.json["rows"][0]["images"]] == [
        image["path"] for image in first.json["rows"][0]["images"]
    ]


@pytest.mark.parametrize("damage", ["deleted", "changed", "cut", "emptied", "a folder now"])
def test_an_image_that_is_not_there_as_it_was_is_made_again(
    damage: str, home: Home, painter: Painter
) -> None:
    batch(home, painter.base_url, "a cat", {"prompt": "a dog", "output": "dog.png"})
    path = out_of(home) / "dog.png"
    data = path.read_bytes()
    path.unlink()
    if damage == "changed":
        path.write_bytes(picture("something else"))
    elif damage == "cut":
        path.write_bytes(data[:-1])
    elif damage == "emptied":
        path.write_bytes(b"")
    elif damage == "a folder now":
        path = path.with_name("moved.png")
        write_jobs(home, "a cat", {"prompt": "a dog", "output": "moved.png"})
        (out_of(home) / "dog.png").mkdir()
    run = again(home, painter.base_url)
    assert (run.code, painter.hits) == (0, {"a cat": 1, "a dog": 2})
    assert path.read_bytes() == picture("a dog", 2)
    assert again(home, painter.base_url).code == 0 and hits(painter) == 3


def test_of_several_images_only_the_missing_ones_are_made_again(home: Home, painter: Painter) -> None:
    batch(home, painter.base_url, {"prompt": "a cat", "n": 4, "output": "cat.png"})
    for number in (2, 4):
        (out_of(home) / f"cat-{number}.png").unlink()
    run = again(home, painter.base_url)
    assert [request.json.get("n", 1) for request in painter.server.requests] == [4, 2]
    found = [(out_of(home) / f"cat-{number}.png").read_bytes() for number in (1, 2, 3, 4)]
    assert found == [picture("a cat", number) for number in (1, 5, 3, 6)]
    (row,) = run.json["rows"]
    assert [sha256(data) for data in found] == [image["sha256"] for image in row["images"]]


def test_lines_that_move_or_come_in_between_do_not_pay_again(home: Home, painter: Painter) -> None:
    jobs: List[Any] = [
        "a cat",
        {"prompt": "a dog", "quality": "low"},
        {"prompt": "a fox", "output": "fox.png"},
    ]
    batch(home, painter.base_url, *jobs)
    files = {name: (out_of(home) / name).read_bytes() for name in image_files(out_of(home))}
    write_jobs(home, "new 1", *reversed(jobs), "", "new 2")
    run = again(home, painter.base_url)
    assert (run.code, painter.hits) == (0, {"a cat": 1, "a dog": 1, "a fox": 1, "new 1": 1, "new 2": 1})
    assert {name: (out_of(home) / name).read_bytes() for name in files} == files
    write_jobs(home, "a cat")
    assert (again(home, painter.base_url).code, hits(painter)) == (0, 5)


def test_a_new_line_that_gets_the_name_of_an_old_image_does_not_replace_it(
    home: Home, painter: Painter
) -> None:
    batch(home, painter.base_url, "a cat")
    write_jobs(home, {"prompt": "a cat", "quality": "high"}, "a cat")
    run = again(home, painter.base_url)
    paths = [row["images"][0]["path"] for row in run.json["rows"]]
    assert len(set(paths)) == 2 and hits(painter) == 2
    assert {(home.cwd / path).read_bytes() for path in paths} == {picture("a cat", 1), picture("a cat", 2)}


def test_an_output_that_goes_over_to_another_job_loses_no_image(home: Home, painter: Painter) -> None:
    """The first job is done, under the name that the second now has: its image must not be lost unsaid."""
    batch(home, painter.base_url, {"prompt": "a cat", "output": "one.png"})
    write_jobs(home, {"prompt": "a cat", "output": "two.png"}, {"prompt": "a dog", "output": "one.png"})
    run = again(home, painter.base_url)
    for row in run.json["rows"]:
        for image in row["images"]:
            with open(image["path"], "rb") as file:
                assert sha256(file.read()) == image["sha256"], row
    there = {path.read_bytes() for path in out_of(home).glob("*.png")}
    assert picture("a cat") in there or painter.hits["a cat"] == 2


def test_the_same_prompt_twice_makes_two_images_and_three_times_one_more(
    home: Home, painter: Painter
) -> None:
    batch(home, painter.base_url, "a cat", "a cat")
    assert image_files(out_of(home)) == ["0001-a-cat.png", "0002-a-cat.png"]
    assert hits(painter) == 2
    write_jobs(home, "a cat", "a cat", "a cat")
    assert (again(home, painter.base_url).code, hits(painter)) == (0, 3)
    (out_of(home) / "0002-a-cat.png").unlink()
    assert (again(home, painter.base_url).code, hits(painter)) == (0, 4)
    assert len({(out_of(home) / name).read_bytes() for name in image_files(out_of(home))}) == 3


SAME: List[Tuple[str, ...]] = [
    ("--moderation", "low"),
    ("--stream",),
    ("--user", "another"),
    ("--concurrency", "9"),
    ("--quality", "auto"),
    ("--format", "png"),
    ("--n", "1"),
    ("--background", "auto"),
    ("--model", "gpt-image-2"),
]
OTHER: List[Tuple[str, ...]] = [
    ("--quality", "low"),
    ("--size", "1024x1024"),
    ("--format", "webp"),
    ("--model", "other"),
    ("--param", "x=1"),
]


def test_what_leaves_the_images_as_they_are_does_not_pay_again(home: Home, painter: Painter) -> None:
    batch(home, painter.base_url, "a cat")
    for change in SAME:
        assert again(home, painter.base_url, *change).code == 0
        assert hits(painter) == 1, change


def test_what_changes_the_images_makes_new_ones(home: Home, painter: Painter) -> None:
    batch(home, painter.base_url, "a cat")
    for number, change in enumerate(OTHER, 2):
        assert again(home, painter.base_url, *change).code == 0
        assert hits(painter) == number, change


def test_an_input_image_counts_by_what_it_shows_and_not_by_its_name(home: Home, painter: Painter) -> None:
    (home.cwd / "a.png").write_bytes(png(noise=b"1"))
    batch(home, painter.base_url, {"prompt": "p", "image": "a.png"})
    (home.cwd / "a.png").rename(home.cwd / "b.png")
    write_jobs(home, {"prompt": "p", "image": "b.png"})
    assert (again(home, painter.base_url).code, hits(painter)) == (0, 1)
    (home.cwd / "b.png").write_bytes(png(noise=b"2"))
    assert (again(home, painter.base_url).code, hits(painter)) == (0, 2)


@pytest.mark.parametrize(
    "odd",
    [jpeg(), jpeg() + b"\0\0", webp(), webp()[:-3], png() + b"\n", png()[:-12]],
    ids=["jpeg", "jpeg and more", "webp", "webp header", "png and more", "png without its end"],
)
def test_whatever_the_server_sent_is_not_paid_for_twice(odd: bytes, home: Home, painter: Painter) -> None:
    """Done is what the journal says and has the right SHA-256, however strange the image."""
    painter.server.answer = lambda request: images(odd)
    first = batch(home, painter.base_url, {"prompt": "a cat", "output": "cat"})
    assert (first.code, (out_of(home) / "cat").read_bytes()) == (0, odd)
    assert (again(home, painter.base_url).code, hits(painter)) == (0, 1)


def test_a_torn_last_line_of_the_journal_is_passed_over_and_swallows_nothing(
    home: Home, painter: Painter
) -> None:
    batch(home, painter.base_url, "a cat", "a dog", flags=ONE)
    path = out_of(home) / JOURNAL
    whole = path.read_bytes()
    for cut in (whole[: whole.rindex(b'"images"')], whole[:-2], whole[:-1] + b"\xff\xfe", whole + b'{"ev'):
        path.write_bytes(cut)
        run = again(home, painter.base_url)
        assert (run.code, hits(painter)) == (0, 2), run.stderr
        assert run.json["done"] == 2
    write_jobs(home, "a cat", "a dog", "a fox")
    assert (again(home, painter.base_url).code, hits(painter)) == (0, 3)
    fox = [entry["event"] for entry in entries(out_of(home)) if entry["name"] == "0003-a-fox.png"]
    assert fox == ["sent", "done"]
    assert (again(home, painter.base_url).code, hits(painter)) == (0, 3)


def test_strange_lines_in_the_journal_are_passed_over(home: Home, painter: Painter) -> None:
    batch(home, painter.base_url, "a cat")
    (entry,) = [entry for entry in entries(out_of(home)) if entry["event"] == "done"]
    strange: List[Any] = [
        None,
        [],
        7,
        {},
        {**entry, "event": "later version"},
        {**entry, "key": None, "copy": "x"},
        {**entry, "copy": 1e999},
        {**entry, "copy": 10**30},
        {**entry, "billed": "perhaps"},
        {**entry, "images": [{"path": 1}]},
        {**entry, "images": 3},
        {**entry, "cost_usd": "much"},
        {**entry, "key": "\ud800"},
        {**entry, "cost_usd": float("nan"), "key": "other"},
    ]
    write_entries(out_of(home), [*entries(out_of(home)), *strange])
    run = again(home, painter.base_url)
    assert (run.code, hits(painter)) == (0, 1), run.stdout
    dry = again(home, painter.base_url, "--dry-run")
    assert dry.json["spent_usd"] == pytest.approx(entry["cost_usd"], abs=1e-6)


def test_without_its_journal_a_folder_is_a_new_one_and_nothing_there_is_replaced(
    home: Home, painter: Painter
) -> None:
    batch(home, painter.base_url, "a cat")
    (out_of(home) / JOURNAL).unlink()
    run = again(home, painter.base_url)
    assert (run.code, hits(painter)) == (0, 2)
    assert (out_of(home) / "0001-a-cat.png").read_bytes() == picture("a cat")
    assert {path.read_bytes() for path in out_of(home).glob("*.png")} == {
        picture("a cat"),
        picture("a cat", 2),
    }


def test_a_job_in_flight_at_a_crash_is_reported_and_run_again_only_on_request(
    home: Home, painter: Painter
) -> None:
    batch(home, painter.base_url, "a cat", "a dog")
    as_killed(home, "0002-a-dog.png")
    (out_of(home) / "0002-a-dog.png").unlink()
    for _ in range(2):
        run = again(home, painter.base_url)
        row = row_by_line(run)[2]
        assert (run.code, row["status"], row["billed"]) == (9, "ambiguous", "maybe")
        assert row["error"]["code"] == "in_flight" and "up to $0.2107" in row["error"]["hint"]
        assert "--retry-ambiguous" not in row["error"]["hint"] + run.json["error"]["hint"]
        assert (run.json["ambiguous"], hits(painter)) == (1, 2)
    assert "in doubt (billed: maybe)" in run.stderr
    run = again(home, painter.base_url, "--retry-ambiguous")
    assert (run.code, painter.hits) == (0, {"a cat": 1, "a dog": 2})
    assert (again(home, painter.base_url).code, hits(painter)) == (0, 3)


def test_a_job_in_flight_whose_image_came_whole_is_done(home: Home, painter: Painter) -> None:
    batch(home, painter.base_url, "a cat", {"prompt": "a dog", "n": 2, "output": "dog.png"})
    as_killed(home, "0001-a-cat.png", "dog.png")
    run = again(home, painter.base_url, "--retry-ambiguous")
    assert (run.code, run.json["done"], hits(painter)) == (0, 2, 2)
    assert [entry["event"] for entry in entries(out_of(home))].count("done") == 2
    for row in run.json["rows"]:
        assert row["billed"] == "yes"
    assert in_flight(out_of(home)) == []


def test_a_job_in_flight_of_whose_images_some_came_asks_for_the_rest_only(
    home: Home, painter: Painter
) -> None:
    batch(home, painter.base_url, {"prompt": "a dog", "n": 3, "output": "dog.png"})
    as_killed(home, "dog.png")
    (out_of(home) / "dog-2.png").write_bytes((out_of(home) / "dog-2.png").read_bytes()[:-4])
    run = again(home, painter.base_url)
    assert (run.code, hits(painter)) == (9, 1)
    assert [image["path"][-5:] for image in run.json["rows"][0]["images"]] == ["1.png", "3.png"]
    run = again(home, painter.base_url, "--retry-ambiguous")
    assert (run.code, painter.server.requests[-1].json.get("n", 1)) == (0, 1)
    assert (out_of(home) / "dog-2.png").read_bytes() == picture("a dog", 4)


def test_a_file_that_was_there_before_a_job_in_flight_is_not_taken_for_its_image(
    home: Home, painter: Painter
) -> None:
    out_of(home).mkdir()
    (out_of(home) / "dog.png").write_bytes(picture("older"))
    batch(home, painter.base_url, {"prompt": "a dog", "output": "dog.png"})
    as_killed(home, "dog.png")
    (out_of(home) / "dog.png").write_bytes(picture("older"))
    run = again(home, painter.base_url)
    assert (run.code, run.json["ambiguous"], hits(painter)) == (9, 1, 1)


def test_what_was_in_flight_counts_as_spent_even_when_it_was_run_again(home: Home, painter: Painter) -> None:
    job = {"prompt": "a dog", "quality": "low", "size": "1024x1024"}
    batch(home, painter.base_url, job)
    sent, done = entries(out_of(home))
    (out_of(home) / "0001-a-dog.png").unlink()
    write_entries(out_of(home), [sent])
    spent = again(home, painter.base_url, "--dry-run").json["spent_usd"]
    assert spent == pytest.approx(sent["high_usd"], abs=1e-6) and spent > 0
    again(home, painter.base_url, "--retry-ambiguous")
    spent = again(home, painter.base_url, "--dry-run").json["spent_usd"]
    assert spent == pytest.approx(sent["high_usd"] + done["cost_usd"], abs=1e-6)


def test_the_journal_is_written_before_a_job_is_sent_and_after_it_is_saved(
    home: Home, painter: Painter
) -> None:
    paint = painter.answer
    seen: List[Dict[str, Any]] = []

    def answer(request: Any) -> Any:
        seen.extend(entries(out_of(home)))
        return paint(request)

    painter.server.answer = answer
    batch(home, painter.base_url, "a cat")
    (sent,) = seen
    assert (sent["event"], sent["name"], sent["billed"]) == ("sent", "0001-a-cat.png", "maybe")
    sent, done = entries(out_of(home))
    assert (done["event"], done["billed"]) == ("done", "yes")
    (image,) = done["images"]
    assert (image["path"], image["sha256"]) == ("0001-a-cat.png", sha256(picture("a cat")))
    assert (image["number"], image["bytes"]) == (1, len(picture("a cat")))


def test_a_folder_that_was_moved_is_taken_up_where_it_is(home: Home, painter: Painter) -> None:
    batch(home, painter.base_url, "a cat")
    out_of(home).rename(home.cwd / "elsewhere")
    args = ("batch", "run", "jobs.jsonl", "--out-dir", "elsewhere", "--json")
    run = home.run(*args, base_url=painter.base_url)
    assert (run.code, hits(painter)) == (0, 1)
    assert json.dumps(run.json["rows"][0]["images"]).count("elsewhere/0001-a-cat.png") == 1
