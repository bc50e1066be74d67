"""Journals, ledgers and state files are opened only when they are this user's own plain files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Callable, List

import pytest
from harness import Home
from ledgers import change
from servers import Recorder

from gpt_image2.core.base.errors import OutputError
from gpt_image2.core.outputs import ours
from gpt_image2.core.outputs.files import write_private_file, write_whole
from gpt_image2.core.outputs.lines import open_to_append
from gpt_image2.core.outputs.ours import NotOurs, read_ours, real_path

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links and FIFOs")
AS_ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives a file away")


def a_link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def a_dead_link(path: Path, victim: Path) -> None:
    path.symlink_to(victim.parent / "nowhere")


def a_hard_link(path: Path, victim: Path) -> None:
    os.link(str(victim), str(path))


def a_fifo(path: Path, victim: Path) -> None:
    os.mkfifo(str(path))


def a_folder(path: Path, victim: Path) -> None:
    path.mkdir()


Make = Callable[[Path, Path], None]
LINKS: List[Make] = [a_link, a_dead_link, a_hard_link]
MAKES: List[Make] = [*LINKS, a_fifo, a_folder]
WORDS = {
    a_link: "a link",
    a_dead_link: "a link",
    a_hard_link: "a hard link",
    a_fifo: "a FIFO",
    a_folder: "a folder",
}


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """A file of the user that nothing may touch."""
    path = tmp_path / "bashrc"
    path.write_text("# mine\n", encoding="utf-8")
    return path


def names(make: Make) -> str:
    return make.__name__


@pytest.mark.parametrize("make", MAKES, ids=names)
def test_a_journal_that_is_no_plain_file_of_ours_is_not_written(
    make: Make, home: Home, recorder: Recorder, victim: Path
) -> None:
    out = home.cwd / "out"
    out.mkdir()
    make(out / "journal.jsonl", victim)
    (home.cwd / "jobs.jsonl").write_text(json.dumps({"prompt": "$(touch pwned)"}), encoding="utf-8")
    run = home.run("batch", "run", "jobs.jsonl", "--out-dir", "out", base_url=recorder.base_url)
    assert run.code != 0 and recorder.requests == []
    assert WORDS[make] in run.stderr and "journal.jsonl" in run.stderr and "Traceback" not in run.stderr
    assert victim.read_text(encoding="utf-8") == "# mine\n"
    assert not (victim.parent / "nowhere").exists()


@AS_ROOT
def test_a_journal_of_another_user_is_not_written(tmp_path: Path, victim: Path) -> None:
    os.chown(str(victim), 65534, 65534)
    with pytest.raises(NotOurs, match="another user"):
        open_to_append(victim)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bashrc"]


def test_where_all_files_are_given_to_one_user_those_are_ours(
    tmp_path: Path, victim: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ours, "is_mine", lambda info: False)  # as on a mount that maps every owner to one
    os.close(open_to_append(victim))
    os.close(open_to_append(tmp_path / "new"))


def test_a_plain_file_is_appended_to_and_a_missing_one_made(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    for text in (b"one\n", b"two\n"):
        descriptor = open_to_append(path)
        os.write(descriptor, text)
        os.close(descriptor)
    assert path.read_bytes() == b"one\ntwo\n"


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("make", MAKES, ids=names)
def test_a_ledger_that_is_no_plain_file_of_ours_is_told_and_stops_no_image(
    make: Make, suffix: str, home: Home, recorder: Recorder, victim: Path
) -> None:
    home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url)
    ledger = Path(f"{home.ledger}{suffix}")
    if not suffix:
        ledger.unlink()
    make(ledger, victim)
    before = victim.read_bytes()
    run = home.run("generate", "a dog", "-o", "dog.png", "--json", base_url=recorder.base_url)
    (warning,) = run.json["warnings"]
    assert run.code == 0 and WORDS[make] in warning and str(ledger) in warning
    history = home.run("history", "--json")
    assert (history.code, history.json["error"]["code"]) == (3, "ledger_unusable")
    assert victim.read_bytes() == before and not (victim.parent / "nowhere").exists()


@pytest.mark.parametrize("make", [a_link, a_dead_link, a_fifo, a_folder], ids=names)
def test_what_is_replaced_by_a_rename_must_be_a_file(make: Make, tmp_path: Path, victim: Path) -> None:
    path = tmp_path / "file"
    make(path, victim)
    mode = os.lstat(str(path)).st_mode
    for write in (lambda: write_private_file(path, "new"), lambda: write_whole(path, ["new"])):
        with pytest.raises(OutputError, match=WORDS[make]):
            write()
    assert os.lstat(str(path)).st_mode == mode and victim.read_text(encoding="utf-8") == "# mine\n"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["bashrc", "file"]


@pytest.mark.parametrize("make", LINKS, ids=names)
def test_what_a_link_says_of_a_host_is_not_believed(
    make: Make, home: Home, recorder: Recorder, victim: Path
) -> None:
    victim.write_text(
        json.dumps({recorder.base_url: {"probed_on": "2026-01-01", "format_field": "evil"}}), encoding="utf-8"
    )
    home.state.mkdir(parents=True)
    make(home.state / "hosts.json", victim)
    args = ("generate", "a cat", "-o", "cat.jpg", "--format", "jpeg")
    assert home.run(*args, base_url=recorder.base_url).code == 0
    assert "evil" not in recorder.only.json


def test_real_paths_are_those_of_the_system(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "up").symlink_to("a/b/../..")
    (tmp_path / "a" / "whole").symlink_to(tmp_path / "a" / "b")
    (tmp_path / "file").symlink_to("up/a/whole/./missing/name.png")
    for name in ("file", "up/a/whole", "up/up/up/a/x/y", "a/missing/..", "", "/", "//tmp", "/.."):
        path = tmp_path / name
        assert str(real_path(path)) == os.path.realpath(os.path.abspath(str(path))).replace("//", "/")
    assert real_path(tmp_path / "up" / "file", follow=False) == Path(os.path.realpath(tmp_path)) / "file"


def test_a_ledger_that_is_a_file_of_ours_goes_on_working(home: Home, recorder: Recorder) -> None:
    for name in ("cat", "dog"):
        assert home.run("generate", name, "-o", "x.png", base_url=recorder.base_url).stderr.count("warn") == 0
    change(home.ledger, "PRAGMA optimize")
    assert len(home.run("history", "--json").json["requests"]) == 2


def test_a_ledger_whose_making_was_interrupted_between_two_names_is_used(
    home: Home, recorder: Recorder
) -> None:
    assert home.run("generate", "cat", "-o", "x.png", base_url=recorder.base_url).code == 0
    part = home.ledger.with_name(f".{home.ledger.name}.gi2-0123456789ab.part")
    os.link(str(home.ledger), str(part))
    run = home.run("generate", "dog", "-o", "x.png", base_url=recorder.base_url)
    assert run.code == 0 and "warn" not in run.stderr
    assert len(home.run("history", "--json").json["requests"]) == 2 and not part.exists()


def test_a_file_that_is_replaced_while_it_is_opened_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hosts.json"
    path.write_bytes(b"old")
    plain_open, contents = os.open, [b"newest", b"newer"]

    def open_and_replace(*args: Any, **options: Any) -> int:
        descriptor = plain_open(*args, **options)
        if contents:
            new = tmp_path / "new"
            new.write_bytes(contents.pop())
            os.replace(str(new), str(path))
        return descriptor

    monkeypatch.setattr(os, "open", open_and_replace)
    assert read_ours(path) == b"newest"
