"""Objects below an address that are not ours, or are broken; and addresses that hold secrets."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from batching import Painter
from object_stores import S3
from servers import refusal
from worksites import Site, jobs, status_by_id

from gpt_image2.cluster.commands import manifest
from gpt_image2.cluster.store.claims import Claims, State
from gpt_image2.cluster.store.objects import open_objects
from gpt_image2.core.api.models import MAX_INPUT_BYTES
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.cli import main

_SECRET = "S3CR3T-S3CR3T-S3CR3T"
_BROKEN: dict[str, Any] = {
    "no text": b"",
    "half": b'{"job": "x", "sta',
    "a list": b"[]",
    "a path": {"images": [{"path": 5, "sha256": "", "bytes": 1, "number": 1}]},
    "no image": {"images": []},
    "words for a cost": {"cost_usd": "abc"},
    "no number": {"cost_usd": float("nan")},
    "a gift": {"cost_usd": -5},
    "an id": {"id": {"a": 1}},
    "a status": {"status": "<script>"},
    "attempts": {"attempts": 10**20},
    "a prompt": {"request": {"prompt": 5}},
    "half a character": {"request": {"prompt": "\ud800"}},
    "an error": {"error": {"code": 5}},
    "another job": {},
}


def test_a_report_goes_on_beyond_objects_that_are_broken_and_names_them(
    local_site: Site, painter: Painter, capfd: Any
) -> None:
    local_site.write(*jobs(2))
    local_site.run(painter.base_url)
    store, good = open_objects(local_site.address), local_site.results[0]
    for number, broken in enumerate(_BROKEN.values()):
        job = f"{number:040x}"
        data = broken if isinstance(broken, bytes) else json.dumps({**good, "job": job, **broken}).encode()
        store.put(f"results/{job}.json", json.dumps(good).encode() if broken == {} else data)
    for name in ("results/README.txt", "results/.DS_Store", "claims/x/0001", "claims/" + "f" * 40 + "/old"):
        store.put(name, b"of a person")
    store.put("claims/" + "e" * 40 + "/0001", b'{"job": "e", "timeout_s": "x"}')
    files = [local_site.home.cwd / "m.parquet", local_site.home.cwd / "m.jsonl"]
    flags = ["--manifest", str(files[0]), "--manifest", str(files[1]), "--sheet", "sheet"]
    assert main(["batch", "report", local_site.address, "--json", *flags]) == 9
    told = json.loads(capfd.readouterr().out)
    assert told["by_status"] == {"done": 2, "unreadable": len(_BROKEN) + 1}
    assert (told["images"], told["cost_usd"]) == (2, 2 * good["cost_usd"])
    rows = [row for row in pq.read_table(files[0]).to_pylist() if row["status"] == "unreadable"]
    assert len(rows) == len(_BROKEN) + 1 and {row["billed"] for row in rows} == {"maybe"}
    assert all(row["job"] in row["error_message"] for row in rows)
    assert len(files[1].read_text().splitlines()) == len(rows) + 2


def test_what_others_leave_among_the_objects_of_a_batch_is_in_nobodys_way(
    local_site: Site, painter: Painter
) -> None:
    local_site.write(*jobs(1))
    painter.says["picture 0"] = refusal(400, "no", "bad")
    local_site.run(painter.base_url, "--max-cost", "1")
    store = open_objects(local_site.address)
    (folder,) = {name.rpartition("/")[0] for name in local_site.objects("claims/")}
    for name in (f"{folder}/.DS_Store", "money/.DS_Store", "workers/.DS_Store"):
        store.put(name, b"of a file system")
    del painter.says["picture 0"]
    run = local_site.run(painter.base_url, "--max-cost", "1")
    assert (run.code, run.json["done"]) == (0, 1), run.stderr


@pytest.mark.parametrize("broken", [b"", b"{"])
def test_a_broken_result_is_a_doubt_and_when_it_is_removed_it_is_written_again_without_a_call(
    local_site: Site, painter: Painter, broken: bytes
) -> None:
    local_site.write({"prompt": "two", "n": 2, "id": "two"})
    local_site.run(painter.base_url)
    store, (good,) = open_objects(local_site.address), local_site.results
    name = f"results/{good['job']}.json"
    store.put(name, broken)
    if broken:
        store.put(f"partial/{good['job']}", b"")
    run = local_site.run(painter.base_url, "--retry-ambiguous")
    (row,) = run.json["rows"]
    assert (run.code, row["status"], row["billed"]) == (9, "ambiguous", "maybe")
    assert name in row["error"]["message"]
    store.remove(name)
    assert local_site.run(painter.base_url).code == 0
    kept = ("job", "images", "cost_usd", "status", "attempts")
    assert [{each: result[each] for each in kept} for result in local_site.results] == [
        {each: good[each] for each in kept}
    ]
    assert painter.hits == {"two": 1}


def test_a_report_does_not_say_of_a_job_sent_long_ago_that_somebody_has_it(
    local_site: Site, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = Claims(open_objects(local_site.address), "dead")
    claim = claims.take("d" * 40, None)
    assert claim is not None and claims.move(claim, State.SENT, timeout_s=600.0)
    for later_s, status in ((0, "elsewhere"), (899, "elsewhere"), (901, "ambiguous")):
        now_s = time.time() + later_s
        monkeypatch.setattr(manifest, "time", type("Clock", (), {"time": lambda now_s=now_s: now_s}))
        assert main(["batch", "report", local_site.address, "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["by_status"] == {status: 1}


def test_a_sheet_leads_to_images_whatever_their_names(
    local_site: Site, painter: Painter, tmp_path: Path
) -> None:
    local_site.write({"prompt": "a", "output": "50% #1?.png"})
    local_site.run(painter.base_url)
    assert main(["batch", "report", local_site.address, "--sheet", str(tmp_path / "sheet")]) == 0
    assert "/images/50%25%20%231%3F.png" in (tmp_path / "sheet/page-0001.html").read_text()


@pytest.mark.parametrize(
    "address",
    [
        f"s3://key:{_SECRET}@bucket/run",
        f"sftp://user:{_SECRET}@127.0.0.1:9/run",
        f"az://container/run?sig={_SECRET}",
        "s3://bucket/run#part",
    ],
)
def test_an_address_with_a_secret_in_it_is_refused_and_not_shown(
    local_site: Site, painter: Painter, address: str
) -> None:
    local_site.write(*jobs(1))
    site = local_site
    site.address = address
    run = site.run(painter.base_url)
    assert (run.code, run.json["error"]["code"]) == (2, "store_unusable")
    assert _SECRET not in run.stdout + run.stderr


def test_an_input_address_with_a_secret_in_it_is_refused_and_not_shown(
    local_site: Site, painter: Painter
) -> None:
    inputs = [f"s3://key:{_SECRET}@bucket/in.png", f"az://container/x.png?sig={_SECRET}"]
    local_site.write(*({"prompt": each[:2], "id": each[:2], "image": each} for each in inputs))
    run = local_site.run(painter.base_url)
    assert (run.code, run.json["error"]["code"]) == (2, "invalid_jobs")
    assert "line 1: s3://…@bucket" in run.json["error"]["message"]
    assert "line 2: az://container/x.png?… has a query" in run.json["error"]["message"]
    assert _SECRET not in run.stdout + run.stderr


def test_the_folder_of_folders_is_an_address_too() -> None:
    assert open_objects("file:///").address == "file://"
    with pytest.raises(UsageError, match="…@bucket"):
        open_objects("s3://a:b@bucket")


def test_a_conflict_with_nobody_is_tried_again(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    objects = open_objects(f"{s3.bucket()}/run")
    s3.conflicts = 2
    assert objects.create("claims/a", b"token 1")
    assert (objects.get("claims/a"), s3.conflicts) == (b"token 1", 0)
    assert not objects.create("claims/a", b"token 2")


def test_an_input_that_is_too_large_is_not_fetched(local_site: Site, painter: Painter) -> None:
    root = Path(local_site.address[len("file://") :])
    root.mkdir()
    with open(root / "large.png", "wb") as file:
        file.truncate(MAX_INPUT_BYTES + 1)
    schemes = ("file", "local")
    local_site.write(
        *({"prompt": each, "id": each, "image": f"{each}://{root}/large.png"} for each in schemes)
    )
    run = local_site.run(painter.base_url)
    assert status_by_id(run) == {"file": "failed", "local": "failed"}
    assert all("larger than" in row["error"]["message"] for row in run.json["rows"])
    assert painter.hits == {}


@pytest.mark.parametrize("name", ["m.jsonl", "m.parquet"])
def test_a_manifest_that_cannot_be_written_is_told_in_one_line(
    local_site: Site, painter: Painter, capfd: Any, name: str
) -> None:
    local_site.write(*jobs(1))
    local_site.run(painter.base_url)
    (local_site.home.cwd / name).mkdir()
    assert main(["batch", "report", local_site.address, "--manifest", name]) == 8
    assert f"cannot write {name}: Is a directory" in capfd.readouterr().err
    assert not list(local_site.home.cwd.glob(".*.part"))
