"""What an output may be called, and which names one folder may take for the same."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

import pytest
from harness import Home
from hypothesis import given
from hypothesis import strategies as st
from servers import Recorder

from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.batch.output_folder import canonical
from gpt_image2.core.calls import under_way
from gpt_image2.core.calls.client import Client
from gpt_image2.core.outputs.naming import name_problem, plan_output

LINE_ENDS = ["\n", "\r", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]


@pytest.mark.parametrize("char", [*LINE_ENDS, "\t", "\x1b", "\x7f", "\x9b", "\b"], ids=ascii)
@pytest.mark.parametrize("output", ["a{}b.png", "a{}b/cat.png", "a{}b/"])
def test_a_control_character_in_an_output_is_refused_before_paying(
    output: str, char: str, home: Home, recorder: Recorder
) -> None:
    run = home.run("generate", "a cat", "-o", output.format(char), base_url=recorder.base_url)
    assert (run.code, run.stdout, recorder.requests, list(home.cwd.iterdir())) == (2, "", [], [])
    assert len(run.stderr.splitlines()) == 1 and char not in run.stderr[:-1]


@pytest.mark.parametrize("name", ["CON", "nul.png", "com1.tar.png", "cat.png.", "cat.png ", "lpt9 .png"])
def test_a_name_that_windows_does_not_keep_is_refused_before_paying(
    name: str, home: Home, recorder: Recorder
) -> None:
    run = home.run("generate", "a cat", "-o", name, base_url=recorder.base_url)
    assert (run.code, recorder.requests) == (2, []) and "Windows" in run.stderr


def test_a_folder_that_is_there_may_have_any_name(home: Home, recorder: Recorder) -> None:
    folder = home.cwd / "aux."
    folder.mkdir()
    run = home.run("generate", "a cat", "-o", "aux./cat.png", base_url=recorder.base_url)
    assert run.saved == [folder / "cat.png"]


RESERVED = ["con", "Con.png", "PRN", "aux.txt.png", "nul", "COM1", "com¹.png", "lpt9", "CONIN$", "nul .png"]
REFUSED = [*RESERVED, "a.", "a ", "x/con/y.png", "a./b.png", "a\nb", "a\x00b", "\u2028"]
TAKEN = [
    "cat.png",
    "console.png",
    "com.png",
    "com10.png",
    "lpt.png",
    ".con",
    "..",
    "../x.png",
    "a b.c",
    "画像",
    "null",
]


@pytest.mark.parametrize("name", REFUSED, ids=ascii)
def test_names_that_some_system_does_not_keep_have_a_problem(name: str) -> None:
    assert name_problem(name)


@pytest.mark.parametrize("name", TAKEN, ids=ascii)
def test_names_that_every_system_keeps_have_none(name: str) -> None:
    assert name_problem(name) == ""


@given(st.text())
def test_a_name_without_a_problem_is_one_line_property(name: str) -> None:
    assert name_problem(name) or len(f"Saved: {name} (1 KB)".splitlines()) == 1


@given(st.text())
def test_names_that_differ_by_case_or_accents_are_one_property(name: str) -> None:
    same = [unicodedata.normalize(form, name) for form in ("NFC", "NFD")] + [canonical(name)]
    assert {canonical(each) for each in same} == {canonical(name)}


@pytest.mark.parametrize(
    "one, other",
    [("same.png", "SAME.PNG"), ("é.png", "e\u0301.png"), ("É", "e\u0301"), ("straße", "STRASSE"), ("Å", "å")],
)
def test_names_that_a_folder_may_mix_up_are_one(one: str, other: str) -> None:
    assert canonical(one) == canonical(other)


def test_names_that_no_folder_mixes_up_are_two() -> None:
    assert (
        len({canonical(name) for name in ("a", "b", "é", "e", "a.png", "a-1.png", "\udcff", "\udcfe")}) == 8
    )


# Without a home


@pytest.mark.parametrize("value", ["", "nobody's"])
def test_without_a_home_an_output_in_it_is_refused(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if value:
        monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # no HOME, no passwd entry
    else:
        monkeypatch.setenv("HOME", "")
    for output in ("~", "~/cat.png", "~/"):
        with pytest.raises(UsageError, match="no home folder"):
            plan_output(output, "png", 1, "a cat", Path("rescued"))
    assert plan_output("~cat.png", "png", 1, "a cat", Path("rescued")).stem == "~cat"


def test_without_a_home_the_default_output_is_refused(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere(env: object) -> Path:
        raise RuntimeError("Could not determine home directory.")

    made = Client(env=home.environment("http://127.0.0.1:9/v1"))
    monkeypatch.setattr(under_way, "home_folder", nowhere)
    with pytest.raises(UsageError, match="no home folder"):
        made.prepare(ImageRequest(prompt="a cat"))
    assert made.prepare(ImageRequest(prompt="a cat"), home.cwd / "cat.png").plan.stem == "cat"


def test_a_home_that_cannot_be_written_is_told_before_anything_is_sent(
    home: Home, recorder: Recorder
) -> None:
    (home.root / "file").write_bytes(b"")
    env = {"HOME": str(home.root / "file"), "XDG_STATE_HOME": str(home.root)}
    run = home.run("generate", "a cat", base_url=recorder.base_url, env=env)
    assert (run.code, recorder.requests) == (2, [])
    assert "-o" in run.stderr and "Traceback" not in run.stderr
