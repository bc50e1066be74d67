from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from batching import Painter
from harness import Home
from servers import Answer, Recorder, refusal
from worksites import Site, jobs

from gpt_image2.cluster.commands import pages
from gpt_image2.cluster.store.objects import open_objects
from gpt_image2.core.cli import main


def test_a_manifest_has_a_row_an_image_and_the_sums_of_all(site: Site, painter: Painter, capfd: Any) -> None:
    site.write(*jobs(3), {"prompt": "two", "n": 2, "id": "two"}, {"prompt": "bad"}, {"prompt": "cut"})
    painter.says["bad"] = refusal(400, "no", "invalid_size")
    painter.says["cut"] = Answer(200, b"{", ())
    site.run(painter.base_url)
    files = [site.home.cwd / "m.parquet", site.home.cwd / "m.jsonl"]
    flags = [word for path in files for word in ("--manifest", str(path))]
    assert main(["batch", "report", site.address, "--json", *flags]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["by_status"] == {"done": 4, "failed": 1, "ambiguous": 1}
    assert (told["jobs"], told["images"]) == (6, 5)
    assert told["by_error"]["invalid_size"] == 1
    assert told["maybe_usd"] > 0
    assert told["bytes"] == sum(map(len, site.images.values()))
    table = pq.read_table(files[0]).to_pylist()
    lines = [json.loads(line) for line in files[1].read_text().splitlines()]
    assert [{name: value for name, value in row.items() if value is not None} for row in table] == lines
    assert {row["uri"][len(site.address) + 1 :] for row in table if row["uri"]} == set(site.images)
    assert Counter(row["prompt"] for row in table)["two"] == 2
    assert told["cost_usd"] == sum(row["cost_usd"] or 0 for row in table)


def test_the_pages_of_a_sheet_show_every_image(local_site: Site, painter: Painter, tmp_path: Path) -> None:
    local_site.write(*jobs(3, prompt="<b>bold</b>"))
    local_site.run(painter.base_url)
    assert main(["batch", "report", local_site.address, "--sheet", str(tmp_path / "sheet")]) == 0
    (page,) = (tmp_path / "sheet").iterdir()
    text = page.read_text()
    assert text.count("<img") == 3 and "<b>bold" not in text
    for name in local_site.images:
        assert f'src="{local_site.address}/{name}"' in text
    assert "page-" not in text.partition("<main>")[0]


def test_pages_lead_to_pages_that_are_there(
    local_site: Site, painter: Painter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "_ON_A_PAGE", 2)
    local_site.write(*jobs(4))
    local_site.run(painter.base_url)
    assert main(["batch", "report", local_site.address, "--sheet", str(tmp_path / "sheet")]) == 0
    found = {page.name: page.read_text() for page in (tmp_path / "sheet").iterdir()}
    assert set(found) == {"page-0001.html", "page-0002.html"}
    led = {name: re.findall(r'href="(page-\d+\.html)"', text) for name, text in found.items()}
    assert led == {"page-0001.html": ["page-0002.html"], "page-0002.html": ["page-0001.html"]}
    assert [text.count("<img") for text in found.values()] == [2, 2]


def test_a_report_of_a_place_without_a_batch_is_refused(tmp_path: Path, capfd: Any) -> None:
    manifest = tmp_path / "m.jsonl"
    assert main(["batch", "report", f"file://{tmp_path}/typo", "--manifest", str(manifest)]) == 2
    assert "no job of a batch lies at" in capfd.readouterr().err
    assert not manifest.exists()


def test_images_in_a_bucket_are_shown_by_signed_addresses(s3_site: Site, painter: Painter) -> None:
    s3_site.write(*jobs(1))
    s3_site.run(painter.base_url)
    (name,) = s3_site.images
    shown = open_objects(s3_site.address).shown(f"{s3_site.address}/{name}")
    assert shown.startswith("http") and name in shown and "X-Amz-Signature=" in shown


def test_a_store_without_a_key_is_told_as_such(
    home: Home, recorder: Recorder, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", recorder.base_url.removesuffix("/v1"))
    recorder.answer = lambda request: Answer(403, b"", ())
    assert main(["batch", "report", "s3://bucket/run"]) == 8
    assert "its environment no key of the store" in capfd.readouterr().err


def test_a_manifest_of_another_kind_is_refused(local_site: Site, capfd: Any) -> None:
    assert main(["batch", "report", local_site.address, "--manifest", "m.csv"]) == 2
    assert "no .parquet and no .jsonl" in capfd.readouterr().err


def test_a_plan_tells_both_ways_and_divides_by_a_deadline(
    local_site: Site, painter: Painter, capfd: Any
) -> None:
    local_site.write(*jobs(8))
    local_site.run(painter.base_url)  # what calls take is seen by now
    words = ["batch", "plan", "jobs.jsonl", "--json", "--images-per-minute", "2", "--concurrency", "8"]
    divided = [*words, "--deadline", "90s", "--split", "parts"]
    assert main([word for word in divided if word != "--json"]) == 0
    assert "run.jsonl --concurrency 8 --images-per-minute 2\n" in capfd.readouterr().out
    assert main(divided) == 0
    told = json.loads(capfd.readouterr().out)
    assert (told["jobs"], told["run"]["estimated_s"]) == (8, 240.0)
    assert set(told["seconds_seen"]) == {"low"}
    assert told["submit"]["cost_usd"]["high"] == round(told["run"]["cost_usd"]["high"] / 2, 6)
    assert told["divided"]["run"]["jobs"] == 3
    now, later = (Path(path).read_text().splitlines() for path in told["files"])
    assert [json.loads(line)["id"] for line in [*now, *later]] == [str(number) for number in range(8)]
    assert len(now) == 3


def test_a_plan_divides_by_a_sum_and_refuses_one_that_is_too_small(
    local_site: Site, painter: Painter, capfd: Any
) -> None:
    local_site.write(*jobs(10))
    local_site.run(painter.base_url, "--dry-run")
    assert main(["batch", "plan", "jobs.jsonl", "--json"]) == 0
    whole = json.loads(capfd.readouterr().out)["run"]["cost_usd"]["high"]
    assert main(["batch", "plan", "jobs.jsonl", "--json", "--max-cost", str(whole * 0.75)]) == 0
    divided = json.loads(capfd.readouterr().out)["divided"]
    assert divided["run"]["jobs"] == 5
    assert divided["run"]["cost_usd"]["high"] + divided["submit"]["cost_usd"]["high"] <= whole * 0.75 + 1e-6
    assert main(["batch", "plan", "jobs.jsonl", "--max-cost", str(whole * 0.4)]) == 2
    assert "--max-cost" in capfd.readouterr().err


def test_a_plan_writes_over_no_jobs_file_and_leaves_no_part_of_an_earlier_one(
    local_site: Site, painter: Painter, capfd: Any
) -> None:
    local_site.write(*jobs(8))
    local_site.run(painter.base_url, "--dry-run")  # goes to the folder
    words = ["batch", "plan", "--images-per-minute", "2", "--split"]
    assert main([*words, "parts", "jobs.jsonl", "--deadline", "90s"]) == 0
    assert sorted(path.name for path in Path("parts").iterdir()) == ["run.jsonl", "submit.jsonl"]
    assert main([*words, "parts", "jobs.jsonl", "--deadline", "6h"]) == 0
    assert [path.name for path in Path("parts").iterdir()] == ["run.jsonl"]
    assert main([*words, "parts", "parts/run.jsonl", "--deadline", "90s"]) == 2
    assert "is the jobs file itself" in capfd.readouterr().err
    assert len(Path("parts/run.jsonl").read_text().splitlines()) == 8
