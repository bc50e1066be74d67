"""A mistyped command line is told what was probably meant, in words that can be typed as they stand."""

from __future__ import annotations

import shlex
from typing import List

import pytest
from harness import Home, generate
from servers import Recorder


def told(home: Home, *words: str) -> str:
    """What a command line is told that cannot be run; nothing else is printed."""
    run = home.run(*words)
    assert (run.code, run.stdout) == (2, "")
    (line,) = run.stderr.splitlines()
    return line


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["genrate", "a cat"], "generate"),
        (["gen"], "generate"),
        (["create", "a cat"], "generate"),
        (["help", "hsitory"], "history"),
        (["install"], "install-skill"),
        (["batch", "sumbit", "jobs.jsonl"], "submit"),
        (["generate", "a cat", "--qualty", "low"], "--quality"),
        (["generate", "a cat", "--output-format=png"], "--format"),
        (["generate", "a cat", "-n", "2"], "--n"),
        (["edit", "a.png", "blue", "--out", "b.png"], "--output"),
        (["batch", "run", "jobs.jsonl", "--outdir", "x"], "--out-dir"),
        (["history", "--serach", "cat"], "--search"),
        (["doctor", "--prob"], "--probe"),
    ],
)
def test_the_command_or_flag_that_is_nearest_is_named(home: Home, words: List[str], meant: str) -> None:
    assert f"; did you mean {meant}? see " in told(home, *words)


def test_what_is_like_nothing_is_told_what_there_is(home: Home) -> None:
    assert "did you mean" not in told(home, "xyzzy") and "generate, edit" in told(home, "xyzzy")
    assert "did you mean" not in told(home, "doctor", "--xyzzy")


def test_the_value_of_an_unknown_flag_is_not_repeated(home: Home) -> None:
    assert "hunter2hunter2" not in told(home, "generate", "a cat", "--api-kye", "hunter2hunter2")
    assert "hunter2hunter2" not in told(home, "generate", "a cat", "--api-kye=hunter2hunter2")
    assert "hunter2hunter2" not in told(home, "generate", "a", "cat", "--api-key", "hunter2hunter2")


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("generate a cat on a mat", ["generate", "a cat on a mat"]),
        (
            "generate a cat --n 2 -o cat.png on a mat",
            ["generate", "a cat on a mat", "--n", "2", "-o", "cat.png"],
        ),
        ("generate it's red --quiet", ["generate", "it's red", "--quiet"]),
        ("generate a -- --cat", ["generate", "a --cat"]),
        ("edit a.png make it night", ["edit", "a.png", "make it night"]),
        ("edit a.png b.png night", ["edit", "a.png", "--image", "b.png", "night"]),
        ("cost a cat", ["cost", "a cat"]),
    ],
)
def test_a_prompt_without_quotes_is_told_the_command_with_them(
    home: Home, words: str, meant: List[str]
) -> None:
    for name in ("a.png", "b.png"):
        (home.cwd / name).write_bytes(b"")
    command = told(home, *words.split(" ")).partition("; ")[2]
    assert shlex.split(command) == ["python3", str(home.script), *meant]


def test_a_prompt_as_the_first_word_or_behind_a_flag_is_told_the_command(home: Home) -> None:
    assert f"{home.script} generate 'a cat on a mat'" in told(home, "a cat on a mat")
    assert f'{home.script} generate "a cat"' in told(home, "generate", "--prompt", "a cat")


def test_edit_without_a_prompt_or_an_image_speaks_of_edit(home: Home) -> None:
    assert f'{home.script} edit a.png "make it night"' in told(home, "edit", "a.png")
    assert f"{home.script} edit photo.png" in told(home, "edit")


def test_help_takes_the_words_of_a_command(home: Home) -> None:
    for words in (["generate"], ["batch", "run"], ["history", "show"]):
        asked, flagged = home.run("help", *words), home.run(*words, "--help")
        assert asked == flagged and asked.code == 0
        assert f"usage: python3 {home.script} {' '.join(words)}" in asked.stdout


def test_a_script_with_a_blank_in_its_path_is_named_in_quotes(home: Home) -> None:
    folder = home.root / "my scripts"
    folder.mkdir()
    for file in home.script.parent.glob("*.pyc"):
        (folder / file.name).write_bytes(file.read_bytes())
    home.script = folder / home.script.name
    assert home.script.is_file()
    assert f"usage: python3 '{home.script}' generate PROMPT" in home.run("generate", "--help").stdout


def test_servers_hear_the_same_name_whatever_it_was_called_by(home: Home, recorder: Recorder) -> None:
    assert generate(home, recorder.base_url).code == 0
    assert dict(recorder.requests[0].headers)["User-Agent"].startswith("gpt-image2/")


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        (["genrate", "x"], "error: unknown command 'genrate'; see python3 "),
        (["generate", "a", "cat"], "error: unrecognized arguments: cat; see python3 "),
        (["generate", "x", "--qualty", "low"], "error: unrecognized arguments: --qualty; see python3 "),
        (["edit", "a.png"], "error: a prompt is missing; see python3 "),
        (["config", "--shw"], "error: unrecognized arguments: --shw; see python3 "),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_script_with_nothing_beside_it_says_it_plainly(home: Home, words: List[str], plain: str) -> None:
    alone = home.root / home.script.name
    alone.write_bytes(home.script.read_bytes())
    home.script = alone
    assert told(home, *words).startswith(plain)
