"""Every request is in the ledger, from before it is sent; a ledger that cannot be used stops nothing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Callable, Dict, List

import pytest
from faulty import Exchange, body_of, serving
from harness import KEY, Home, Run
from ledgers import change, rows_of
from pictures import png
from servers import Answer, Recorder, images, refusal

from gpt_image2 import Client
from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.base.outcome import Billed, Result, SavedImage, Usage
from gpt_image2.core.ledger.afterwards import record_ended
from gpt_image2.core.ledger.entries import Ending, Opening, Status
from gpt_image2.core.ledger.recording import Ledger

PICTURE = png(1024, 1024)
SHA256 = hashlib.sha256(PICTURE).hexdigest()
ALL_USAGE = {
    "input_tokens": 13,
    "output_tokens": 196,
    "total_tokens": 209,
    "text_tokens": 13,
    "image_tokens": 0,
    "cached_text_tokens": 0,
    "cached_image_tokens": 0,
}


def only(home: Home) -> Dict[str, Any]:
    """The one request in the ledger."""
    (row,) = rows_of(home.ledger)
    return row


def config(home: Home, **content: object) -> Path:
    """Writes the config file of a home."""
    path = home.config_home / "gpt-image-2" / "config.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    path.chmod(0o600)
    return path


def test_every_field_of_a_generation_is_recorded(home: Home, recorder: Recorder) -> None:
    answer = images(PICTURE)
    recorder.answer = lambda request: answer._replace(headers=(("x-request-id", "req_7"),))
    flags = ("--quality", "low", "--size", "square", "--user", "me", "--param", "seed=7")
    run = home.run("generate", "a cat", "-o", "cat.png", *flags, base_url=recorder.base_url)
    assert run.code == 0, run.stderr
    row = only(home)
    elapsed_s = row.pop("elapsed_s")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row.pop("started_at"))
    assert 0 < elapsed_s < 60
    assert json.loads(row.pop("usage")) == ALL_USAGE
    assert json.loads(row.pop("fields")) == {"size": "1024x1024", "quality": "low", "user": "me", "seed": 7}
    assert (
        row.pop("estimate_low_usd") == row.pop("estimate_high_usd") == pytest.approx(196 * 30e-6 + 2 * 5e-6)
    )
    assert row.pop("cost_usd") == pytest.approx(13 * 5e-6 + 196 * 30e-6)
    assert row == {
        "id": 1,
        "base_url": recorder.base_url,
        "host": recorder.root[len("http://") :],
        "command": "generate",
        "model": "gpt-image-2",
        "prompt": "a cat",
        "inputs": "[]",
        "mask": None,
        "output": str(home.cwd / "cat.png"),
        "status": "saved",
        "error_code": None,
        "error_message": None,
        "http_status": 200,
        "request_id": "req_7",
        "attempts": 1,
        "billed": "yes",
        "discount": 1.0,
        "batch_id": None,
        "task_id": None,
        "profile": None,
        "wishes": None,
    }
    assert rows_of(home.ledger, "images") == [
        {
            "request": 1,
            "number": 1,
            "path": str(home.cwd / "cat.png"),
            "sha256": SHA256,
            "bytes": len(PICTURE),
            "format": "png",
            "width": 1024,
            "height": 1024,
            "rescued": 0,
        }
    ]


def test_the_inputs_and_the_mask_of_an_edit_are_recorded_with_their_hashes(
    home: Home, recorder: Recorder
) -> None:
    picture, mask, piped = png(noise=b"a"), png(alpha=True), png(noise=b"b")
    (home.cwd / "in.png").write_bytes(picture)
    (home.cwd / "mask.png").write_bytes(mask)
    args = ("edit", "in.png", "a hat", "--image", "-", "--mask", "mask.png", "-o", "out.png")
    assert home.run(*args, base_url=recorder.base_url, stdin=piped).code == 0
    row = only(home)
    assert row["command"] == "edit"
    assert json.loads(row["inputs"]) == [
        {
            "source": "in.png",
            "path": str(home.cwd / "in.png"),
            "filename": "in.png",
            "sha256": hashlib.sha256(picture).hexdigest(),
            "bytes": len(picture),
        },
        {
            "source": "-",
            "path": "",
            "filename": "image.png",
            "sha256": hashlib.sha256(piped).hexdigest(),
            "bytes": len(piped),
        },
    ]
    assert json.loads(row["mask"])["sha256"] == hashlib.sha256(mask).hexdigest()


def test_a_refusal_is_recorded_with_its_error(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: refusal(400, "No such thing.", "unknown_parameter")
    assert home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url).code == 6
    row = only(home)
    assert (row["status"], row["billed"], row["http_status"]) == ("failed", "no", 400)
    assert row["error_code"] == "unknown_parameter" and "No such thing." in row["error_message"]
    assert (row["cost_usd"], row["usage"], rows_of(home.ledger, "images")) == (None, None, [])


def test_images_of_a_cut_answer_are_recorded_as_partial(home: Home) -> None:
    pictures = [png(noise=bytes([number + 1]) * 2000) for number in range(2)]
    body = body_of(pictures)

    def talk(exchange: Exchange) -> None:
        exchange.start(len(body))
        exchange.send(body[: body.rindex(b"iVBOR") + 100])

    with serving(talk) as server:
        run = home.run("generate", "a cat", "--n", "2", "-o", "cat.png", base_url=server.base_url)
    assert run.code == 9, run.stderr
    row = only(home)
    assert (row["status"], row["billed"], row["cost_usd"]) == ("partial", "yes", None)
    (image,) = rows_of(home.ledger, "images")
    assert image["sha256"] == hashlib.sha256(pictures[0]).hexdigest()


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_an_interrupted_request_is_recorded_as_such(home: Home, recorder: Recorder) -> None:
    recorder.hold()
    with home.start("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url) as process:
        recorder.wait_for_request()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    row = only(home)
    assert (row["status"], row["billed"], row["error_code"]) == ("interrupted", "maybe", "interrupted")


def test_a_request_whose_process_is_killed_stays_as_sent_and_maybe_billed(
    home: Home, recorder: Recorder
) -> None:
    recorder.hold()
    with home.start("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url) as process:
        recorder.wait_for_request()
        process.kill()
    row = only(home)
    assert (row["status"], row["billed"], row["elapsed_s"], row["attempts"]) == ("sent", "maybe", None, 0)
    recorder.release()
    home.run("generate", "a dog", "-o", "dog.png", base_url=recorder.base_url)
    assert [row["status"] for row in rows_of(home.ledger)] == ["interrupted", "saved"]


def test_a_rescued_image_is_recorded_where_it_is(home: Home, recorder: Recorder) -> None:
    recorder.hold()
    args = ("generate", "a cat", "-o", "out/cat.png")
    with home.start(*args, base_url=recorder.base_url) as process:
        recorder.wait_for_request()
        (home.cwd / "out").rmdir()
        recorder.release()
        process.communicate(timeout=30)
    assert process.returncode == 8
    assert (only(home)["status"], only(home)["error_code"]) == ("saved", "output")
    (image,) = rows_of(home.ledger, "images")
    assert image["rescued"] == 1 and Path(image["path"]).parent == home.rescued


def test_the_pictures_of_a_probe_are_recorded(home: Home, recorder: Recorder) -> None:
    """This host paints what is to be refused, too."""
    assert home.run("doctor", "--probe", "--yes", base_url=recorder.base_url).code == 0
    row = only(home)
    assert (row["command"], row["status"], row["billed"], row["attempts"]) == ("doctor", "saved", "yes", 2)
    assert row["cost_usd"] == pytest.approx(2 * (13 * 5e-6 + 196 * 30e-6))
    assert len(rows_of(home.ledger, "images")) == 2


def test_a_path_that_is_no_text_is_recorded_as_its_bytes(home: Home, recorder: Recorder) -> None:
    name = os.fsdecode(b"cat-\xff.png")
    try:
        (home.cwd / name).touch()
    except OSError:
        pytest.skip("this file system takes only text as names")
    run = home.run("generate", "a cat", "-o", name, base_url=recorder.base_url)
    assert run.code == 0 and "warning" not in run.stderr, run.stderr
    shown = home.run("history", "show", name, "--json").json["request"]
    assert os.fsencode(shown["images"][0]["path"]).endswith(b"cat-\xff.png")


@pytest.mark.skipif(os.name == "nt", reason="permission bits")
def test_the_ledger_is_for_its_user_alone(home: Home, recorder: Recorder) -> None:
    recorder.hold()
    careless = {"preexec_fn": lambda: os.umask(0)}
    with home.start("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url, **careless):
        recorder.wait_for_request()
        modes = {path.name: path.stat().st_mode & 0o777 for path in home.state.iterdir() if path.is_file()}
        recorder.release()
    assert len(modes) > 1 and set(modes.values()) == {0o600}, modes
    assert home.state.stat().st_mode & 0o777 == 0o700


def test_eight_processes_that_start_at_once_are_all_recorded(home: Home, recorder: Recorder) -> None:
    recorder.hold()
    commands = [("generate", f"cat {number}", "-o", f"{number}.png") for number in range(8)]
    processes = [home.start(*command, base_url=recorder.base_url) for command in commands]
    for _ in processes:
        recorder.wait_for_request()
    recorder.release()
    for process in processes:
        _, stderr = process.communicate(timeout=60)
        assert process.returncode == 0 and b"warning" not in stderr, stderr
    rows = rows_of(home.ledger)
    assert sorted(row["prompt"] for row in rows) == [f"cat {number}" for number in range(8)]
    assert {row["status"] for row in rows} == {"saved"}
    assert len(rows_of(home.ledger, "images")) == 8


def test_many_threads_of_one_ledger_are_all_recorded(home: Home) -> None:
    ledger, warnings = Ledger(home.state), []  # type: Ledger, List[str]
    start = threading.Barrier(64)

    def call(number: int) -> None:
        start.wait()
        row = ledger.begin(opening(f"cat {number}"), warnings.append)
        assert row is not None
        ledger.finish(row, ENDING, warnings.append)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = rows_of(home.ledger)
    assert warnings == []
    assert sorted(row["prompt"] for row in rows) == sorted(f"cat {number}" for number in range(64))
    assert {row["status"] for row in rows} == {"saved"} and len(rows_of(home.ledger, "images")) == 64


ENDING = Ending(
    Status.SAVED,
    Result(
        command="generate",
        model="gpt-image-2",
        images=(SavedImage("/p/cat.png", 10, "png", 16, 16, "a" * 64),),
        usage=Usage(1, 2, 3),
        cost_usd=0.02,
        billed=Billed.YES,
        attempts=1,
        elapsed_s=70.0,
    ),
)


def opening(prompt: str, **more: Any) -> Opening:
    """What is known of a request before it is sent."""
    return Opening("https://api.openai.com/v1", "generate", ImageRequest(prompt=prompt), "/p/cat.png", **more)


def test_a_request_that_has_ended_is_recorded_in_one_go(home: Home) -> None:
    warnings: List[str] = []
    known = opening("a cat", discount=0.5, batch_id="batch_1", started_at="2026-11-25T03:22:20.000Z")
    assert record_ended(Ledger(home.state), known, ENDING, warnings.append) == 1
    row = only(home)
    assert (row["discount"], row["batch_id"], row["cost_usd"]) == (0.5, "batch_1", 0.02)
    assert (row["started_at"], row["status"]) == ("2026-11-25T03:22:20.000Z", "saved")
    assert len(rows_of(home.ledger, "images")) == 1 and warnings == []


def test_a_row_is_completed_by_another_ledger_object_than_began_it(home: Home) -> None:
    row = Ledger(home.state).begin(opening("a cat"), pytest.fail)
    assert row is not None
    Ledger(home.state).finish(row, ENDING, pytest.fail)
    assert (only(home)["status"], only(home)["prompt"]) == ("saved", "a cat")


# A ledger that cannot be used


def is_saved_with_one_warning(run: Run, home: Home) -> str:
    """Holds a run to its image and one warning; the warning."""
    assert run.code == 0, run.stderr
    assert (home.cwd / "cat.png").read_bytes() == PICTURE
    (warning,) = [line for line in run.stderr.splitlines() if line.startswith("warning: ")]
    assert "not in the history" in warning and "--no-history" in warning
    return warning


def broken_file(home: Home) -> None:
    home.ledger.write_bytes(b"this is no database, whatever its name says" * 100)


def folder(home: Home) -> None:
    home.ledger.mkdir()


def newer_schema(home: Home) -> None:
    change(home.ledger, "PRAGMA user_version = 99")


def other_tables(home: Home) -> None:
    change(home.ledger, "PRAGMA user_version = 1")


PROBLEMS = {
    "broken file": (broken_file, "not a database"),
    "folder": (folder, "it is a folder"),
    "newer schema": (newer_schema, "newer version"),
    "other tables": (other_tables, "no such table"),
}


@pytest.mark.parametrize("make, words", PROBLEMS.values(), ids=PROBLEMS.keys())
def test_a_ledger_that_cannot_be_used_stops_no_image_and_is_warned_of_once(
    make: Callable[[Home], None], words: str, home: Home, recorder: Recorder
) -> None:
    home.state.mkdir(parents=True)
    make(home)
    run = home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url)
    assert words in is_saved_with_one_warning(run, home)
    run = home.run("generate", "a cat", "-o", "cat.png", "--json", base_url=recorder.base_url)
    (warning,) = run.json["warnings"]
    assert run.code == 0 and words in warning
    history = home.run("history", "--json")
    assert history.code == 3 and history.json["error"]["code"] == "ledger_unusable"
    assert words in history.json["error"]["message"] and history.json["error"]["hint"]


def test_a_client_warns_of_its_ledger_once_in_its_life(home: Home, recorder: Recorder) -> None:
    home.state.mkdir(parents=True)
    broken_file(home)
    client = Client(env=home.environment(recorder.base_url))
    results = [client.generate("a cat", output=home.cwd / f"{number}.png") for number in range(3)]
    assert [len(result.warnings) for result in results] == [1, 0, 0]


def test_a_state_folder_that_cannot_be_made_stops_no_image(home: Home, recorder: Recorder) -> None:
    home.state.parent.mkdir(parents=True)
    home.state.write_bytes(b"a file where the state folder should be")
    run = home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url)
    assert "cannot be opened" in is_saved_with_one_warning(run, home)


def test_a_ledger_that_another_program_holds_stops_no_image(home: Home, recorder: Recorder) -> None:
    assert Ledger(home.state).begin(opening("an older one"), pytest.fail) == 1
    with closing(sqlite3.connect(str(home.ledger), isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        run = home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url)
        assert time.monotonic() - started < 20  # one busy timeout, and a slow machine
    assert "locked by another program" in is_saved_with_one_warning(run, home)
    assert [row["prompt"] for row in rows_of(home.ledger)] == ["an older one"]


def test_a_ledger_that_breaks_during_the_call_is_warned_of_at_its_end(home: Home, recorder: Recorder) -> None:
    recorder.hold()
    args = ("generate", "a cat", "-o", "cat.png", "--json")
    with home.start(*args, base_url=recorder.base_url) as process:
        recorder.wait_for_request()
        change(home.ledger, "DROP TABLE requests")
        recorder.release()
        stdout, stderr = process.communicate(timeout=30)
    run = Run(process.returncode, stdout.decode(), stderr.decode())
    assert run.code == 0 and "not in the history" in run.json["warnings"][0]
    assert "not in the history" in run.stderr


def test_a_python_without_sqlite_saves_the_image_and_warns_once(home: Home, recorder: Recorder) -> None:
    command = home.command("generate", "a cat", "-o", "cat.png")
    script = command.index("-S") + 1
    code = (
        "import runpy, sys; sys.modules['sqlite3'] = None; "
        f"sys.argv = {command[script:]!r}; runpy.run_path({command[script]!r}, run_name='__main__')"
    )
    run = home.run_program(*command[:script], "-c", code, base_url=recorder.base_url)
    assert "without sqlite3" in is_saved_with_one_warning(run, home)


# Secrets, and leaving it off


def test_no_key_gets_into_the_ledger(home: Home, recorder: Recorder) -> None:
    recorder.answer = lambda request: refusal(400, f"You sent {KEY}.", "bad")
    args = ("generate", f"a cat with {KEY}", "-o", "cat.png", "--user", KEY, "--param", f"token={KEY}")
    home.run(*args, base_url=recorder.base_url)
    assert only(home)["prompt"] == "a cat with sk-…jKEY"
    assert [
        path for path in home.state.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()
    ] == []


def test_a_word_that_a_local_server_takes_as_key_does_not_garble_the_prompt(
    home: Home, recorder: Recorder
) -> None:
    home.run("generate", "a cat in a box", base_url=recorder.base_url, env={"GPT_IMAGE2_API_KEY": "box"})
    assert only(home)["prompt"] == "a cat in a box"


def test_no_history_leaves_no_ledger(home: Home, recorder: Recorder) -> None:
    run = home.run("generate", "a cat", "-o", "cat.png", "--no-history", base_url=recorder.base_url)
    assert run.code == 0 and not home.ledger.exists()


def test_history_false_in_the_config_file_leaves_no_ledger_and_is_shown(
    home: Home, recorder: Recorder
) -> None:
    path = config(home, history=False)
    assert home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url).code == 0
    assert home.run("doctor", "--probe", "--yes", base_url=recorder.base_url).code == 0
    assert not home.ledger.exists()
    shown = home.run("config", "--show", "--json").json["settings"]["history"]
    assert shown == {"value": "no", "source": str(path)}


def test_a_client_is_recorded_unless_it_says_otherwise(home: Home, recorder: Recorder) -> None:
    env = home.environment(recorder.base_url)
    Client(env=env, history=False).generate("a cat", output=home.cwd / "1.png")
    assert not home.ledger.exists()
    Client(env=env).generate("a dog", output=home.cwd / "2.png")
    config(home, history=False)
    Client(env=env).generate("a cow", output=home.cwd / "3.png")
    Client(env=env, history=True).generate("a fox", output=home.cwd / "4.png")
    assert [row["prompt"] for row in rows_of(home.ledger)] == ["a dog", "a fox"]


@pytest.mark.parametrize("value", ["no", 0, None, {}])
def test_history_in_the_config_file_must_be_true_or_false(home: Home, value: object) -> None:
    path = config(home, history=value)
    error = home.run("config", "--show", "--json").json["error"]
    assert error["message"].startswith(f"config {path}, line 1: field 'history' must be a boolean")


def test_a_dry_run_is_not_recorded(home: Home, recorder: Recorder) -> None:
    assert home.run("generate", "a cat", "--dry-run", base_url=recorder.base_url).code == 0
    assert not home.ledger.exists()


def test_a_ledger_from_before_there_were_tasks_is_brought_up(home: Home, recorder: Recorder) -> None:
    args = ("generate", "a cat", "-o", "cat.png")
    assert home.run(*args, base_url=recorder.base_url).code == 0
    change(home.ledger, "DROP TABLE derived")
    change(home.ledger, "ALTER TABLE requests DROP COLUMN task_id")
    change(home.ledger, "ALTER TABLE requests DROP COLUMN profile")
    change(home.ledger, "ALTER TABLE requests DROP COLUMN wishes")
    change(home.ledger, "PRAGMA user_version = 2")
    recorder.answer = lambda request: Answer(body=b'{"task_id": "task_7", "status": "queued"}')
    assert home.run(*args, "--no-wait", base_url=recorder.base_url).code == 0
    rows = rows_of(home.ledger)
    assert [(row["status"], row["task_id"]) for row in rows] == [("saved", None), ("pending", "task_7")]
    assert "task_7" in home.run("history", "show", "2").stdout


def test_the_history_knows_the_profile_of_a_request_and_lists_those_of_one(
    home: Home, recorder: Recorder
) -> None:
    profiles = {name: {"base_url": recorder.base_url, "api_key": KEY} for name in ("one", "two")}
    config = home.config_home / "gpt-image-2" / "config.json"
    config.parent.mkdir(parents=True, exist_ok=True)
    config.write_text(json.dumps({"profiles": profiles}), encoding="utf-8")
    for profile in ("one", "two", "one"):
        run = home.run("generate", f"a cat by {profile}", "-o", "cat.png", "--profile", profile)
        assert run.code == 0, run.stderr
    assert home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url).code == 0
    assert [row["profile"] for row in rows_of(home.ledger)] == ["one", "two", "one", None]
    listed = home.run("history", "--profile", "one", "--json").json["requests"]
    assert [(each["id"], each["profile"]) for each in listed] == [(3, "one"), (1, "one")]
    assert re.search(r"profile +two\n", home.run("history", "show", "2").stdout)
    assert "nothing is in the history that fits" in home.run("history", "--profile", "three").stderr
