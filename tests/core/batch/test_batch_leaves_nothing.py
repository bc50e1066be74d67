"""A batch that came to nothing leaves nothing: no folder, no empty journal; and two never share one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, List

import pytest
from batching import JOURNAL, write_jobs
from harness import Home
from servers import Recorder, refusal

from gpt_image2.core.batch import journal
from gpt_image2.core.batch.journal import SENT, Entry, Journal, read_journal
from gpt_image2.core.outputs.files import prepare_folder
from gpt_image2.core.outputs.lines import remove_empty

REFUSED = [
    (["submit"], [{"prompt": ""}], "no job"),
    (["run"], [{"prompt": ""}], "no job"),
    (["submit", "--max-cost", "0"], ["a cat"], "--max-cost"),
    (["submit"], ["a cat"], "No such key"),
]


@pytest.mark.parametrize(
    ("words", "jobs", "said"), REFUSED, ids=[" ".join(row[0]) + row[2] for row in REFUSED]
)
def test_a_batch_that_is_refused_leaves_no_folder(
    home: Home, recorder: Recorder, words: List[str], jobs: List[object], said: str
) -> None:
    recorder.answer = lambda request: refusal(401, "No such key.", "invalid_api_key")
    write_jobs(home, *jobs)
    args = ("batch", words[0], "jobs.jsonl", "--out-dir", "new/deep/out", *words[1:])
    run = home.run(*args, base_url=recorder.base_url)
    assert run.code in (2, 3) and said in run.stderr
    assert [path.name for path in home.cwd.iterdir()] == ["jobs.jsonl"]


def test_a_folder_that_was_there_stays_and_gets_no_journal(home: Home, recorder: Recorder) -> None:
    (home.cwd / "out").mkdir()
    write_jobs(home, {"prompt": ""})
    assert home.run("batch", "submit", "jobs.jsonl", "--out-dir", "out", base_url=recorder.base_url).code == 2
    assert list((home.cwd / "out").iterdir()) == []


def test_a_journal_that_was_taken_away_before_it_could_be_locked_is_opened_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is written to it would be nowhere, and its jobs would be paid for again."""
    really = journal.lock_file
    others: List[int] = []

    def lock(descriptor: int) -> bool:
        if not others:  # the other batch takes its empty journal away, just before it closes it
            (tmp_path / JOURNAL).unlink()
        others.append(descriptor)
        return really(descriptor)

    monkeypatch.setattr(journal, "lock_file", lock)
    with Journal(tmp_path) as opened:
        opened.extend([Entry(SENT, "0" * 64, 0)])
    assert len(others) == 2
    assert [entry.key for entry in read_journal(tmp_path)] == ["0" * 64]


def test_a_line_of_a_journal_that_nests_without_end_is_passed_over(tmp_path: Path) -> None:
    with Journal(tmp_path) as opened:
        opened.extend([Entry(SENT, "0" * 64, 0)])
    with (tmp_path / JOURNAL).open("a", encoding="utf-8") as file:
        file.write("[" * 200_000 + "\n")
    with Journal(tmp_path) as opened:
        opened.extend([Entry(SENT, "1" * 64, 0)])
    assert [entry.key[0] for entry in read_journal(tmp_path)] == ["0", "1"]


def test_a_folder_that_another_batch_takes_away_before_it_is_used_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that make the same folder: that which comes to nothing removes it."""
    folder, really = tmp_path / "new" / "out", os.open
    is_taken_away = iter([True, False, True, False])  # before the first probe, and before the journal

    def open_later(path: Any, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_CREAT and Path(path).parent == folder and next(is_taken_away):
            remove_empty([folder, folder.parent])
        return really(path, flags, mode)

    monkeypatch.setattr(os, "open", open_later)
    prepare_folder(folder)
    with Journal(folder) as opened:
        opened.extend([Entry(SENT, "0" * 64, 0)])
    assert list(is_taken_away) == [] and [entry.key for entry in read_journal(folder)] == ["0" * 64]


def test_folders_that_two_batches_have_made_for_nothing_go_with_the_last_one(tmp_path: Path) -> None:
    folders = [tmp_path / "new" / "out", tmp_path / "new"]
    folders[0].mkdir(parents=True)
    os.rmdir(str(folders[0]))  # the other batch was faster
    remove_empty(folders)
    assert list(tmp_path.iterdir()) == []
