"""Processes of ours beside each other: what one leaves for a moment is no damage, no attack and no absence to
another, and none undoes what another has written.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any, Callable, List

import pytest
from pictures import png

from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.commands import profiles
from gpt_image2.core.ledger import database
from gpt_image2.core.outputs import files, left, ours
from gpt_image2.core.outputs.inflight import InFlight
from gpt_image2.core.outputs.left import held_by_others, left_behind
from gpt_image2.core.outputs.naming import looked_at, plan_output
from gpt_image2.core.outputs.ours import folder_lock
from gpt_image2.core.outputs.owned import taken_over
from gpt_image2.core.outputs.store import ImageWriter
from gpt_image2.core.settings import learnt
from gpt_image2.core.settings.hosts import HostFacts, read_hosts

VERSION_1 = Path(__file__).with_name("ledger_version_1.sql")
ON_POSIX = pytest.mark.skipif(os.name == "nt", reason="folders have no locks, files no second names")
#: So long another process has time for what it must not do; it takes a hundredth of that.
AMIDST_S = 0.1


class Beside:
    """Another process, as a thread: it begins when a function of this one is called for the first time, or
    with `after` has returned, and has some time until this one goes on."""

    def __init__(self, work: Callable[[], object]) -> None:
        self._work = work
        self._errors: List[Exception] = []
        self._thread = threading.Thread(target=self._run)

    def begin(self, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, after: bool = False) -> None:
        really, first = getattr(module, name), threading.Lock()

        def called(*args: Any, **options: Any) -> Any:
            is_first = first.acquire(blocking=False)
            found = really(*args, **options) if after or not is_first else None
            if is_first:
                self._thread.start()
                self._thread.join(AMIDST_S)
            return found if after or not is_first else really(*args, **options)

        monkeypatch.setattr(module, name, called)

    def _run(self) -> None:
        try:
            self._work()
        except Exception as error:
            self._errors.append(error)

    def end(self) -> List[Exception]:
        """What it raised, once it has ended."""
        self._thread.join(30)
        return self._errors


@ON_POSIX
def test_profiles_that_two_processes_add_at_once_are_both_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "config.json"
    profiles.add_profile("none", str(path), force=False)
    beside = Beside(lambda: profiles.add_profile("two", str(path), force=False))
    beside.begin(monkeypatch, profiles, "read_object", after=True)
    profiles.add_profile("one", str(path), force=False)
    assert beside.end() == []
    assert list(json.loads(path.read_text(encoding="utf-8"))["profiles"]) == ["none", "one", "two"]


@ON_POSIX
def test_what_two_probes_learn_at_once_is_both_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = HostFacts("2026-11-26")
    learnt.save_facts(tmp_path, "http://none", facts)
    beside = Beside(lambda: learnt.save_facts(tmp_path, "http://two", facts))
    beside.begin(monkeypatch, learnt, "read_hosts", after=True)
    learnt.save_facts(tmp_path, "http://one", facts)
    assert beside.end() == []
    assert sorted(read_hosts(tmp_path)) == ["http://none", "http://one", "http://two"]


@ON_POSIX
def test_of_two_processes_that_write_the_first_config_one_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.json"
    beside = Beside(lambda: files.write_config(path, "two", force=False))
    beside.begin(monkeypatch, files, "write_private_file")
    files.write_config(path, "one", force=False)
    assert [type(error) for error in beside.end()] == [UsageError]
    assert path.read_text(encoding="utf-8") == "one"


def test_a_folder_that_another_process_makes_first_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: False)  # it was not there when it was looked for
    files.write_config(tmp_path / "config.json", "{}", force=False)
    assert (tmp_path / "config.json").read_bytes() == b"{}"


# The ledger


def test_who_waited_while_another_brought_the_ledger_up_to_date_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write waits for the disk, and keeps all others waiting, who give up after a while."""
    path = tmp_path / "ledger.sqlite3"
    with closing(sqlite3.connect(str(path))) as connection:
        connection.executescript(VERSION_1.read_text(encoding="utf-8"))
        connection.execute("PRAGMA journal_mode = WAL")
    database.open_database(path).close()
    really, seen = database._version, [1]
    monkeypatch.setattr(database, "_version", lambda opened: seen.pop() if seen else really(opened))
    with closing(sqlite3.connect(str(path))) as connection:
        before = connection.execute("PRAGMA data_version").fetchone()
        database.open_database(path).close()
        assert connection.execute("PRAGMA data_version").fetchone() == before and seen == []


@ON_POSIX
def test_a_ledger_that_is_made_while_its_absence_is_read_is_no_hard_link_of_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.sqlite3"

    def made_meanwhile(_: Path) -> None:
        database.open_database(tmp_path / "other").close()
        os.link(str(tmp_path / "other"), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(database, "finish_rename", lambda _: patch.undo() or made_meanwhile(path))
        with closing(database.read_database(path)) as opened:
            assert opened.rows("SELECT * FROM requests") == []


# Images and what is in flight


@ON_POSIX
def test_a_file_is_not_replaced_as_long_as_another_process_may_be_replacing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cat.png").write_bytes(b"old")
    plan = looked_at(plan_output(str(tmp_path / "cat.png"), "png", 1, "", tmp_path / "rescued"), 1)
    monkeypatch.setattr(ours, "_LOCK_WAIT_S", 0.0)
    writer = ImageWriter(plan, plan.path(1))
    writer.write(png())
    with folder_lock(tmp_path) as is_alone:
        saved = writer.commit(plan.path(1), 1)
    assert is_alone and saved.path == str(tmp_path / "cat-1.png") and len(writer.warnings) == 1
    assert (tmp_path / "cat.png").read_bytes() == b"old"


@ON_POSIX
def test_what_was_left_is_found_although_another_process_looks_at_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    InFlight(tmp_path, {"id": 7}).leave()
    (folder,) = (tmp_path / "inflight").iterdir()
    looking = taken_over(folder)
    assert looking is not None and held_by_others(tmp_path) == held_by_others(tmp_path, "7") == 1
    assert list(left_behind(tmp_path)) == [] and held_by_others(tmp_path, "8") == 0
    monkeypatch.setattr(left.time, "sleep", lambda seconds: looking.leave())
    (found,) = left_behind(tmp_path, is_patient=True)
    assert found.row == 7
