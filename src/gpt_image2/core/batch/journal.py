"""The memory of an output folder: an append-only file in it, on disk before a job is sent and after it ended.

Each line is a JSON object: what happened to which job. A job goes by its key (see `job_key`) and by its copy:
how many jobs with the same key stand before it in the file. While a journal is open nobody else can open it.
"""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, cast

from ..base.errors import OutputError, UsageError
from ..base.outcome import Billed, SavedImage
from ..base.record import Record
from ..outputs.files import end_line, lock_file, open_to_append

JOURNAL_NAME = "journal.jsonl"

SENT, DONE, FAILED, SUBMITTED = "sent", "done", "failed", "submitted"
_MOST = 1e9  # jobs or dollars
_KEY = re.compile(r"[0-9a-f]{64}")
_EVENTS = frozenset({SENT, DONE, FAILED, SUBMITTED})


class JournalImage(Record):
    """One saved image: its number in the job from 1, its path below the folder, and what it is."""

    number: int
    path: str
    bytes: int
    sha256: str


class Entry(Record):
    """One line. `images` are all that the job has by now, `name` where the first was to go, and `existed`
    whether something was there. `high_usd` is the most that a sent job may cost. `batch_id` is the provider's
    for a submitted job. `settled` tells that nothing of a failed job is still on its way."""

    event: str
    key: str
    copy: int
    name: str = ""
    existed: bool = False
    images: Tuple[JournalImage, ...] = ()
    billed: Billed = Billed.NO
    cost_usd: Optional[float] = None
    high_usd: float = 0.0
    code: str = ""
    message: str = ""
    batch_id: str = ""
    settled: bool = False


class Journal:
    """An open journal. A context manager; for one thread alone."""

    def __init__(self, folder: Path) -> None:
        """Opens the journal of a folder, which must exist.

        Raises:
            UsageError: another process has it open.
            OutputError: it cannot be written.
        """
        self.path = folder / JOURNAL_NAME
        try:
            self._descriptor = open_to_append(self.path)
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from None
        if not lock_file(self._descriptor):
            os.close(self._descriptor)
            raise UsageError(
                f"another batch is at work in {folder}",
                hint="wait for it, or choose another --out-dir; nothing was sent",
                code="batch_running",
            )
        end_line(self._descriptor)  # a line that a crash has torn must not swallow the next one

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def append(self, entry: Entry) -> None:
        """Writes a line, as `extend` does."""
        self.extend([entry])

    def extend(self, entries: Iterable[Entry]) -> None:
        """Writes lines and returns when all are on the disk, by one flush.

        Raises:
            OutputError: the disk does not take them.
        """
        has_written = False
        try:
            for entry in entries:
                has_written = True
                text = json.dumps(entry_json(entry), ensure_ascii=False) + "\n"
                view = memoryview(text.encode("utf-8", "surrogateescape"))
                while view:
                    view = view[os.write(self._descriptor, view) :]
            if has_written:
                os.fsync(self._descriptor)
        except OSError as error:
            raise OutputError(f"cannot write {self.path}: {error.strerror or error}") from None


def read_journal(folder: Path) -> Iterator[Entry]:
    """The entries of a folder's journal in order; a line that is torn or strange is passed over."""
    path = folder / JOURNAL_NAME
    if not path.exists():
        return
    with open(str(path), encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            try:
                content: Any = json.loads(line)
                entry = read_entry(cast(Dict[str, Any], content))
            except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
                continue
            if entry.event in _EVENTS:
                yield entry


def journal_images(images: Mapping[int, SavedImage], folder: Path) -> Tuple[JournalImage, ...]:
    """Saved images, by their number in the job, as the journal keeps them."""
    return tuple(
        JournalImage(number, os.path.relpath(image.path, folder), image.size_bytes, image.sha256)
        for number, image in sorted(images.items())
    )


def entry_json(entry: Entry) -> Dict[str, object]:
    """An entry as the object on its line; what has its default is left out."""
    line: Dict[str, object] = {
        "event": entry.event,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "key": entry.key,
        "copy": entry.copy,
    }
    for name in ("name", "existed", "high_usd", "code", "message", "batch_id", "settled"):
        value: object = getattr(entry, name)
        if value:
            line[name] = value
    if entry.cost_usd is not None:
        line["cost_usd"] = round(entry.cost_usd, 6)
    if entry.images:
        line["images"] = [dict(vars(image)) for image in entry.images]
    line["billed"] = entry.billed.value
    return line


def read_entry(line: Dict[str, Any]) -> Entry:
    """The entry on a line.

    Raises:
        KeyError, TypeError, ValueError: it is none.
    """
    images: List[Dict[str, Any]] = line.get("images", [])
    kinds = {**dict.fromkeys(("name", "code", "message", "batch_id"), str), "existed": bool, "settled": bool}
    known: Dict[str, Any] = {name: kind(line[name]) for name, kind in kinds.items() if name in line}
    for name in ("cost_usd", "high_usd"):
        if line.get(name) is not None:
            known[name] = float(line[name])
    entry = Entry(
        event=str(line["event"]),
        key=str(line["key"]),
        copy=int(line["copy"]),
        images=tuple(
            JournalImage(int(image["number"]), str(image["path"]), int(image["bytes"]), str(image["sha256"]))
            for image in images
        ),
        billed=Billed(line["billed"]),
        **known,
    )
    if not _KEY.fullmatch(entry.key):
        raise ValueError("no key of a job")
    if not all(0 <= number < _MOST for number in (entry.copy, entry.high_usd, entry.cost_usd or 0.0)):
        raise ValueError("no copy of a job, or no sum of money")
    return entry
