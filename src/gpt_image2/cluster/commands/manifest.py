# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownParameterType=false
"""What is at an address, read back: a manifest with a row an image, and sums. Reads only, and a part at a
time: a million jobs fill no memory."""

from __future__ import annotations

import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from gpt_image2.core.base.errors import OutputError, UsageError
from gpt_image2.core.base.outcome import Billed
from gpt_image2.core.batch.journal import scratch_database

from ..jobs.results import DOUBT, ELSEWHERE, FAILED, NOT_STARTED, SAVED, read_result
from ..store.claims import CLAIMS, RESULTS, SENT_MARGIN_S, State, read_claim, result_name
from ..store.found import MOST_BYTES, StoreError
from ..store.objects import Objects

_AT_ONCE, _THREADS = 2000, 16
#: A row an image; a job without one has a row too.
MANIFEST = pa.schema(
    [
        ("job", pa.string()),
        ("id", pa.string()),
        ("status", pa.string()),
        ("prompt", pa.string()),
        ("model", pa.string()),
        ("size", pa.string()),
        ("quality", pa.string()),
        ("number", pa.int32()),
        ("uri", pa.string()),
        ("sha256", pa.string()),
        ("bytes", pa.int64()),
        ("format", pa.string()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("cost_usd", pa.float64()),  # of the job, in the row of its first image
        ("billed", pa.string()),
        ("attempts", pa.int32()),
        ("elapsed_s", pa.float64()),
        ("error_code", pa.string()),
        ("error_message", pa.string()),
    ]
)
_STATUS = {
    State.CLAIMED: NOT_STARTED,
    State.SENT: ELSEWHERE,
    State.FREE: FAILED,
    State.DOUBT: DOUBT,
    State.SAVED: SAVED,
}
#: The status of a job of which nobody can tell how it stands.
UNREADABLE = "unreadable"
_RESULT = re.compile(rf"{RESULTS}/([0-9a-f]{{40}})\.json")
_CLAIM = re.compile(rf"{CLAIMS}/([0-9a-f]{{40}})/([0-9]{{4,9}})")
_T = TypeVar("_T")


@dataclass
class Sums:
    """What there is in all. Money is USD; `maybe_usd` is the most that jobs in doubt or under way may have
    cost."""

    jobs: int = 0
    images: int = 0
    size_bytes: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    maybe_usd: float = 0.0
    by_status: Counter[str] = field(default_factory=Counter[str])
    by_error: Counter[str] = field(default_factory=Counter[str])

    def take(self, rows: list[dict[str, Any]]) -> None:
        """Adds the rows of one job."""
        first = rows[0]
        self.jobs += 1
        self.by_status[first["status"]] += 1
        if first["error_code"]:
            self.by_error[first["error_code"]] += 1
        if first["cost_usd"] is None and first["billed"] != Billed.NO.value:
            self.unpriced += 1
        self.cost_usd += first["cost_usd"] or 0.0
        for row in rows:
            self.images += row["uri"] is not None
            self.size_bytes += row["bytes"] or 0


def read_back(objects: Objects, scratch: Path, sums: Sums) -> Iterator[list[dict[str, Any]]]:
    """The rows of every job, a job at a time, by the columns of `MANIFEST`: first those with a result, then
    those that have a claim alone. Adds them up."""
    database = scratch_database(scratch / "report.sqlite3")
    try:
        database.execute("CREATE TABLE done (job BLOB PRIMARY KEY) WITHOUT ROWID")
        database.execute("CREATE TABLE claims (job BLOB PRIMARY KEY, number, modified) WITHOUT ROWID")
        with ThreadPoolExecutor(_THREADS) as pool:
            # What else lies there is not ours: a file system's own notes, a person's.
            results = ((each, _RESULT.fullmatch(each.name)) for each in objects.list(f"{RESULTS}/"))
            for page in _pages(((each, name.group(1)) for each, name in results if name), _AT_ONCE):
                marks = [(bytes.fromhex(job),) for _, job in page]
                database.executemany("INSERT OR IGNORE INTO done VALUES (?)", marks)
                held = pool.map(objects.get, [each.name for each, _ in page if each.size_bytes <= MOST_BYTES])
                for each, job in page:
                    data = next(held) if each.size_bytes <= MOST_BYTES else b""
                    if data is not None:
                        yield _told(_rows_of_result(data, objects.address, job), sums)
            keep = (
                "INSERT INTO claims VALUES (?,?,?) ON CONFLICT (job) DO UPDATE SET number = excluded.number,"
                " modified = excluded.modified WHERE excluded.number > number"
            )
            claims = ((each, _CLAIM.fullmatch(each.name)) for each in objects.list(f"{CLAIMS}/"))
            ours = (
                (bytes.fromhex(name.group(1)), int(name.group(2)), each.modified.timestamp())
                for each, name in claims
                if name and each.size_bytes <= MOST_BYTES
            )
            for page in _pages(ours, _AT_ONCE):
                database.executemany(keep, page)
            left = database.execute(
                "SELECT * FROM claims WHERE job NOT IN (SELECT job FROM done) ORDER BY job"
            )
            while page := left.fetchmany(_AT_ONCE):
                names = [f"{CLAIMS}/{job.hex()}/{number:04d}" for job, number, _ in page]
                for data, (job, _, modified_s) in zip(pool.map(objects.get, names), page, strict=True):
                    if data is not None:
                        yield _told(_rows_of_claim(data, job.hex(), modified_s, sums), sums)
    finally:
        database.close()


class ManifestFile:
    """A manifest that is being written: Parquet or JSON lines, by the end of its name. A context manager;
    where it ends by an error there is no file."""

    def __init__(self, path: str) -> None:
        self._path = Path(path).expanduser()
        self._part = self._path.with_name(f".{self._path.name}.gi2-{secrets.token_hex(6)}.part")
        kind = self._path.suffix.lower()
        if kind not in (".parquet", ".jsonl"):
            raise UsageError(f"--manifest {path} is no .parquet and no .jsonl", hint="end its name so")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lines = open(self._part, "w", encoding="utf-8") if kind == ".jsonl" else None  # noqa: SIM115
            self._table: Any = None if self._lines else pq.ParquetWriter(self._part, MANIFEST)
        except OSError as error:
            reason = error.strerror or error
            raise UsageError(f"cannot write {path}: {reason}", hint="choose another place") from None
        self._waiting: list[dict[str, Any]] = []

    def write(self, rows: Iterable[dict[str, Any]]) -> None:
        """Takes rows; an `OutputError` where the disk does not."""
        if self._lines is None:
            self._waiting += rows
            if len(self._waiting) >= 10 * _AT_ONCE:
                with self._told():
                    self._flush()
            return
        with self._told():
            for row in rows:
                told = {name: value for name, value in row.items() if value is not None}
                self._lines.write(json.dumps(told, ensure_ascii=False) + "\n")

    def __enter__(self) -> ManifestFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with self._told():
                if kind is None and self._lines is None:
                    self._flush()
                (self._lines or self._table).close()
                if kind is None:
                    self._part.replace(self._path)
        except OutputError:
            if kind is None:
                raise
        finally:
            with suppress(OSError):
                self._part.unlink()

    @contextmanager
    def _told(self) -> Generator[None, None, None]:
        try:
            yield
        except OSError as error:
            raise OutputError(f"cannot write {self._path}: {error.strerror or error}") from None

    def _flush(self) -> None:
        self._table.write_table(pa.Table.from_pylist(self._waiting, schema=MANIFEST))
        self._waiting.clear()


def _told(rows: list[dict[str, Any]], sums: Sums) -> list[dict[str, Any]]:
    sums.take(rows)
    return rows


def _rows_of_result(data: bytes, address: str, job: str) -> list[dict[str, Any]]:
    try:
        row, request = read_result(data, address, result_name(job))
        if row.job != job:
            raise StoreError(f"{result_name(job)} is of job {row.job}")
    except StoreError as error:
        return [_unreadable(job, error)]
    rows: list[dict[str, Any]] = []
    for image in row.images:
        rows.append(
            {
                **_blank(row.job, row.status, row.billed, row.id, row.attempts),
                **{name: request.get(name) for name in ("prompt", "model", "size", "quality")},
                "number": image.number,
                "uri": image.path,
                "sha256": image.sha256,
                "bytes": image.size_bytes,
                "format": image.format,
                "width": image.width,
                "height": image.height,
                "cost_usd": None if rows else row.cost_usd,
                "elapsed_s": row.elapsed_s,
                "error_code": row.error_code or None,
                "error_message": row.error_message or None,
            }
        )
    return rows


def _rows_of_claim(data: bytes, job: str, modified_s: float, sums: Sums) -> list[dict[str, Any]]:
    try:
        claim = read_claim(data, f"{CLAIMS}/{job}")
        if claim.job != job:
            raise StoreError(f"{CLAIMS}/{job} is of job {claim.job}")
    except StoreError as error:
        return [_unreadable(job, error)]
    if claim.state in (State.SENT, State.DOUBT):
        sums.maybe_usd += claim.high_usd or 0.0
    billed = Billed.MAYBE if claim.state is State.SENT else claim.billed
    is_unbegun = claim.state is State.FREE and not claim.code
    status = NOT_STARTED if is_unbegun else _STATUS[claim.state]
    if claim.state is State.SENT and time.time() - modified_s >= claim.timeout_s + SENT_MARGIN_S:
        status = DOUBT  # nobody is at it any more
    return [
        {
            **_blank(claim.job, status, billed, None, claim.attempts),
            "cost_usd": claim.cost_usd,
            "error_code": claim.code or None,
            "error_message": claim.message or None,
        }
    ]


def _unreadable(job: str, error: StoreError) -> dict[str, Any]:
    """The row of a job of which an object is no such object, or a broken one: nobody knows what it cost."""
    said = {"error_code": UNREADABLE, "error_message": error.message}
    return {**_blank(job, UNREADABLE, Billed.MAYBE, None, 0), **said}


def _blank(job: str, status: str, billed: Billed, job_id: str | None, attempts: int) -> dict[str, Any]:
    known = {"job": job, "id": job_id, "status": status, "billed": billed.value, "attempts": attempts}
    return {**dict.fromkeys(MANIFEST.names), **known}


def _pages(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    iterator = iter(items)
    while page := list(islice(iterator, size)):
        yield page
