"""The history is listed, searched, shown, repeated and forgotten."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any, List

import pytest
from harness import Home, Run, Sandbox
from ledgers import rows_of
from pictures import png
from servers import Recorder, Request, images, refusal

from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.ledger.entries import Opening, utc_text
from gpt_image2.core.ledger.recording import Ledger
from gpt_image2.core.settings.base_url import SANDBOX_HEADER, is_sandbox


@pytest.fixture
def painter(recorder: Recorder) -> Recorder:
    """A server whose every picture is another one."""

    def paint(request: Request) -> Any:
        return images(png(1024, 1024, noise=str(len(recorder.requests)).encode()))

    recorder.answer = paint
    return recorder


def make(home: Home, server: Recorder, prompt: str, name: str, *flags: str) -> Path:
    """Sends a request; its image."""
    run = home.run("generate", prompt, "-o", name, *flags, base_url=server.base_url)
    assert run.code == 0, run.stderr
    return run.saved[0]


def begin(home: Home, prompt: str, ago_s: float = 0.0) -> None:
    """Writes a request that was sent some time ago."""
    request = ImageRequest(prompt=prompt)
    started_at = utc_text(time.time() - ago_s)
    opening = Opening("https://api.openai.com/v1", "generate", request, "/p/cat.png", started_at=started_at)
    assert Ledger(home.state).begin(opening, pytest.fail)


def prompts(run: Run) -> List[str]:
    """The prompts of what was listed."""
    assert run.code == 0, run.stderr
    return [request["prompt"] for request in run.json["requests"]]


# Listing


def test_an_empty_history_is_told_and_makes_no_file(home: Home) -> None:
    run = home.run("history")
    assert (run.code, run.stdout, run.stderr) == (0, "", "nothing is in the history\n")
    assert prompts(home.run("history", "--json")) == []
    assert list(home.root.rglob("*")) == []


def test_a_request_is_one_line_newest_first(home: Home, painter: Recorder) -> None:
    cat = make(home, painter, "a cat", "cat.png", "--quality", "low", "--size", "square")
    painter.answer = lambda request: refusal(400, "No.")
    home.run("generate", "a dog " * 20, base_url=painter.base_url)
    second, first = home.run("history", env={"TZ": "UTC"}).stdout.splitlines()
    moment = rows_of(home.ledger)[0]["started_at"][:16].replace("T", " ")
    words = ["1", *moment.split(), "generate", "low/1024x1024", "saved", "$0.0059", "a", "cat", str(cat)]
    assert first.split() == words
    assert second.split()[3:7] == ["generate", "auto/auto", "failed", "$0"] and second.endswith("…  -")
    assert first.index("generate") == second.index("generate")


def test_control_characters_of_a_prompt_do_not_reach_the_terminal(home: Home, painter: Recorder) -> None:
    make(home, painter, "a \x1b[31mred\ncat", "cat.png")
    for args in (["history"], ["history", "show", "1"]):
        run = home.run(*args)
        assert "\x1b" not in run.stdout and "red cat" in run.stdout
    assert prompts(home.run("history", "--json")) == ["a \x1b[31mred\ncat"]


def test_the_history_is_searched_in_prompts_and_paths_whatever_the_case(
    home: Home, painter: Recorder
) -> None:
    make(home, painter, "Ein GRÜNER Baum", "a.png")
    make(home, painter, "100% wool", "b.png")
    make(home, painter, "a cat", "c.png")
    assert prompts(home.run("history", "--search", "grüner", "--json")) == ["Ein GRÜNER Baum"]
    assert prompts(home.run("history", "--search", "0%", "--json")) == ["100% wool"]
    assert prompts(home.run("history", "--search", "C.PNG", "--json")) == ["a cat"]
    assert prompts(home.run("history", "--search", "%", "--limit", "5", "--json")) == ["100% wool"]


def test_since_and_limit_bound_the_list(home: Home) -> None:
    for prompt, ago_s in (("old", 10 * 86_400), ("older today", 5_400), ("new", 60)):
        begin(home, prompt, ago_s)
    assert prompts(home.run("history", "--json")) == ["new", "older today", "old"]
    assert prompts(home.run("history", "--since", "7d", "--json")) == ["new", "older today"]
    assert prompts(home.run("history", "--since", "30m", "--json")) == ["new"]
    assert prompts(home.run("history", "--since", "2001-01-01", "--limit", "1", "--json")) == ["new"]
    moment = utc_text(time.time() - 3_600)[:19]
    assert prompts(home.run("history", "--since", f"{moment}Z", "--json")) == ["new"]
    assert prompts(home.run("history", "--since", moment, "--json", env={"TZ": "UTC"})) == ["new"]
    three_hours_west = home.run("history", "--since", moment, "--json", env={"TZ": "WST+3"})
    assert prompts(three_hours_west) == []


@pytest.mark.parametrize(
    "args",
    [("--since", "yesterday"), ("--since", "7x"), ("--limit", "0"), ("--since", "2026-13-01"), ("what",)],
)
def test_what_is_no_moment_or_no_limit_is_refused(home: Home, args: List[str]) -> None:
    run = home.run("history", *args)
    assert run.code == 2 and len(run.stderr.splitlines()) == 1


# One request


def test_a_request_is_shown_by_its_id_with_all_that_is_known(home: Home, painter: Recorder) -> None:
    cat = make(home, painter, "a cat", "cat.png", "--quality", "low")
    shown = home.run("history", "show", "1", "--json").json["request"]
    row = rows_of(home.ledger)[0]
    assert (shown["id"], shown["fields"], shown["cost_usd"]) == (1, {"quality": "low"}, row["cost_usd"])
    assert shown["images"][0]["sha256"] == hashlib.sha256(cat.read_bytes()).hexdigest()
    text = home.run("history", "show", "1").stdout
    assert all(word in text for word in ("a cat", "$0.0059", str(cat), shown["images"][0]["sha256"]))


def test_an_image_is_found_by_its_content_when_it_has_moved_and_by_its_path_when_it_has_changed(
    home: Home, painter: Recorder
) -> None:
    cat, dog = make(home, painter, "a cat", "cat.png"), make(home, painter, "a dog", "dog.png")
    os.replace(cat, home.cwd / "moved.png")
    os.replace(dog, cat)
    (home.cwd / "dog.png").write_bytes(b"another file altogether")
    for name, prompt in (("moved.png", "a cat"), ("cat.png", "a dog"), ("dog.png", "a dog")):
        assert home.run("history", "show", name, "--json").json["request"]["prompt"] == prompt


def test_of_images_with_the_same_bytes_the_one_at_this_path_is_found(home: Home, recorder: Recorder) -> None:
    make(home, recorder, "first", "1.png"), make(home, recorder, "second", "2.png")
    for name, prompt in (("1.png", "first"), ("2.png", "second")):
        assert home.run("history", "show", name, "--json").json["request"]["prompt"] == prompt


@pytest.mark.parametrize("target", ["7", "none.png", "99999999999999999999"])
def test_a_request_that_is_not_there_is_an_error(home: Home, target: str) -> None:
    begin(home, "a cat")
    for command in ("show", "redo"):
        run = home.run("history", command, target, "--json")
        assert (run.code, run.json["error"]["code"]) == (2, "not_in_history")


# Again


def test_redo_sends_the_same_request_and_replaces_nothing(home: Home, painter: Recorder) -> None:
    flags = ("--quality", "low", "--size", "2k", "--format", "webp", "--user", "me", "--param", "seed=7")
    cat = make(home, painter, "a cat", "cat.webp", *flags)
    old = cat.read_bytes()
    run = home.run("history", "redo", "1", base_url=painter.base_url)
    assert run.code == 0, run.stderr
    first, second = painter.requests
    assert first.json == second.json
    assert run.saved == [home.cwd / "cat-1.webp"] and cat.read_bytes() == old


def test_redo_takes_changes_like_generate(home: Home, painter: Recorder) -> None:
    make(home, painter, "a cat", "cat.png", "--quality", "low", "--param", "seed=7")
    changes = ("--quality", "high", "--prompt", "a dog", "--param", "seed=8", "--format", "jpeg")
    run = home.run("history", "redo", "cat.png", *changes, "--json", base_url=painter.base_url)
    assert (run.code, run.json["command"]) == (0, "generate")
    assert Path(run.json["images"][0]["path"]) == home.cwd / "cat.jpg"
    assert painter.requests[-1].json == {
        "model": "gpt-image-2",
        "prompt": "a dog",
        "quality": "high",
        "output_format": "jpeg",
        "seed": 8,
    }
    assert home.run("history", "redo", "1", "-o", "x/new.png", base_url=painter.base_url).saved == [
        home.cwd / "x" / "new.png"
    ]


def test_redo_missing_buys_what_did_not_come_by_its_name_and_only_once(home: Home, painter: Recorder) -> None:
    painter.answer = lambda request: images(png(1024, 1024, noise=b"1"), png(1024, 1024, noise=b"2"))
    few = home.run("generate", "a cat", "-o", "cat.png", "--n", "3", base_url=painter.base_url)
    assert few.code == 9 and "history redo 1 --missing buys the rest" in few.stderr
    painter.answer = lambda request: images(png(1024, 1024, noise=b"3"))
    rest = home.run("history", "redo", "1", "--missing", base_url=painter.base_url)
    assert (rest.code, rest.saved) == (0, [home.cwd / "cat-3.png"])
    assert painter.requests[-1].json["n"] == 1 and painter.requests[-1].json["prompt"] == "a cat"
    again = home.run("history", "redo", "1", "--missing", base_url=painter.base_url)
    assert again.code == 2 and "lacks no image" in again.stderr and len(painter.requests) == 2


def test_redo_missing_of_several_takes_the_names_that_are_left(home: Home, painter: Recorder) -> None:
    painter.answer = lambda request: images(png(1024, 1024, noise=b"1"))
    home.run("generate", "a cat", "-o", "cat.png", "--n", "3", base_url=painter.base_url)
    (home.cwd / "album").mkdir()
    os.replace(home.cwd / "cat-1.png", home.cwd / "album" / "cat-1.png")
    wrong = home.run("history", "redo", "1", "--missing", "--n", "5", base_url=painter.base_url)
    assert wrong.code == 2 and "2 images are missing" in wrong.stderr
    painter.answer = lambda request: images(png(1024, 1024, noise=b"2"), png(1024, 1024, noise=b"3"))
    rest = home.run("history", "redo", "album/cat-1.png", "--missing", base_url=painter.base_url)
    album = home.cwd / "album"
    assert rest.saved == [album / "cat-2.png", album / "cat-3.png"], rest.stderr
    assert painter.requests[-1].json["n"] == 2


def test_redo_missing_never_offers_what_may_have_been_paid_for(home: Home, painter: Recorder) -> None:
    begin(home, "a cat")
    with closing(sqlite3.connect(str(home.ledger))) as ledger, ledger:
        ledger.execute("UPDATE requests SET status = 'pending'")
    run = home.run("history", "redo", "1", "--missing", base_url=painter.base_url)
    assert run.code == 2 and "resume" in run.stderr and painter.requests == []


def test_redo_of_an_image_that_was_moved_writes_beside_it(home: Home, painter: Recorder) -> None:
    cat = make(home, painter, "a cat", "cat.png")
    (home.cwd / "album").mkdir()
    os.replace(cat, home.cwd / "album" / "tom.png")
    run = home.run("history", "redo", "album/tom.png", base_url=painter.base_url)
    assert run.saved == [home.cwd / "album" / "tom-1.png"]


def test_redo_keeps_to_dry_run_and_max_cost(home: Home, painter: Recorder) -> None:
    make(home, painter, "a cat", "cat.png", "--quality", "low")
    dry = home.run("history", "redo", "1", "--dry-run", "--json", base_url=painter.base_url)
    assert dry.json["dry_run"] and dry.json["outputs"] == [str(home.cwd / "cat-1.png")]
    dear = ("--quality", "high", "--max-cost", "0.01", "--json")
    run = home.run("history", "redo", "1", *dear, base_url=painter.base_url)
    assert (run.code, run.json["error"]["code"], len(painter.requests)) == (2, "over_max_cost", 1)


def edit(home: Home, server: Recorder) -> None:
    """Sends an edit of two images with a mask."""
    for name, data in (("a.png", png(noise=b"a")), ("b.png", png(noise=b"b")), ("m.png", png(alpha=True))):
        (home.cwd / name).write_bytes(data)
    args = ("edit", "a.png", "a hat", "--image", "b.png", "--mask", "m.png", "-o", "hat.png")
    assert home.run(*args, base_url=server.base_url).code == 0


def test_redo_of_an_edit_sends_the_same_files(home: Home, painter: Recorder) -> None:
    edit(home, painter)
    other = home.cwd / "other"
    other.mkdir()
    run = home.run("history", "redo", "1", base_url=painter.base_url, cwd=other)
    assert run.code == 0, run.stderr
    first, second = painter.requests
    assert first.files() == second.files() and first.texts() == second.texts()


@pytest.mark.parametrize("name, what", [("b.png", "input image"), ("m.png", "mask")])
def test_redo_refuses_an_input_that_has_changed_or_is_missing_and_says_which(
    name: str, what: str, home: Home, painter: Recorder
) -> None:
    edit(home, painter)
    path = home.cwd / name
    path.write_bytes(png(alpha=True, noise=b"changed"))
    changed = home.run("history", "redo", "1", base_url=painter.base_url)
    path.unlink()
    missing = home.run("history", "redo", "1", base_url=painter.base_url)
    assert (changed.code, missing.code, len(painter.requests)) == (2, 2, 1)
    assert f"the {what} {path} has changed" in changed.stderr
    assert f"the {what} of request 1 is missing: {path}" in missing.stderr


def test_redo_takes_other_inputs_in_place_of_its_own(home: Home, painter: Recorder) -> None:
    edit(home, painter)
    (home.cwd / "a.png").unlink()
    (home.cwd / "b.png").unlink()
    (home.cwd / "c.png").write_bytes(png(noise=b"c"))
    run = home.run("history", "redo", "1", "--image", "c.png", base_url=painter.base_url)
    assert run.code == 0, run.stderr
    assert [part.filename for part in painter.requests[-1].files()] == ["c.png", "m.png"]


def test_redo_refuses_an_input_from_standard_input(home: Home, painter: Recorder) -> None:
    assert home.run("edit", "-", "a hat", base_url=painter.base_url, stdin=png()).code == 0
    run = home.run("history", "redo", "1", base_url=painter.base_url)
    assert run.code == 2 and "standard input" in run.stderr and "--image" in run.stderr


def test_redo_at_another_host_is_warned_of(home: Home, painter: Recorder) -> None:
    begin(home, "a cat")
    run = home.run("history", "redo", "1", "-o", "cat.png", base_url=painter.base_url)
    assert run.code == 0
    assert (
        f"warning: request 1 went to https://api.openai.com/v1; this goes to {painter.base_url}" in run.stderr
    )


def test_redo_never_goes_from_the_sandbox_to_another_host_unless_told_to(
    home: Home, painter: Recorder, sandbox: Sandbox
) -> None:
    assert home.run("generate", "a cat", "-o", "cat.png", base_url=sandbox.base_url).code == 0
    assert rows_of(home.state / "ledger.sqlite3")[0]["host"] == "the sandbox"
    run = home.run("history", "redo", "1", "--json", base_url=painter.base_url)
    assert (run.code, run.json["error"]["code"]) == (2, "rehearsal")
    assert "--base-url" in run.json["error"]["hint"]
    assert not painter.requests
    told = home.run("history", "redo", "1", "--base-url", painter.base_url)
    assert told.code == 0, told.stderr
    assert len(painter.requests) == 1
    assert home.run("history", "redo", "1", base_url=sandbox.base_url).code == 0


def test_a_host_elsewhere_is_no_sandbox_whatever_it_says() -> None:
    headers = {SANDBOX_HEADER: "1"}
    assert is_sandbox("http://127.0.0.1:8000/v1", headers)
    assert not is_sandbox("https://relay.example/v1", headers)
    assert not is_sandbox("http://127.0.0.1:8000/v1", {})


def test_an_image_that_went_to_standard_output_is_recorded_and_repeated_so(
    home: Home, painter: Recorder
) -> None:
    first = home.run("generate", "a cat", "-o", "-", base_url=painter.base_url)
    assert first.code == 0, first.stderr
    assert rows_of(home.state / "ledger.sqlite3")[0]["output"] == "-"
    again = home.run("history", "redo", "1", base_url=painter.base_url)
    assert again.code == 0, again.stderr
    assert len(painter.requests) == 2
    assert list(home.cwd.iterdir()) == []


def test_a_probe_is_not_done_again_by_redo(home: Home, painter: Recorder) -> None:
    assert home.run("doctor", "--probe", "--yes", base_url=painter.base_url).code == 0
    sent = len(painter.requests)
    run = home.run("history", "redo", "1", base_url=painter.base_url)
    assert run.code == 2 and "doctor --probe" in run.stderr and len(painter.requests) == sent


# Forgetting


def test_forgotten_requests_are_gone_from_the_file_and_their_images_stay(
    home: Home, painter: Recorder
) -> None:
    cat = make(home, painter, "a very secret cat", "cat.png")
    make(home, painter, "a dog", "dog.png")
    with closing(sqlite3.connect(str(home.ledger))) as other:  # so that the log is not cleared by itself
        other.execute("SELECT COUNT(*) FROM requests").fetchall()
        run = home.run("history", "forget", "1")
        assert all(
            b"very secret" not in path.read_bytes() for path in home.state.rglob("*") if path.is_file()
        )
    assert run.stdout == "Forgotten: 1 request; images were not touched\n"
    assert cat.exists()
    assert [row["prompt"] for row in rows_of(home.ledger)] == ["a dog"]
    assert [image["request"] for image in rows_of(home.ledger, "images")] == [2]


def test_an_id_is_never_given_twice(home: Home, painter: Recorder) -> None:
    make(home, painter, "a cat", "cat.png")
    home.run("history", "forget", "1")
    make(home, painter, "a dog", "dog.png")
    assert [row["id"] for row in rows_of(home.ledger)] == [2]


def test_requests_are_forgotten_by_age_or_all_at_once(home: Home) -> None:
    for prompt, ago_s in (("old", 10 * 86_400), ("new", 60), ("newer", 0)):
        begin(home, prompt, ago_s)
    assert home.run("history", "forget", "--before", "7d", "--json").json["forgotten"] == 1
    assert [row["prompt"] for row in rows_of(home.ledger)] == ["new", "newer"]
    assert home.run("history", "forget", "--all", "--yes", "--json").json["forgotten"] == 2
    assert rows_of(home.ledger) == []


@pytest.mark.parametrize(
    "args", [(), ("--all",), ("1", "--all", "--yes"), ("1", "99"), ("cat.png",), ("--before", "1d", "1")]
)
def test_forget_deletes_nothing_unless_it_is_clear_what(home: Home, args: List[str]) -> None:
    begin(home, "a cat", 2 * 86_400)
    run = home.run("history", "forget", *args)
    assert run.code == 2 and len(run.stderr.splitlines()) == 1, run.stderr
    assert len(rows_of(home.ledger)) == 1


def test_what_history_prints_as_json_is_one_object(home: Home) -> None:
    begin(home, "a cat")
    for args in (["history"], ["history", "show", "1"], ["history", "forget", "1"]):
        outcome = json.loads(home.run(*args, "--json").stdout)
        assert outcome["ok"] is True and outcome["command"] == "history"
