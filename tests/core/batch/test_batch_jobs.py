"""A jobs file becomes requests and file names: each line by itself, the flags behind them all."""

from __future__ import annotations

import json
from typing import Any, Dict

from batching import (
    Painter,
    again,
    batch,
    command,
    image_files,
    out_of,
    picture,
    prompt_of,
    row_by_line,
    write_jobs,
)
from harness import Home
from pictures import png
from servers import Answer

EVERY_FIELD = {
    "model": "gpt-image-2",
    "prompt": "a cat",
    "n": 2,
    "size": "1024x1536",
    "quality": "low",
    "output_format": "webp",
    "output_compression": 40,
    "background": "opaque",
    "moderation": "low",
    "user": "user-7",
    "a_new_field": {"deep": [1, 2.5, None, "x"]},
}


def test_every_field_of_a_line_goes_out_as_it_stands_there(home: Home, painter: Painter) -> None:
    run = batch(home, painter.base_url, {**EVERY_FIELD, "id": "one", "output": "cat.webp"})
    assert painter.server.only.json == EVERY_FIELD
    (row,) = run.json["rows"]
    assert (row["id"], row["line"], row["job"]) == ("one", 1, 1)
    assert "field 'a_new_field' is not known here and is passed through" in run.stderr


def test_flags_are_defaults_that_a_line_overrides_and_a_null_does_not(home: Home, painter: Painter) -> None:
    flags = (
        "--quality",
        "low",
        "--size",
        "1024x1024",
        "--format",
        "jpeg",
        "--user",
        "u",
        "--param",
        "seed=7",
    )
    lines = ({"prompt": "one", "quality": "high", "user": None}, "two", {"prompt": "three", "seed": 8})
    batch(home, painter.base_url, *lines, flags=(*flags, "--concurrency", "1"))
    common: Dict[str, Any] = {
        "model": "gpt-image-2",
        "size": "1024x1024",
        "output_format": "jpeg",
        "user": "u",
    }
    assert [request.json for request in painter.server.requests] == [
        {**common, "prompt": "one", "quality": "high", "seed": 7},
        {**common, "prompt": "two", "quality": "low", "seed": 7},
        {**common, "prompt": "three", "quality": "low", "seed": 8},
    ]


def test_a_line_may_turn_the_stream_of_the_flags_off_and_on(home: Home, painter: Painter) -> None:
    lines = ({"prompt": "off", "stream": False}, {"prompt": "on"})
    batch(home, painter.base_url, *lines, flags=("--stream", "--concurrency", "1"))
    off, on = [request.json for request in painter.server.requests]
    assert "stream" not in off and on["stream"] is True


def test_bare_prompts_in_any_script_make_images_named_by_their_letters(home: Home, painter: Painter) -> None:
    prompts = [
        "Eine Straße, nachts!",
        "漢字 と かな",
        "кот на крыше",
        "قطة صغيرة",
        "🦊🦊",
        "बिल्ली",
        "[draft] 3 cats",
    ]
    run = batch(home, painter.base_url, *prompts)
    assert run.code == 0, run.stderr
    assert sorted(painter.prompts) == sorted(prompts)
    names = image_files(out_of(home))
    assert [name[:5] for name in names] == [f"{number:04d}-" for number in range(1, 8)]
    assert names[0] == "0001-eine-straße-nachts.png"
    assert names[1] == "0002-漢字-と-かな.png"
    assert names[2] == "0003-кот-на-крыше.png"
    assert names[3] == "0004-قطة-صغيرة.png"
    assert names[4] == "0005-image.png"
    assert names[6] == "0007-draft-3-cats.png"
    for number, row in row_by_line(run).items():
        (image,) = row["images"]
        assert (home.cwd / image["path"]).read_bytes() == picture(prompts[number - 1])


def test_a_mark_of_utf8_crlf_blank_lines_and_a_last_line_without_end_are_no_hindrance(
    home: Home, painter: Painter
) -> None:
    path = home.cwd / "jobs.txt"
    path.write_bytes('\ufeffa cat\r\n\r\n   \r\n{"prompt": "a dog"}\r\n\t a fox \t\n\na cow'.encode())
    run = home.run(*command(path, "--concurrency", "1"), base_url=painter.base_url)
    assert run.code == 0, run.stderr
    assert painter.prompts == ["a cat", "a dog", "a fox", "a cow"]
    assert [(row["job"], row["line"]) for row in run.json["rows"]] == [(1, 1), (2, 4), (3, 5), (4, 7)]
    names = ["0001-a-cat.png", "0002-a-dog.png", "0003-a-fox.png", "0004-a-cow.png"]
    assert image_files(out_of(home)) == names


def test_a_line_that_is_a_json_text_is_its_prompt(home: Home, painter: Painter) -> None:
    lines = (json.dumps("two\nlines and a \u2028 separator"), '"quoted" is a word here', '"unfinished')
    batch(home, painter.base_url, *lines, flags=("--concurrency", "1"))
    assert painter.prompts == [
        "two\nlines and a \u2028 separator",
        '"quoted" is a word here',
        '"unfinished',
    ]


def test_other_line_separators_of_unicode_do_not_end_a_line(home: Home, painter: Painter) -> None:
    prompt = "one\u2028two\x0bthree\x85four\rfive"
    batch(home, painter.base_url, json.dumps({"prompt": prompt}, ensure_ascii=False))
    assert painter.prompts == [prompt]


def test_jobs_come_from_standard_input_too(home: Home, painter: Painter) -> None:
    args = ("batch", "run", "-", "--out-dir", "out", "--json")
    run = home.run(*args, base_url=painter.base_url, stdin=b'a cat\n{"prompt": "ein Hund"}\n')
    assert run.code == 0, run.stderr
    assert image_files(out_of(home)) == ["0001-a-cat.png", "0002-ein-hund.png"]
    assert home.leftovers() == []


def test_format_is_another_name_for_output_format(home: Home, painter: Painter) -> None:
    lines = ({"prompt": "a", "format": "jpg"}, {"prompt": "b", "format": "png", "output_format": "webp"})
    batch(home, painter.base_url, *lines, flags=("--concurrency", "1"))
    bodies = [request.json for request in painter.server.requests]
    assert [body["output_format"] for body in bodies] == ["jpeg", "webp"]
    assert all("format" not in body for body in bodies)
    assert image_files(out_of(home)) == ["0001-a.jpg", "0002-b.webp"]


def test_a_job_with_images_and_a_mask_is_an_edit_with_those_files(home: Home, painter: Painter) -> None:
    first, second, mask = png(noise=b"1"), png(noise=b"2"), png(alpha=True)
    for name, data in (("one.png", first), ("two.png", second), ("mask.png", mask)):
        (home.cwd / name).write_bytes(data)
    job = {
        "prompt": "p",
        "images": ["one.png", "two.png"],
        "mask": "mask.png",
        "quality": "low",
        "output": "e.png",
    }
    run = batch(home, painter.base_url, job)
    assert run.code == 0, run.stderr
    request = painter.server.only
    assert request.path == "/v1/images/edits"
    assert request.texts() == {"model": "gpt-image-2", "prompt": "p", "quality": "low"}
    assert [(part.name, part.data) for part in request.files()] == [
        ("image[]", first),
        ("image[]", second),
        ("mask", mask),
    ]
    assert (out_of(home) / "e.png").read_bytes() == picture("p")


def test_image_may_name_one_file_or_many_and_the_flag_serves_lines_without(
    home: Home, painter: Painter
) -> None:
    for name in ("a.png", "b.png", "flag.png"):
        (home.cwd / name).write_bytes(png(noise=name.encode()))
    lines = (
        {"prompt": "1", "image[]": "a.png"},
        {"prompt": "2", "image": ["a.png"], "images": "b.png"},
        "third",
    )
    batch(home, painter.base_url, *lines, flags=("--image", "flag.png", "--concurrency", "1"))
    sent = [[part.filename for part in request.files()] for request in painter.server.requests]
    assert sent == [["a.png"], ["a.png", "b.png"], ["flag.png"]]


def test_an_input_image_by_address_is_fetched_for_its_job(home: Home, painter: Painter) -> None:
    paint, fetched = painter.answer, Answer(200, png(noise=b"in"), (("Content-Type", "image/png"),))
    painter.server.answer = lambda request: paint(request) if request.method == "POST" else fetched
    run = batch(home, painter.base_url, {"prompt": "p", "image": f"{painter.server.root}/in.png"})
    assert run.code == 0, run.stderr
    get, post = painter.server.requests
    assert get.header("authorization") is None
    assert [part.data for part in post.files()] == [png(noise=b"in")]


def test_n_images_of_a_job_are_numbered_after_its_name(home: Home, painter: Painter) -> None:
    lines = ({"prompt": "a cat", "n": 3}, {"prompt": "a dog", "n": 2, "output": "dogs/d.png"})
    run = batch(home, painter.base_url, *lines)
    assert run.code == 0, run.stderr
    assert sorted(request.json["n"] for request in painter.server.requests) == [2, 3]
    assert image_files(out_of(home)) == [
        "0001-a-cat-1.png",
        "0001-a-cat-2.png",
        "0001-a-cat-3.png",
        "dogs/d-1.png",
        "dogs/d-2.png",
    ]
    assert [len(row["images"]) for row in run.json["rows"]] == [3, 2]
    assert run.json["images"] == 5


def test_a_made_up_name_never_replaces_a_file_and_a_chosen_one_does(home: Home, painter: Painter) -> None:
    out_of(home).mkdir()
    (out_of(home) / "0001-a-cat.png").write_bytes(b"mine")
    (out_of(home) / "dog.png").write_bytes(b"old")
    run = batch(home, painter.base_url, "a cat", {"prompt": "a dog", "output": "dog.png"})
    assert run.code == 0, run.stderr
    assert (out_of(home) / "0001-a-cat.png").read_bytes() == b"mine"
    (saved,) = row_by_line(run)[1]["images"]
    assert (home.cwd / saved["path"]).read_bytes() == picture("a cat")
    assert (out_of(home) / "dog.png").read_bytes() == picture("a dog")


def test_ids_may_be_numbers_and_come_back_as_text(home: Home, painter: Painter) -> None:
    run = batch(home, painter.base_url, {"prompt": "a", "id": 17}, {"prompt": "b", "id": "sku/9 ß"})
    assert [row["id"] for row in run.json["rows"]] == ["17", "sku/9 ß"]


def test_all_jobs_go_out_side_by_side_up_to_the_concurrency(home: Home, painter: Painter) -> None:
    painter.server.hold()
    path = write_jobs(home, *(f"job {number}" for number in range(12)))
    with home.start(*command(path, "--concurrency", "9"), base_url=painter.base_url) as process:
        for _ in range(9):
            painter.server.wait_for_request()
        assert len(painter.server.requests) == 9
        painter.server.release()
        process.communicate(timeout=30)
    assert process.returncode == 0
    assert len(painter.server.requests) == 12
    assert len({prompt_of(request) for request in painter.server.requests}) == 12


def test_more_workers_than_jobs_are_no_hindrance_and_256_is_allowed(home: Home, painter: Painter) -> None:
    assert batch(home, painter.base_url, "one", "two", flags=("--concurrency", "256")).code == 0


def test_the_folder_is_made_and_named_by_default(home: Home, painter: Painter) -> None:
    path = write_jobs(home, "a cat")
    run = home.run("batch", "run", str(path), base_url=painter.base_url)
    assert run.code == 0, run.stderr
    assert [path.name for path in run.saved] == ["0001-a-cat.png"]
    names = sorted(path.name for path in (home.cwd / "gpt-image2-batch").iterdir())
    assert names == ["0001-a-cat.png", "index.html", "journal.jsonl"]


def test_a_file_without_jobs_is_done_at_once(home: Home, painter: Painter) -> None:
    run = batch(home, painter.base_url, "", "   ")
    assert (run.code, run.json["jobs"], run.json["ok"]) == (0, 0, True)
    assert again(home, painter.base_url).code == 0
    assert painter.server.requests == []


def test_what_is_sent_is_what_was_planned_though_the_file_changes_meanwhile(
    home: Home, painter: Painter
) -> None:
    """An editor that writes in place shifts every line that comes after the change."""
    painter.server.hold()
    prompts = [f"{number:02d} " + "words " * 5000 + "end" for number in range(12)]  # more than any buffer
    path = write_jobs(home, *prompts)
    with home.start(*command(path, "--concurrency", "1"), base_url=painter.base_url) as process:
        painter.server.wait_for_request()
        with open(str(path), "r+b") as file:
            file.write(b"an inserted line\n" + path.read_bytes())
        painter.server.release()
        process.communicate(timeout=30)
    assert set(painter.prompts) <= set(prompts)
