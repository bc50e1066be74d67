"""A ledger of an earlier release is brought up to date, and the batches that wait in it can be fetched."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Dict, List

from batch_apis import Service, fetch, pictures_in, submit, wait
from batching import write_jobs
from harness import Home
from ledgers import rows_of
from pictures import png
from servers import Recorder

VERSION_1 = Path(__file__).parents[1] / "ledger_version_1.sql"
BATCH: Dict[str, Any] = {
    "id": None,
    "token": "t",
    "base_url": "http://127.0.0.1:9/v1",
    "created_at": "2026-11-25T03:22:20.000Z",
    "status": "completed",
    "endpoint": "/v1/images/generations",
    "model": "gpt-image-2",
    "out_dir": "/gone",
    "total": 1,
    "completed": 0,
    "failed": 0,
    "history": 1,
}
JOB: Dict[str, Any] = {
    "job": 1,
    "line": 1,
    "key": "0" * 64,
    "copy": 0,
    "name": "0001-a.png",
    "named": 0,
    "numbers": "[1]",
    "there": "[]",
    "prompt": "a",
    "fields": "{}",
    "inputs": "[]",
    "state": "submitted",
}


def insert(connection: sqlite3.Connection, table: str, row: Dict[str, Any]) -> None:
    """Inserts a row."""
    marks = ", ".join("CAST(? AS TEXT)" if isinstance(value, bytes) else "?" for value in row.values())
    statement = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"
    connection.execute(statement, list(row.values()))


def version_1(path: Path) -> sqlite3.Connection:
    """A new file with the old schema."""
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(str(path), isolation_level=None)
    connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    return connection


def with_columns(row: Dict[str, Any]) -> Dict[str, Any]:
    """The row of a job as version 1 had it: a column a field."""
    job: Dict[str, Any] = json.loads(row["job"])
    old = {name: job[name] for name in ("line", "id", "key", "copy", "name", "named", "high_usd", "prompt")}
    for name in ("numbers", "there", "fields", "inputs", "mask"):
        old[name] = None if job[name] is None else json.dumps(job[name])
    own = {name: row[name] for name in ("batch", "custom_id", "state", "outcome")}
    return {**own, "job": row["number"], **old}


def make_old(home: Home) -> None:
    """Puts a file of version 1 with the same batches in the place of the ledger."""
    batches, jobs = rows_of(home.ledger, "batches"), rows_of(home.ledger, "batch_jobs")
    for path in home.state.glob("ledger.sqlite3*"):
        path.unlink()
    with closing(version_1(home.ledger)) as connection:
        for batch in batches:
            insert(connection, "batches", batch)
        for job in jobs:
            insert(connection, "batch_jobs", with_columns(job))


def test_a_batch_that_waits_in_an_old_ledger_is_fetched(home: Home, host: Service) -> None:
    for name in ("lamp", "mask"):
        (home.cwd / f"{name}.png").write_bytes(png(1024, 1024, alpha=name == "mask"))
    jobs: List[Dict[str, Any]] = [
        {"prompt": "old"},
        {"prompt": "old twins", "n": 2, "output": "deep/twins.jpg"},
        {"prompt": "old edit", "image": str(home.cwd / "lamp.png"), "mask": str(home.cwd / "mask.png")},
    ]
    submit(home, host.base_url, write_jobs(home, *jobs))
    make_old(home)
    assert wait(home, host.base_url).code == 0
    outcome = fetch(home, host.base_url).json
    assert outcome["ok"] and outcome["done"] == 3 and outcome["rescued"] == []
    assert pictures_in(home.cwd / "out") == ["0001-old.png", "0003-old-edit.png"]
    assert pictures_in(home.cwd / "out" / "deep") == ["twins-1.jpg", "twins-2.jpg"]
    edit = next(row for row in rows_of(home.ledger) if row["command"] == "edit")
    assert json.loads(edit["inputs"])[0]["path"] == str(home.cwd / "lamp.png")
    assert json.loads(edit["mask"])["filename"] == "mask.png"
    assert (
        home.run(
            "batch", "run", str(home.cwd / "jobs.jsonl"), "--out-dir", "out", base_url=host.base_url
        ).code
        == 0
    )


def test_an_upgrade_keeps_what_is_known_of_jobs_and_drops_what_was_only_prepared(home: Home) -> None:
    outcome = json.dumps({"images": [], "billed": "yes", "error": {"code": "no"}})
    with closing(version_1(home.ledger)) as connection:
        insert(connection, "batches", {**BATCH, "number": 1, "id": "batch_1", "status": "preparing"})
        insert(connection, "batches", {**BATCH, "number": 2, "id": "batch_2"})
        insert(connection, "batch_jobs", {**JOB, "batch": 1, "custom_id": "never sent"})
        ended = {"state": "failed", "outcome": outcome, "name": b"caf\xe9.png", "named": 1, "id": "mine"}
        insert(connection, "batch_jobs", {**JOB, "batch": 2, "custom_id": "ended", **ended})
    (batch,) = home.run("batch", "list", "--json").json["batches"]
    assert batch["id"] == "batch_2"
    (row,) = rows_of(home.ledger, "batch_jobs")
    assert (row["batch"], row["number"], row["custom_id"]) == (2, 1, "ended")
    assert (row["state"], row["outcome"]) == ("failed", outcome)
    job = json.loads(row["job"])
    assert (job["name"], job["named"], job["id"]) == ("caf\udce9.png", True, "mine")
    assert [row["name"] for row in rows_of(home.ledger, "sqlite_master") if row["type"] == "table"] == [
        *("requests", "sqlite_sequence", "images", "batches", "batch_jobs", "derived"),
    ]


def parts_of(home: Home) -> Dict[str, Any]:
    """Each table of the ledger with its columns, and the indexes."""
    with closing(sqlite3.connect(str(home.ledger))) as connection:
        names = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE sql IS NOT NULL")]
        return {
            name: sorted(row[1:6] for row in connection.execute(f"PRAGMA table_info({name})"))
            for name in names
        }


def test_an_old_ledger_becomes_what_a_new_one_is(home: Home, recorder: Recorder) -> None:
    version_1(home.ledger).close()
    before = parts_of(home)
    assert home.run("batch", "list", "--json").code == 0
    upgraded = parts_of(home)
    home.ledger.unlink()
    assert home.run("generate", "a cat", "-o", "cat.png", base_url=recorder.base_url).code == 0
    assert upgraded == parts_of(home) != before


def test_many_processes_may_upgrade_a_ledger_at_once(home: Home) -> None:
    jobs = 1200
    with closing(version_1(home.ledger)) as connection:
        connection.execute("BEGIN")
        insert(connection, "batches", {**BATCH, "number": 1, "id": "batch_1", "total": jobs})
        for number in range(1, jobs + 1):
            insert(connection, "batch_jobs", {**JOB, "batch": 1, "custom_id": str(number), "job": number})
        connection.execute("COMMIT")
    processes = [home.start("batch", "list", "--json") for _ in range(4)]
    for process in processes:
        stdout, stderr = process.communicate()
        assert process.returncode == 0, stderr
        assert json.loads(stdout)["batches"][0]["total"] == jobs
    assert [row["number"] for row in rows_of(home.ledger, "batch_jobs")] == [*range(1, jobs + 1)]
