"""A rehearsal is not the real thing: neither its pictures nor its dollars count for a real run."""

from __future__ import annotations

from batching import Painter, again, batch, command, entries, image_files, out_of, write_entries, write_jobs
from harness import Home, Sandbox

LINES = ({"prompt": "a fox", "output": "fox.png"}, "a whale")


def test_a_real_run_makes_again_what_the_sandbox_made_and_replaces_nothing(
    home: Home, painter: Painter, sandbox: Sandbox
) -> None:
    rehearsed = batch(home, sandbox.base_url, *LINES)
    assert (rehearsed.json["done"], rehearsed.json["sandbox"]) == (2, True)
    assert rehearsed.stderr.count("the sandbox made this: placeholders") == 1
    assert {entry["event"] for entry in entries(out_of(home)) if entry.get("sandbox")} >= {"done"}
    drawn = {name: (out_of(home) / name).read_bytes() for name in image_files(out_of(home))}
    real = again(home, painter.base_url)
    assert (real.code, real.json["images"]) == (0, 2), real.stderr
    assert painter.hits == {"a fox": 1, "a whale": 1}
    assert "2 jobs were made by the sandbox" in real.stderr
    assert "sandbox" not in real.json and "placeholders" not in real.stderr
    assert {name: (out_of(home) / name).read_bytes() for name in drawn} == drawn
    assert len(image_files(out_of(home))) == 4
    once_more = again(home, painter.base_url)
    assert (once_more.code, once_more.json["images"]) == (0, 0)
    assert "sandbox" not in once_more.stderr
    assert painter.hits == {"a fox": 1, "a whale": 1}


def test_a_rehearsal_after_the_real_run_hides_nothing_that_was_paid_for(
    home: Home, painter: Painter, sandbox: Sandbox
) -> None:
    batch(home, painter.base_url, *LINES)
    found = [{**entry, "sandbox": True} for entry in entries(out_of(home))]
    # What a rehearsal leaves: the same jobs, as made by the sandbox, in files of their own.
    (out_of(home) / "drawn.png").write_bytes(b"drawn")
    for entry in found:
        for image in entry.get("images", ()):
            image["path"] = "drawn.png"
    write_entries(out_of(home), [*entries(out_of(home)), *found])
    real = again(home, painter.base_url)
    assert (real.code, real.json["images"]) == (0, 0)
    assert painter.hits == {"a fox": 1, "a whale": 1}


def test_a_rehearsal_goes_on_where_an_earlier_one_ended(home: Home, sandbox: Sandbox) -> None:
    batch(home, sandbox.base_url, *LINES)
    second = again(home, sandbox.base_url)
    assert (second.code, second.json["done"], second.json["images"]) == (0, 2, 0)


def test_the_dollars_of_a_rehearsal_do_not_eat_the_budget(
    home: Home, painter: Painter, sandbox: Sandbox
) -> None:
    flags = ("--quality", "low", "--max-cost", "0.02")
    assert batch(home, sandbox.base_url, *LINES, flags=flags).code == 0
    real = again(home, painter.base_url, *flags)
    assert (real.code, real.json["images"]) == (0, 2), real.stderr


def test_the_sandbox_and_another_host_are_refused_together(home: Home, painter: Painter) -> None:
    path = write_jobs(home, "a cat")
    for words in (command(path), ["generate", "a cat", "--json"]):
        run = home.run(*words, "--sandbox", "--base-url", painter.base_url)
        assert (run.code, run.json["error"]["code"]) == (2, "usage")
        assert "--sandbox and --base-url" in run.json["error"]["message"]
    assert not painter.server.requests
