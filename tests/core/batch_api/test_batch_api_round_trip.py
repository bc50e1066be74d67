"""Jobs go to the Batch API and come back as files: many, of both kinds, split, at half the price."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Dict, List

import pytest
from batch_apis import Service, fetch, job, journal, pictures_in, prompts, proxy, submit, wait
from batching import write_jobs
from harness import KEY, Home
from ledgers import rows_of
from pictures import png

BLOCKED = 5


def _inputs(home: Home) -> Dict[str, Path]:
    """Three input images and a mask."""
    files = {name: home.cwd / f"{name}.png" for name in ("one", "two", "three", "mask")}
    for number, path in enumerate(files.values()):
        path.write_bytes(png(1024, 1024, alpha=path.stem == "mask", noise=bytes([number])))
    return files


def test_300_generations_and_20_edits_come_back_with_their_failures_named(home: Home, host: Service) -> None:
    files = _inputs(home)
    jobs: List[Dict[str, Any]] = prompts(300 - BLOCKED, "round")
    jobs += [job(f"round [blocked] {number}") for number in range(BLOCKED)]
    for number in range(20):
        source = str(files[("one", "two", "three")[number % 3]])
        jobs.append(job(f"edited {number}", image=source, id=f"edit-{number}"))
    jobs[-1]["mask"] = str(files["mask"])
    done = submit(home, host.base_url, write_jobs(home, *jobs), "--max-lines", "120", "--json").json
    assert done["ok"] and done["submitted"] == 320
    assert sorted(batch["total"] for batch in done["batches"]) == [20, 60, 120, 120]
    assert wait(home, host.base_url).code == 9  # five will have failed

    ids = [batch["id"] for batch in done["batches"]]
    told = home.run("batch", "status", base_url=host.base_url).stderr
    assert f"results to be had by batch fetch: {', '.join(ids)}" in told

    run = fetch(home, host.base_url)
    outcome = run.json
    assert run.code == 9
    assert (outcome["done"], outcome["failed"], outcome["submitted"]) == (315, 5, 0)
    assert outcome["images"] == 315 == len(pictures_in(home.cwd / "out"))
    failed = [row for row in outcome["rows"] if row["status"] == "failed"]
    assert {row["error"]["code"] for row in failed} == {"moderation_blocked"}
    assert {row["billed"] for row in failed} == {"no"}
    assert {row["job"] for row in failed} == set(range(296, 301))
    for row in outcome["rows"]:
        for image in row["images"]:
            data = Path(image["path"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == image["sha256"]
            assert Path(image["path"]).name.startswith(row["id"] or f"{row['job']:04d}-")
    assert home.leftovers() == []
    recorded = rows_of(home.ledger)
    assert len(recorded) == 320 and {row["discount"] for row in recorded} == {0.5}
    assert sum(row["command"] == "edit" for row in recorded) == 20
    spent = home.run("spend", "--by", "host", "--json").json
    (by_sandbox,) = spent["groups"]
    assert (by_sandbox["name"], by_sandbox["requests"], by_sandbox["images"]) == ("the sandbox", 320, 315)
    assert spent["sandbox_usd"] == pytest.approx(outcome["cost_usd"], abs=1e-4)
    sheet = (home.cwd / "out" / "index.html").read_text(encoding="utf-8")
    assert sheet.count("<article") == 320

    names, lines = pictures_in(home.cwd / "out"), len(journal(home))
    assert "batch fetch" not in home.run("batch", "status", base_url=host.base_url).stderr
    second = fetch(home, host.base_url, *ids).json
    assert second["images"] == 0 and second["done"] == 315
    assert pictures_in(home.cwd / "out") == names and len(journal(home)) == lines
    assert len(rows_of(home.ledger)) == 320


def test_a_batch_costs_half_of_what_the_same_jobs_cost_directly(home: Home, host: Service) -> None:
    jobs = write_jobs(home, *prompts(3, "half"))
    assert submit(home, host.base_url, jobs).code == 0
    assert wait(home, host.base_url).code == 0
    by_batch = fetch(home, host.base_url).json["cost_usd"]
    assert home.run("batch", "run", jobs, "--out-dir", "direct", base_url=host.base_url).code == 0
    costs = [row["cost_usd"] for row in rows_of(home.ledger)]
    assert sum(costs[:3]) == pytest.approx(by_batch) and sum(costs[3:]) == pytest.approx(2 * by_batch)


def test_several_images_a_job_and_a_name_of_the_users_own_come_back_as_asked(
    home: Home, host: Service
) -> None:
    jobs = [job("twins", n=2, output="deep/twins.jpg"), job("single")]
    submit(home, host.base_url, write_jobs(home, *jobs))
    wait(home, host.base_url)
    outcome = fetch(home, host.base_url).json
    assert outcome["ok"] and outcome["images"] == 3
    assert pictures_in(home.cwd / "out" / "deep") == ["twins-1.jpg", "twins-2.jpg"]


def test_what_many_lines_share_is_uploaded_once_and_named_by_its_id(home: Home, host: Service) -> None:
    path = home.cwd / "shared.png"
    path.write_bytes(png(1024, 1024))
    jobs = [job(f"shared {number}", image=str(path)) for number in range(4)]
    before = len(host.ask("/files?purpose=vision")["data"])
    submit(home, host.base_url, write_jobs(home, *jobs))
    assert len(host.ask("/files?purpose=vision")["data"]) == before + 1
    wait(home, host.base_url)
    assert fetch(home, host.base_url).json["done"] == 4


def test_stream_is_left_out_with_one_warning(home: Home, host: Service) -> None:
    jobs = write_jobs(home, *({**each, "stream": True} for each in prompts(3, "streamed")))
    run = submit(home, host.base_url, jobs)
    assert run.stderr.count("does not stream") == 1
    wait(home, host.base_url)
    assert fetch(home, host.base_url).json["ok"]


def test_a_dry_run_sends_nothing_and_shows_half_the_price(home: Home, host: Service) -> None:
    before = len(host.batches())
    jobs = write_jobs(home, *prompts(10, "dry"))
    outcome = submit(home, host.base_url, jobs, "--dry-run", "--json").json
    direct = home.run("batch", "run", jobs, "--dry-run", "--json", base_url=host.base_url)
    cost = json.loads(direct.stdout)["cost_usd"]
    assert outcome["cost_usd"]["high"] == pytest.approx(cost["high"] / 2)
    assert len(host.batches()) == before and not (home.cwd / "out").exists()


def test_the_key_is_in_no_file_and_in_no_argument(home: Home, host: Service) -> None:
    argv: List[str] = []

    def tamper(call: Any, forward: Any) -> Any:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                argv.append(process.read_bytes().decode("utf-8", "replace"))
            except OSError:
                continue
        return forward()

    with proxy(host.base_url, tamper) as url:
        submit(home, url, write_jobs(home, *prompts(2, "secret")))
        wait(home, url)
        fetch(home, url)
    assert not any(KEY in words for words in argv)
    for path in home.root.parent.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes(), path


def test_status_list_and_cancel_work_for_batches_of_another_machine(
    home: Home, host: Service, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Home(tmp_path / "other")
    (batch,) = submit(home, host.base_url, write_jobs(home, *prompts(1, "mine")), "--json").json["batches"]
    status = other.run("batch", "status", batch["id"], "--json", base_url=host.base_url).json
    assert status["batches"][0]["id"] == batch["id"] and status["batches"][0]["out_dir"] is None
    listed = other.run("batch", "list", "--remote", "--json", base_url=host.base_url).json
    assert batch["id"] in [one["id"] for one in listed["batches"]]
    keyless = {"GPT_IMAGE2_API_KEY": None}
    assert other.run("batch", "list", "--json", base_url=host.base_url, env=keyless).json["batches"] == []


def test_a_batch_is_not_asked_for_at_another_base_url(home: Home, host: Service) -> None:
    (batch,) = submit(home, host.base_url, write_jobs(home, *prompts(1, "there")), "--json").json["batches"]
    run = home.run("batch", "status", batch["id"], "--json", base_url="http://127.0.0.1:9/v1")
    assert run.code == 2 and run.json["error"]["code"] == "other_base_url"


def test_a_batch_of_the_sandbox_is_a_rehearsal_in_the_journal_and_costs_no_money(
    home: Home, host: Service
) -> None:
    submit(home, host.base_url, write_jobs(home, *prompts(2, "rehearsed")))
    assert wait(home, host.base_url).code == 0
    fetched = fetch(home, host.base_url)
    assert (fetched.json["done"], fetched.json["sandbox"]) == (2, True)
    assert "the sandbox made this: placeholders" in fetched.stderr
    assert {entry.get("sandbox") for entry in journal(home)} == {True}
    assert {row["host"] for row in rows_of(home.ledger)} == {"the sandbox"}
    spent = home.run("spend", "--json").json
    assert spent["total_usd"] == 0 < spent["sandbox_usd"]
