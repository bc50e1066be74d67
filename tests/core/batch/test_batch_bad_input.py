"""A batch that cannot be right is refused before anything is paid for, line by line and with the reason."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest
from batching import (
    JOURNAL,
    SHEET,
    Line,
    Painter,
    again,
    batch,
    command,
    image_files,
    out_of,
    picture,
    row_by_line,
    write_jobs,
)
from harness import Home
from pictures import jpeg, png

FULL = 1 << 20
#: As many bad lines as one error names.
PART = 19

BAD: List[Tuple[Line, str]] = [
    ('{"prompt": "a cat"', "not valid JSON"),
    ('{"prompt": "a cat"} and more', "not valid JSON"),
    ("{" + '"a":[' * 3000, "not valid JSON"),
    ('["a cat", "a dog"]', "a JSON array, and no job"),
    ('[{"prompt": "a cat"},', "not valid JSON"),
    ("[1, 2]", "an array in JSON, and no job"),
    ("42", "a number, true, false or null in JSON, and no job"),
    ("true", "in JSON, and no job"),
    ("null", "in JSON, and no job"),
    ("[" * 100_000, "nested too deeply"),
    ({"prompt": "p", "out": "a.png"}, "did you mean output?"),
    ({"prompt": "p", "file-name": "a.png"}, "did you mean output?"),
    ({"prompt": "p", "reference_images": ["a.png"]}, "did you mean image?"),
    ({"prompt": "p", "image_url": "http://127.0.0.1:9/a.png"}, "did you mean image?"),
    ({"prompt": "p", "input_image": "a.png"}, "did you mean image?"),
    ({"prompt": "p", "maskImage": "a.png"}, "did you mean mask?"),
    ({"size": "1024x1024"}, "no prompt"),
    ({"prompt": ""}, "no prompt"),
    ({"prompt": None}, "no prompt"),
    ({"prompt": "  "}, "the prompt is empty"),
    ({"prompt": 7}, "prompt must be a text, found 7"),
    ({"prompt": ["a"]}, "prompt must be a text"),
    ({"prompt": "a\0b"}, "NUL"),
    ({"prompt": "x" * 32_001}, "32,001 characters"),
    ({"prompt": "p", "n": 0}, "it must be from 1 to 10"),
    ({"prompt": "p", "n": 10**30}, "it must be from 1 to 10"),
    ({"prompt": "p", "n": "2"}, "n must be a whole number, found"),
    ({"prompt": "p", "n": True}, "n must be a whole number, found true"),
    ({"prompt": "p", "n": 1.5}, "n must be a whole number, found 1.5"),
    ({"prompt": "p", "stream": 1}, "stream must be true or false"),
    ({"prompt": "p", "size": "1000x1000"}, "not legal"),
    ({"prompt": "p", "size": "big"}, "not understood"),
    ({"prompt": "p", "output_format": "bmp"}, "unknown format"),
    ({"prompt": "p", "output_compression": 50}, "jpeg and webp only"),
    ({"prompt": "p", "output_format": "jpeg", "output_compression": 101}, "from 0 to 100"),
    ({"prompt": "p", "partial_images": 2}, "only with a stream"),
    ({"prompt": "p", "background": "transparent", "output_format": "jpeg"}, "no transparency"),
    ({"prompt": "p", "model": " "}, "model is empty"),
    ({"prompt": "p", "id": ["x"]}, "id must be a text"),
    ({"prompt": "p", "id": True}, "id must be a text"),
    ({"prompt": "p", "output": 3}, "output must be a text"),
    ({"prompt": "p", "output": ""}, "no file name"),
    ({"prompt": "p", "output": "a\0.png"}, "no file name"),
    ({"prompt": "p", "output": "dogs/"}, "no file name"),
    ({"prompt": "p", "output": "a-folder"}, "is a folder"),
    ({"prompt": "p", "output": "x" * 300 + ".png"}, "name has 304 bytes"),
    ({"prompt": "p", "output": "../a.png"}, "leaves the output folder"),
    ({"prompt": "p", "output": "sub/../../a.png"}, "leaves the output folder"),
    ({"prompt": "p", "output": "."}, "output"),
    ({"prompt": "p", "output": "/tmp/a.png"}, "leaves the output folder"),
    ({"prompt": "p", "output": JOURNAL}, "a file of the batch itself"),
    ({"prompt": "p", "output": f"sub/../{JOURNAL}"}, "a file of the batch itself"),
    ({"prompt": "p", "output": SHEET}, "a file of the batch itself"),
    ({"prompt": "p", "output": JOURNAL.upper()}, "a file of the batch itself"),
    ({"prompt": "p", "output": SHEET.title()}, "a file of the batch itself"),
    ({"prompt": "p", "mask": "mask.png"}, "a mask and no image"),
    ({"prompt": "p", "image": "missing.png"}, "missing.png"),
    ({"prompt": "p", "image": "a-folder-of-inputs"}, "is a folder"),
    ({"prompt": "p", "image": "text.txt"}, "not an image"),
    ({"prompt": "p", "image": "empty.png"}, "is empty"),
    ({"prompt": "p", "image": "-"}, "must name files"),
    ({"prompt": "p", "images": ["in.png", 3]}, "must name files"),
    ({"prompt": "p", "image": "in.png", "mask": "missing.png"}, "missing.png"),
    ({"prompt": "p", "image": "in.png", "mask": "in.jpg"}, "not png"),
    ({"prompt": "p", "image": "in.png", "mask": "small.png"}, "mask"),
    ({"prompt": "p", "images": ["in.png"] * 17}, "at most 16"),
    ({"prompt": "p", 'a"b': 1}, "no field name"),
    ("not utf-8: \udcff\udcfe", "not UTF-8"),
    ("long " * 250_000, "longer than 1,048,576 bytes"),
]


def prepared(home: Home) -> None:
    """Files and folders that the bad lines name."""
    for name, data in (
        ("in.png", png()),
        ("in.jpg", jpeg()),
        ("small.png", png(16, 16, alpha=True)),
        ("mask.png", png(alpha=True)),
        ("text.txt", b"hello, this is text"),
        ("empty.png", b""),
    ):
        (home.cwd / name).write_bytes(data)
    (home.cwd / "a-folder-of-inputs").mkdir()
    (out_of(home) / "a-folder").mkdir(parents=True)


def problems(home: Home, base_url: str, *lines: Line) -> Dict[int, str]:
    """What is said of each bad line, by its number; every line is also a job beside good ones."""
    path = write_jobs(home, *lines)
    found: Dict[int, str] = {}
    run = home.run(*command(path, "--skip-invalid", "--dry-run"), base_url=base_url)
    assert run.code == 0, run.stderr
    for line in run.stderr.splitlines():
        head, _, text = line.partition("line ")
        if head == "warning: skipped: ":
            number, _, reason = text.partition(": ")
            found[int(number)] = reason
    return found


@pytest.mark.parametrize("part", range(-(-len(BAD) // PART)))
def test_each_bad_line_is_named_with_its_number_and_its_reason(
    part: int, home: Home, painter: Painter
) -> None:
    prepared(home)
    cases = BAD[part * PART : (part + 1) * PART]
    lines: List[Line] = []
    for line, _ in cases:
        lines += [line, "a good one"]
    found = problems(home, painter.base_url, *lines)
    assert list(found) == [2 * number + 1 for number in range(len(cases))]
    unsaid = [
        (line, reason, found[2 * n + 1])
        for n, (line, reason) in enumerate(cases)
        if reason not in found[2 * n + 1]
    ]
    assert unsaid == []
    assert painter.server.requests == []


def test_one_bad_line_among_many_good_ones_stops_the_batch_before_the_first_is_paid_for(
    home: Home, painter: Painter
) -> None:
    run = batch(home, painter.base_url, "a cat", {"prompt": "a dog", "n": 99}, "a fox", "{")
    assert (run.code, run.json["error"]["code"]) == (2, "invalid_jobs")
    message = run.json["error"]["message"]
    assert "line 2: --n is 99" in message or "line 2: n is 99" in message
    assert "line 4: not valid JSON" in message
    assert "line 1" not in message and "line 3" not in message
    assert "--skip-invalid" in run.json["error"]["hint"]
    assert painter.server.requests == [] and image_files(out_of(home)) == []


def test_of_a_thousand_bad_lines_some_are_named_and_the_rest_are_counted(
    home: Home, painter: Painter
) -> None:
    run = batch(home, painter.base_url, *["{"] * 1000)
    assert run.code == 2
    assert run.json["error"]["message"].startswith("1,000 lines are no jobs: line 1: ")
    assert "and 980 more" in run.json["error"]["message"]


def test_skip_invalid_runs_the_good_lines_and_keeps_a_row_for_each_bad_one(
    home: Home, painter: Painter
) -> None:
    lines = ("a cat", "{", {"prompt": "a dog"}, {"prompt": "bad \ud800 letter"}, {"prompt": "p", "n": 0})
    run = batch(home, painter.base_url, *lines, flags=("--skip-invalid",))
    assert sorted(painter.prompts) == ["a cat", "a dog"]
    rows = row_by_line(run)
    assert [rows[line]["status"] for line in (1, 2, 3, 4, 5)] == [
        "done",
        "invalid",
        "done",
        "invalid",
        "invalid",
    ]
    assert (run.json["done"], run.json["invalid"]) == (2, 3)
    assert "warning: skipped: line 2: not valid JSON" in run.stderr
    assert run.code == 9
    assert (out_of(home) / SHEET).exists()


@pytest.mark.parametrize(
    "field",
    [
        {"prompt": "a \ud800 b"},
        {"prompt": "p", "id": "\ud800"},
        {"prompt": "p", "output": "\ud800.png"},
        {"prompt": "p", "model": "\ud800"},
        {"prompt": "p", "user": "\ud800"},
        {"prompt": "p", "more": ["\ud800"]},
        {"prompt": "p", "\ud800": 1},
        {"prompt": "p", "image": "\ud800.png"},
        '{"prompt": "p", "more": NaN}',
        '{"prompt": "p", "more": -Infinity}',
        '{"prompt": "p", "more": 1e999}',
        '{"prompt": "p", "id": %s}' % ("9" * 5000),
    ],
    ids=str,
)
def test_what_cannot_be_sent_as_json_and_utf8_is_named_by_its_line(
    field: Any, home: Home, painter: Painter
) -> None:
    run = batch(home, painter.base_url, "a cat", field, "a dog")
    assert run.code == 2, run.json
    assert "1 lines are no jobs: line 2: " in run.json["error"]["message"].replace(
        "1 line is no job", "1 lines are no jobs"
    )
    assert painter.server.requests == []


def test_ids_and_outputs_are_given_once(home: Home, painter: Painter) -> None:
    lines = (
        {"prompt": "1", "id": "a", "output": "x.png"},
        {"prompt": "2", "id": "a"},
        {"prompt": "3", "output": "x.png"},
        {"prompt": "4", "output": "sub/../x.png"},
        {"prompt": "5", "output": "./x.png"},
        {"prompt": "6", "id": 7},
        {"prompt": "7", "id": "7"},
        {"prompt": "8", "output": "x-2.png"},
        {"prompt": "9", "n": 3, "output": "x.png"},
    )
    found = problems(home, painter.base_url, *lines)
    assert sorted(found) == [2, 3, 4, 5, 7, 9]
    assert "line 1 has the same id: a" in found[2]
    assert "line 1 has the same output: x.png" in found[3]
    assert "line 6 has the same id: 7" in found[7]
    assert "line 8 has the same output: x-2.png" in found[9]


def test_names_that_some_folders_take_for_the_same_are_given_once(home: Home, painter: Painter) -> None:
    """A folder of macOS or Windows, or a copy there, would keep one of the two images."""
    names = ("same.png", "SAME.png", "caf\u00e9.png", "cafe\u0301.png", "stra\u00dfe.png", "STRASSE.png")
    found = problems(home, painter.base_url, *({"prompt": name, "output": name} for name in names))
    assert sorted(found) == [2, 4, 6]
    assert "line 1 has the same output" in found[2]


def test_a_chosen_output_must_differ_from_the_names_that_are_made_up(home: Home, painter: Painter) -> None:
    made_first = problems(home, painter.base_url, "a cat", {"prompt": "p", "output": "0001-a-cat.png"})
    assert "line 1 has the same output: 0001-a-cat.png" in made_first[2]
    chosen_first = problems(home, painter.base_url, {"prompt": "p", "output": "0002-a-cat.png"}, "a cat")
    assert len(chosen_first) == 1


@pytest.mark.skipif(os.name == "nt", reason="symlinks")
@pytest.mark.parametrize(
    "output, n",
    [("folder/a.png", 1), ("folder/deeper/a.png", 1), ("file.png", 1), ("many.png", 2)],
    ids=["folder", "deeper", "file", "numbered"],
)
def test_links_in_the_folder_lead_no_image_out_of_it(
    output: str, n: int, home: Home, tmp_path: Path, painter: Painter
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    victim = outside / "victim.png"
    victim.write_bytes(b"precious")
    out_of(home).mkdir()
    (out_of(home) / "folder").symlink_to(outside)
    (out_of(home) / "file.png").symlink_to(victim)
    (out_of(home) / "many-2.png").symlink_to(victim)
    run = batch(home, painter.base_url, {"prompt": "p", "output": output, "n": n})
    assert victim.read_bytes() == b"precious"
    assert list(outside.iterdir()) == [victim]
    assert run.code == 2 and "leaves the output folder" in run.json["error"]["message"]
    assert painter.server.requests == []


@pytest.mark.skipif(os.name == "nt", reason="symlinks")
def test_two_names_of_one_file_are_one_output(home: Home, painter: Painter) -> None:
    """Otherwise the second image replaces the first, and both were paid for."""
    (out_of(home) / "real").mkdir(parents=True)
    (out_of(home) / "link").symlink_to("real")
    (out_of(home) / "b.png").symlink_to("a.png")
    found = problems(
        home,
        painter.base_url,
        {"prompt": "1", "output": "real/x.png"},
        {"prompt": "2", "output": "link/x.png"},
        {"prompt": "3", "output": "a.png"},
        {"prompt": "4", "output": "b.png"},
    )
    assert sorted(found) == [2, 4]


@pytest.mark.skipif(os.name == "nt", reason="symlinks")
def test_a_link_to_the_journal_is_no_output(home: Home, painter: Painter) -> None:
    out_of(home).mkdir()
    (out_of(home) / "j.png").symlink_to(JOURNAL)
    run = batch(home, painter.base_url, {"prompt": "p", "output": "j.png"})
    assert (run.code, painter.server.requests) == (2, [])


def test_an_output_that_would_be_a_folder_of_another_is_refused(home: Home, painter: Painter) -> None:
    """One of both could not be saved where it was asked for, after it was paid for."""
    for lines in (
        ({"prompt": "1", "output": "a"}, {"prompt": "2", "output": "a/b.png"}),
        ({"prompt": "1", "output": "a/b.png"}, {"prompt": "2", "output": "a"}),
    ):
        assert sorted(problems(home, painter.base_url, *lines)) == [2]


def test_a_mask_of_the_flags_without_an_image_is_refused_for_bare_prompts_too(
    home: Home, painter: Painter
) -> None:
    (home.cwd / "mask.png").write_bytes(png(alpha=True))
    run = batch(home, painter.base_url, "a cat", {"prompt": "a dog"}, flags=("--mask", "mask.png"))
    assert run.code == 2
    assert "line 1: it has a mask and no image" in run.json["error"]["message"]
    assert "line 2: it has a mask and no image" in run.json["error"]["message"]
    assert painter.server.requests == []


def test_a_jobs_file_that_cannot_be_read_is_named(home: Home, painter: Painter) -> None:
    for name in ("missing.jsonl", "."):
        run = home.run(*command(Path(name)), base_url=painter.base_url)
        assert run.code == 2
        assert f"cannot read the jobs file {name}" in run.json["error"]["message"]
    assert not out_of(home).exists()


def test_an_output_folder_that_is_a_file_is_refused(home: Home, painter: Painter) -> None:
    out_of(home).write_text("a file")
    run = batch(home, painter.base_url, "a cat")
    assert (run.code, run.json["error"]["code"]) == (2, "output_not_writable")
    assert out_of(home).read_text() == "a file" and painter.server.requests == []


def test_a_journal_that_cannot_be_written_stops_the_batch_before_anything_is_paid_for(
    home: Home, painter: Painter
) -> None:
    out_of(home).mkdir()
    (out_of(home) / JOURNAL).mkdir()
    run = batch(home, painter.base_url, "a cat")
    assert run.code == 8 and JOURNAL in run.json["error"]["message"]
    assert painter.server.requests == []


@pytest.mark.skipif(os.name == "nt", reason="no limits on files")
def test_a_journal_that_takes_no_more_lines_stops_the_batch_before_anything_is_paid_for(
    home: Home, painter: Painter
) -> None:
    out_of(home).mkdir()
    (out_of(home) / JOURNAL).write_bytes(b" " * (FULL - 1) + b"\n")
    path = write_jobs(home, "a cat", "a dog", "a fox")

    def limit_files() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, FULL))

    with home.start(*command(path), base_url=painter.base_url, preexec_fn=limit_files) as process:
        stdout, _ = process.communicate(timeout=30)
    rows = json.loads(stdout)["rows"]
    assert painter.server.requests == []
    assert process.returncode == 9
    assert {row["status"] for row in rows} <= {"failed", "not_started"}
    assert {row["billed"] for row in rows} == {"no"}
    assert JOURNAL in rows[0]["error"]["message"]


@pytest.mark.skipif(os.name == "nt", reason="no flock")
def test_two_batches_do_not_work_in_one_folder_at_once(home: Home, painter: Painter) -> None:
    painter.server.hold()
    path = write_jobs(home, "a cat")
    with home.start(*command(path), base_url=painter.base_url) as first:
        painter.server.wait_for_request()
        second = home.run(*command(path), base_url=painter.base_url)
        painter.server.release()
        first.communicate(timeout=30)
    assert (second.code, second.json["error"]["code"]) == (2, "batch_running")
    assert first.returncode == 0 and painter.hits == {"a cat": 1}
    assert again(home, painter.base_url).code == 0


def test_without_a_key_nothing_is_sent_and_a_dry_run_needs_none(home: Home, painter: Painter) -> None:
    env = {"GPT_IMAGE2_API_KEY": None}
    assert batch(home, painter.base_url, "a cat", flags=("--dry-run",), env=env).code == 0
    run = batch(home, painter.base_url, "a cat", env=env)
    assert (run.code, run.json["ok"]) == (3, False)
    assert painter.server.requests == []


@pytest.mark.parametrize(
    "flags, said",
    [
        (("--concurrency", "0"), "--concurrency is 0"),
        (("--concurrency", "257"), "--concurrency is 257"),
        (("--concurrency", "many"), "concurrency"),
        (("--images-per-minute", "0"), "--images-per-minute"),
        (("--images-per-minute", "-3"), "images-per-minute"),
        (("--images-per-minute", "nan"), "images-per-minute"),
        (("--images-per-minute", "inf"), "images-per-minute"),
        (("--max-failures", "0"), "--max-failures"),
        (("--max-cost", "-1"), "max-cost"),
        (("--max-cost", "nan"), "max-cost"),
        (("--max-cost", "inf"), "max-cost"),
        (("--timeout", "0"), "timeout"),
        (("--retries", "-1"), "retries"),
        (("--size", "big"), "big"),
        (("--n", "11"), "11"),
        (("--image", "missing.png"), "missing.png"),
        (("--out-dir", ""), "out-dir"),
        (("--unknown",), "--unknown"),
        (("more.jsonl",), "more.jsonl"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_flags_are_named_and_nothing_is_sent(
    flags: Tuple[str, ...], said: str, home: Home, painter: Painter
) -> None:
    run = batch(home, painter.base_url, "a cat", flags=flags)
    assert run.code == 2, run.stderr
    assert said in run.json["error"]["message"]
    assert painter.server.requests == []


def test_batch_without_a_command_helps_and_an_unknown_one_is_refused(home: Home) -> None:
    assert "run" in home.run("batch").stdout
    run = home.run("batch", "walk", "x")
    assert run.code == 2 and "unknown command batch 'walk'" in run.stderr
    assert home.run("batch", "run").code == 2


def test_the_picture_helper_paints_each_prompt_another_picture() -> None:
    assert len({picture("a"), picture("b"), picture("a", 2)}) == 3
