"""What a batch says: lines for people, `--json` and `--events` for programs, a live line on a terminal."""

from __future__ import annotations

import json
import os
import re
from typing import List

import pytest
from batching import OUT, SHEET, Painter, batch, out_of, picture, sha256, write_jobs
from harness import Home, Run
from pictures import png
from servers import Answer, images, refusal
from terminals import open_terminal


def in_words(home: Home, painter: Painter, *lines: str, flags: tuple[str, ...] = ()) -> Run:
    path = write_jobs(home, *lines)
    return home.run("batch", "run", str(path), "--out-dir", OUT, *flags, base_url=painter.base_url)


def test_for_a_person_each_image_is_a_line_and_the_end_a_summary(home: Home, painter: Painter) -> None:
    run = in_words(home, painter, "a cat", "a dog")
    assert run.code == 0
    assert sorted(run.saved) == [out_of(home) / "0001-a-cat.png", out_of(home) / "0002-a-dog.png"]
    assert len(run.stdout.splitlines()) == 2
    first, last = run.stderr.splitlines()
    assert first == "0 of 2 jobs done, 2 not started; 2 images to make"
    assert last == f"2 of 2 jobs done; $0.0119; {out_of(home) / SHEET}"


def test_quiet_leaves_the_results_and_the_failures(home: Home, painter: Painter) -> None:
    painter.says["bad"] = refusal(400, "No.", "invalid_value")
    run = in_words(home, painter, "a cat", "bad", flags=("--quiet",))
    assert [path.name for path in run.saved] == ["0001-a-cat.png"]
    assert "job 2 (line 2): " in run.stderr and "images to make" not in run.stderr


def test_json_is_one_object_with_a_row_a_job_in_the_order_of_the_file(home: Home, painter: Painter) -> None:
    painter.says["bad"] = refusal(400, "No.", "invalid_value")
    jobs = [{"prompt": f"job {number}", "id": f"id {number}"} for number in range(20)]
    run = batch(home, painter.base_url, *jobs, "bad", "{", flags=("--skip-invalid", "--concurrency", "8"))
    outcome = run.json
    assert [row["job"] for row in outcome["rows"]] == list(range(1, 23))
    assert (outcome["jobs"], outcome["done"], outcome["failed"], outcome["invalid"]) == (22, 20, 1, 1)
    assert outcome["contact_sheet"] == str(out_of(home) / SHEET)
    assert outcome["out_dir"] == str(out_of(home)) and outcome["images"] == 20
    for number, row in enumerate(outcome["rows"][:20]):
        (image,) = row["images"]
        assert row["id"] == f"id {number}" and row["attempts"] == 1 and row["billed"] == "yes"
        assert image["sha256"] == sha256(picture(f"job {number}"))
        with open(image["path"], "rb") as file:
            assert len(file.read()) == image["bytes"]


def test_events_are_a_row_a_job_as_they_come_and_the_sum_at_the_end(home: Home, painter: Painter) -> None:
    painter.says["bad"] = refusal(400, "No.", "invalid_value")
    jobs = ({"prompt": "a cat", "id": "c"}, "bad", {"prompt": "two", "n": 2, "new_field": 1})
    path = write_jobs(home, *jobs)
    args = ("batch", "run", str(path), "--out-dir", OUT, "--events", "--concurrency", "1")
    run = home.run(*args, base_url=painter.base_url)
    warning, *rows, last = run.events
    assert (run.code, warning["event"], last["event"]) == (9, "warning", "finished")
    assert "'new_field' is not known here" in warning["message"]
    assert [row["event"] for row in rows] == ["job_finished"] * 3
    assert [(row["job"], row["id"], row["status"], len(row["images"])) for row in rows] == [
        (1, "c", "done", 1),
        (2, None, "failed", 0),
        (3, None, "done", 2),
    ]
    assert rows[1]["error"]["code"] == "invalid_value" and rows[1]["billed"] == "no"
    assert (last["done"], last["failed"], last["ok"], last["command"]) == (2, 1, False, "batch run")
    assert len(run.saved) == 3


def test_events_and_json_together_keep_to_their_streams(home: Home, painter: Painter) -> None:
    run = batch(home, painter.base_url, "a cat", flags=("--events",))
    assert run.json["rows"][0]["status"] == "done"
    assert [event["event"] for event in run.events] == ["job_finished", "finished"]


def test_events_tell_of_a_batch_that_never_began(home: Home, painter: Painter) -> None:
    run = batch(home, painter.base_url, "{", flags=("--events",))
    (event,) = run.events
    assert (event["event"], event["ok"], event["error"]["code"]) == ("finished", False, "invalid_jobs")


def test_a_warning_about_many_jobs_is_said_once_with_their_number(home: Home, painter: Painter) -> None:
    jobs = [{"prompt": f"p {number}", "seed": number} for number in range(30)]
    run = batch(home, painter.base_url, *jobs)
    said = [line for line in run.stderr.splitlines() if "seed" in line]
    assert said == ["warning: field 'seed' is not known here and is passed through (30 jobs)"]


def test_what_differs_from_the_request_stands_in_the_row(home: Home, painter: Painter) -> None:
    painter.server.answer = lambda request: images(png(64, 48))
    run = batch(home, painter.base_url, {"prompt": "p", "size": "1024x1024", "output": "p.webp"})
    (row,) = run.json["rows"]
    assert any("asked for 1024x1024, got 64x48" in warning for warning in row["warnings"])
    assert any("p.webp" in warning and "png" in warning for warning in row["warnings"])


def test_control_characters_of_a_server_and_of_a_prompt_reach_no_terminal(
    home: Home, painter: Painter
) -> None:
    nasty = "\x1b]0;title\x07\x1b[2J\r\u202e"
    painter.says[f"bad {nasty}"] = refusal(400, f"No {nasty}.", "invalid_value")
    run = in_words(
        home, painter, json.dumps({"prompt": f"bad {nasty}"}), json.dumps({"prompt": f"ok {nasty}"})
    )
    text = run.stdout + run.stderr
    assert not [char for char in text if ord(char) < 32 and char != "\n"] and "\u202e" not in text
    assert run.code == 9


@pytest.mark.skipif(os.name == "nt", reason="pty")
def test_on_a_terminal_a_live_line_tells_how_far_it_is(home: Home, painter: Painter) -> None:
    painter.says["bad"] = refusal(400, "No.", "invalid_value")
    paint = painter.answer

    def answer(request: object) -> Answer:
        if len(painter.server.requests) == 4:
            painter.server.hold()  # from here on nothing comes until the line was seen
        return paint(request)  # type: ignore[arg-type]

    painter.server.answer = answer
    path = write_jobs(home, "bad", *(f"job {number}" for number in range(5)))
    args = ("batch", "run", str(path), "--out-dir", OUT, "--concurrency", "1", "--max-cost", "1")
    flags = ("--quality", "low", "--size", "1024x1024")
    ours, theirs = open_terminal(200)
    said = b""
    with home.start(*args, *flags, base_url=painter.base_url, stderr=theirs) as process:
        os.close(theirs)
        while not re.search(rb"3/6 done [^ ]+ 1 failed, 1 in flight, [^\r]* to go", said):
            said += os.read(ours, 4096)
        painter.server.release()
        painter.server.answer = paint
        try:
            while True:
                chunk = os.read(ours, 4096)
                if not chunk:
                    break
                said += chunk
        except OSError:
            pass  # Linux says so that the other side has closed
        stdout, _ = process.communicate(timeout=30)
    os.close(ours)
    line = re.search(rb"3/6 done [^\r]*", said)
    assert line is not None
    assert re.match(
        rb"3/6 done [^ ]+ 1 failed, 1 in flight, \$0\.0\d+ spent, about [^,]+, "
        rb"\$0\.9\d+ left, [\d.]+ images/min",
        line.group(),
    )
    assert process.returncode == 9
    assert len([text for text in stdout.decode().splitlines() if text.startswith("Saved: ")]) == 5


@pytest.mark.skipif(os.name == "nt", reason="pty")
def test_what_waits_for_its_turn_is_not_said_to_be_in_flight(home: Home, painter: Painter) -> None:
    painter.server.hold()
    path = write_jobs(home, *(f"job {number}" for number in range(9)))
    args = ("batch", "run", str(path), "--out-dir", OUT, "--concurrency", "9", "--images-per-minute", "2")
    ours, theirs = open_terminal(200)
    said = b""
    with home.start(*args, base_url=painter.base_url, stderr=theirs) as process:
        os.close(theirs)
        painter.server.wait_for_request()
        while said.count(b" in flight") < 3:  # the lines that come after it
            said += os.read(ours, 4096)
        process.kill()
    os.close(ours)
    assert re.findall(rb"(\d+) in flight", said)[-1] == b"1"


@pytest.mark.skipif(os.name == "nt", reason="pipes")
def test_a_reader_that_goes_away_stops_no_job(home: Home, painter: Painter) -> None:
    path = write_jobs(home, *(f"job {number}" for number in range(6)))
    args = ("batch", "run", str(path), "--out-dir", OUT, "--concurrency", "2")
    with home.start(*args, base_url=painter.base_url) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        process.stderr.close()
        assert process.wait(30) == 0
    assert len(list(out_of(home).glob("*.png"))) == 6


def test_another_file_called_index_html_is_left_alone(home: Home, painter: Painter) -> None:
    out_of(home).mkdir()
    (out_of(home) / SHEET).write_text("<title>mine</title>")
    run = batch(home, painter.base_url, "a cat")
    assert (run.code, run.json["contact_sheet"]) == (0, None)
    assert (out_of(home) / SHEET).read_text() == "<title>mine</title>"
    assert "contact sheet was left out" in run.stderr


def test_nothing_is_left_behind_in_temporary_folders(home: Home, painter: Painter) -> None:
    batch(home, painter.base_url, *(f"job {number}" for number in range(10)))
    assert home.leftovers() == []


def rows_of(text: str) -> List[str]:
    """The cards of a contact sheet."""
    return re.findall(r"<article.*?</article>", text, re.DOTALL)


def test_the_contact_sheet_shows_every_job_with_prompt_settings_and_cost(
    home: Home, painter: Painter
) -> None:
    painter.says["bad"] = refusal(400, "No.", "invalid_value")
    jobs = (
        {"prompt": "a <cat> & co", "id": "c-1", "quality": "low"},
        "bad",
        {"prompt": "x", "n": 2, "output": "s b/ü%.png"},
    )
    batch(home, painter.base_url, *jobs)
    text = (out_of(home) / SHEET).read_text(encoding="utf-8")
    cat, bad, two = rows_of(text)
    assert "a &lt;cat&gt; &amp; co" in cat and "c-1" in cat and "quality low" in cat and "$0.0059" in cat
    assert 'src="c-1.png"' in cat
    assert (
        'class="failed"' in bad and "invalid_value: " in bad and "(billed: no)" in bad and "<img" not in bad
    )
    assert re.findall(r'src="([^"]*)"', two) == ["s%20b/%C3%BC%25-1.png", "s%20b/%C3%BC%25-2.png"]
    assert "://" not in text and "<script" not in text
