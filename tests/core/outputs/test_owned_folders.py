"""Folders that a living process owns: nobody else deletes them, and nothing that merely has such a name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable, Iterator, List

import pytest
from harness import Home
from pictures import png
from servers import Recorder, images

from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.outputs import files, owned
from gpt_image2.core.outputs.files import open_part, sweep, temporary_folder
from gpt_image2.core.outputs.owned import is_abandoned, is_unmarked, own_folder, owned_folder, taken_over

DAY_S = 24 * 3600
MARKER = ".gpt-image-2-owner"
ON_POSIX = pytest.mark.skipif(os.name == "nt", reason="permission bits and links")
AS_ROOT = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="gives a file away")


def age(path: Path, seconds: float = DAY_S + 60) -> None:
    os.utime(str(path), (time.time() - seconds,) * 2)


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """A folder that a process made and left behind when it was killed."""
    script = (
        "import os, sys; from pathlib import Path; from gpt_image2.core.outputs.owned import owned_folder\n"
        "folder = owned_folder(Path(sys.argv[1]), 'gpt-image-2-'); (folder.path / 'body').write_text('x')\n"
        "print(folder.path, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    return Path(done.stdout.decode().strip())


@ON_POSIX
def test_a_folder_is_private_and_says_what_it_is_for(tmp_path: Path) -> None:
    with owned_folder(tmp_path, "gpt-image-2-") as folder:
        assert folder.path.stat().st_mode & 0o777 == 0o700
        assert (folder.path / MARKER).stat().st_mode & 0o777 == 0o600
        assert (folder.path / MARKER).read_bytes() == b"gpt-image-2 gpt-image-2\n"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_has_an_owner_until_it_is_left(tmp_path: Path) -> None:
    folder = own_folder(tmp_path / "7", "a call")
    assert not is_abandoned(folder.path)
    with pytest.raises(FileExistsError):
        own_folder(folder.path, "a call")
    folder.leave()
    assert is_abandoned(folder.path)
    other = taken_over(folder.path)
    assert other is not None and taken_over(folder.path) is None
    other.close()
    assert not folder.path.exists()


def test_a_killed_process_owns_nothing(left: Path) -> None:
    assert is_abandoned(left) and (left / "body").exists()


def test_only_one_of_many_takes_over(left: Path) -> None:
    taken = [taken_over(left) for _ in range(4)]
    assert [folder is not None for folder in taken] == [True, False, False, False]


def test_what_a_process_was_deleting_when_it_was_killed_is_deleted_by_who_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is in it is no whole any more, from which nobody may conclude anything."""
    folder = owned_folder(tmp_path, "7-")
    for name in ("asked", "notes"):
        (folder.path / name).write_bytes(b"x")
    with monkeypatch.context() as patch:
        patch.setattr(owned, "_empty", lambda path: (path / "notes").unlink())
        patch.setattr(owned, "_delete_marker", lambda path: None)
        folder.close()
    assert sorted(path.name for path in folder.path.iterdir()) == [MARKER, "asked"]
    assert taken_over(folder.path) is None and list(tmp_path.iterdir()) == []


def without_marker(folder: Path) -> None:
    (folder / MARKER).unlink()


def other_marker(folder: Path) -> None:
    (folder / MARKER).write_bytes(b"something else")


def half_made(folder: Path) -> None:
    (folder / MARKER).write_bytes(b"")


def linked_marker(folder: Path) -> None:
    (folder / MARKER).rename(folder.parent / "marker")
    (folder / MARKER).symlink_to(folder.parent / "marker")


def hard_linked_marker(folder: Path) -> None:
    os.link(str(folder / MARKER), str(folder.parent / "marker"))


def a_fifo_for_a_marker(folder: Path) -> None:
    (folder / MARKER).unlink()
    os.mkfifo(str(folder / MARKER))


def a_link(folder: Path) -> None:
    folder.rename(folder.parent / "real")
    folder.symlink_to(folder.parent / "real")


NOT_OURS: List[Callable[[Path], None]] = [
    without_marker,
    other_marker,
    half_made,
    linked_marker,
    hard_linked_marker,
    a_fifo_for_a_marker,
    a_link,
]


@ON_POSIX
@pytest.mark.parametrize("change", NOT_OURS, ids=lambda change: change.__name__)
def test_what_is_not_exactly_such_a_folder_is_not_abandoned(
    change: Callable[[Path], None], left: Path
) -> None:
    change(left)
    assert not is_abandoned(left)
    assert (left / "body").exists()


@AS_ROOT
def test_a_folder_of_another_user_is_not_abandoned(left: Path) -> None:
    os.chown(str(left), 65534, 65534)
    assert not is_abandoned(left)


@pytest.mark.parametrize("age_s, expected", [(DAY_S - 60, False), (DAY_S + 60, True)])
def test_without_locks_age_decides(
    age_s: float, expected: bool, left: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owned, "try_lock", lambda descriptor: None)
    age(left / MARKER, age_s)
    age(left, age_s)
    assert is_abandoned(left) is expected


# Temporary folders


def delete(folder: Path) -> None:
    shutil.rmtree(str(folder))


def make_a_file_of(folder: Path) -> None:
    delete(folder)
    folder.write_bytes(b"theirs")


def make_a_folder_of(folder: Path) -> None:
    delete(folder)
    folder.mkdir()
    (folder / "theirs").write_bytes(b"theirs")


def make_a_link_of(folder: Path) -> None:
    delete(folder)
    other = folder.parent / "other"
    other.mkdir()
    (other / "theirs").write_bytes(b"theirs")
    (other / MARKER).write_bytes(b"theirs")
    folder.symlink_to(other)


def fill(folder: Path) -> None:
    (folder / "deep" / "down").mkdir(parents=True)
    (folder / "deep" / "down" / "file").write_bytes(b"ours")


FATES: List[Callable[[Path], None]] = [
    delete,
    make_a_file_of,
    make_a_folder_of,
    make_a_link_of,
    without_marker,
    fill,
]


@ON_POSIX
@pytest.mark.parametrize("happen", FATES, ids=lambda happen: happen.__name__)
def test_leaving_a_temporary_folder_never_raises_and_deletes_nothing_foreign(
    happen: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with temporary_folder() as folder:
        (folder / "body").write_bytes(b"a prompt")
        happen(folder)
    theirs = [path for path in tmp_path.rglob("*") if path.is_file() and path.read_bytes() != b"theirs"]
    assert theirs == []
    assert len(list(tmp_path.rglob("*"))) == {make_a_file_of: 1, make_a_folder_of: 2, make_a_link_of: 4}.get(
        happen, 0
    )


@ON_POSIX
def test_a_call_whose_temporary_folder_vanishes_ends_well(home: Home, recorder: Recorder) -> None:
    recorder.hold()
    with home.start("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url) as process:
        recorder.wait_for_request()
        for folder in home.tmp.iterdir():
            delete(folder)
        recorder.release()
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0, stderr
    assert (home.cwd / "cat.png").exists()


def test_a_call_sweeps_what_is_abandoned_for_a_day_and_nothing_else(
    home: Home, recorder: Recorder, left: Path
) -> None:
    old, young, pictures, plain = (
        home.tmp / f"gpt-image-2-{name}" for name in ("abcd1234", "abcd1235", "pictures", "0123abcd")
    )
    for folder in (old, young):
        shutil.copytree(str(left), str(folder))
    shutil.copytree(str(left), str(pictures))
    plain.mkdir()
    (plain / "wedding.png").write_bytes(png())
    with owned_folder(home.tmp, "gpt-image-2-") as living:
        for folder in (old, pictures, plain, living.path):
            age(folder)
        assert home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url).code == 0
        assert sorted(home.tmp.iterdir()) == sorted([young, pictures, plain, living.path])
    assert (plain / "wedding.png").exists()


def test_where_the_system_has_no_temp_folder_that_is_told_and_the_state_folder_still_rescues(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nowhere() -> Path:
        raise FileNotFoundError("no usable temporary directory found")

    monkeypatch.setattr(files, "temp_place", nowhere)
    with pytest.raises(UsageError, match="temporary folder"), temporary_folder():
        pass
    assert files.rescue_folders(tmp_path) == [tmp_path]
    assert sweep(tmp_path, tmp_path) == []


# Stray parts


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "out"


def stray(folder: Path, name: str = "cat.png") -> Path:
    folder.mkdir(exist_ok=True)
    part, file = open_part(folder / name)
    file.write(png())
    file.close()
    age(part)
    return part


def test_the_part_of_a_living_process_is_left_alone_however_old(folder: Path) -> None:
    folder.mkdir()
    part, file = open_part(folder / "cat.png")
    with file:
        file.write(png())
        age(part)
        assert sweep(folder, folder.parent / "rescued") == [] and part.exists()
    age(part)
    (rescued,) = sweep(folder, folder.parent / "rescued")
    assert Path(rescued).read_bytes() == png() and not part.exists()


@ON_POSIX
def test_a_part_that_has_another_name_is_left_alone(folder: Path) -> None:
    part = stray(folder)
    os.link(str(part), str(folder / "mine.png"))
    assert sweep(folder, folder.parent / "rescued") == [] and part.exists()


@ON_POSIX
def test_a_part_that_has_got_its_name_loses_only_the_other_one(folder: Path) -> None:
    part = stray(folder)
    os.link(str(part), str(folder / "cat.png"))
    assert sweep(folder, folder.parent / "rescued") == []
    assert [path.read_bytes() for path in folder.iterdir()] == [png()] and not part.exists()


@ON_POSIX
def test_a_fifo_with_the_name_of_a_part_is_left_alone(folder: Path) -> None:
    part = stray(folder)
    part.unlink()
    os.mkfifo(str(part))
    age(part)
    assert sweep(folder, folder.parent / "rescued") == [] and part.exists()


@AS_ROOT
def test_a_part_of_another_user_is_left_alone(folder: Path) -> None:
    part = stray(folder)
    os.chown(str(part), 65534, 65534)
    assert sweep(folder, folder.parent / "rescued") == [] and part.exists()


@pytest.mark.parametrize("has_marker", [False, True])
def test_what_its_owner_never_came_to_mark_is_swept_from_inflight_after_a_while(
    has_marker: bool, home: Home, recorder: Recorder
) -> None:
    folder = home.state / "inflight" / "7-0123abcd"
    folder.mkdir(parents=True)
    if has_marker:
        (folder / MARKER).touch()
    recorder.answer = lambda _: images(png(16, 16))
    for seconds, is_there in ((1800, True), (DAY_S, False)):
        age(folder, seconds)
        run = home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url)
        assert (run.code, folder.exists()) == (0, is_there)


def test_what_is_not_empty_or_has_an_owner_is_no_unmarked_folder(tmp_path: Path) -> None:
    full = tmp_path / "full"
    full.mkdir()
    (full / "picture.png").write_bytes(b"x")
    owner = owned_folder(tmp_path, "gpt-image-2-")
    with open(str(owner.path / MARKER), "r+b") as file:
        file.truncate(0)
    for folder in (full, owner.path):
        age(folder)
        assert not is_unmarked(folder)
    owner.leave()
    assert is_unmarked(owner.path)
