from __future__ import annotations

import hashlib
import json
import signal
import threading
from pathlib import Path

import pytest
from batching import Painter, picture, sha256
from faulty import WAIT_S
from harness import KEY, SCRIPT, Home, Started, install_line
from object_stores import serve_s3
from pictures import png
from servers import Answer, Request, refusal
from worksites import Site, ended, jobs, status_by_id

from gpt_image2.cluster.store import presence
from gpt_image2.cluster.store.objects import open_objects
from gpt_image2.cluster.store.presence import Times
from gpt_image2.core.cli import main


def test_a_batch_at_an_address_is_paid_once_and_a_second_run_sends_nothing(
    site: Site, painter: Painter
) -> None:
    site.write(*jobs(5))
    run = site.run(painter.base_url)
    assert run.code == 0, run.stderr
    assert run.json["done"] == 5 and run.json["out_dir"] == site.address
    assert sorted(painter.hits.values()) == [1] * 5
    for row in run.json["rows"]:
        (image,) = row["images"]
        data = site.images[image["path"][len(site.address) + 1 :]]
        assert hashlib.sha256(data).hexdigest() == image["sha256"]
        assert data == picture(f"picture {row['id']}")
    again = site.run(painter.base_url)
    assert (again.code, again.json["done"], again.json["images"]) == (0, 5, 0)
    assert sum(painter.hits.values()) == site.sent == len(site.results) == 5
    assert not list(site.home.state.rglob("*.png"))


def test_twenty_jobs_by_two_shards_are_each_paid_once(s3_site: Site, painter: Painter) -> None:
    s3_site.write(*jobs(20))
    shards = [s3_site.start(painter.base_url, "--shard", f"{number}/2") for number in (1, 2)]
    runs = [ended(shard) for shard in shards]
    assert [run.code for run in runs] == [0, 0], runs
    assert sum(run.json["jobs"] for run in runs) == 20
    assert {row["id"] for run in runs for row in run.json["rows"]} == {str(number) for number in range(20)}
    assert sorted(painter.hits.values()) == [1] * 20
    assert len(s3_site.results) == len(s3_site.images) == s3_site.sent == 20


def test_which_shard_a_job_falls_to_does_not_depend_on_its_place(local_site: Site, painter: Painter) -> None:
    local_site.write(*jobs(12))
    before = local_site.run(painter.base_url, "--shard", "2/3")
    local_site.write(*reversed(jobs(12)), {"prompt": "one more", "id": "more"})
    after = local_site.run(painter.base_url, "--shard", "2/3")
    assert {row["id"] for row in before.json["rows"]} == {row["id"] for row in after.json["rows"]} - {"more"}


def test_a_shard_that_steals_does_what_the_others_have_left(local_site: Site, painter: Painter) -> None:
    local_site.write(*jobs(9))
    first = local_site.run(painter.base_url, "--shard", "1/3")
    rest = local_site.run(painter.base_url, "--shard", "2/3", "--steal")
    assert first.json["jobs"] < 9
    assert (rest.code, rest.json["jobs"], rest.json["done"]) == (0, 9, 9)
    assert sorted(painter.hits.values()) == [1] * 9


def test_jobs_and_inputs_are_read_from_addresses(site: Site, painter: Painter) -> None:
    store = open_objects(site.address)
    source = png(noise=b"a photo")
    store.put("in/photo.png", source)
    line = {"prompt": "a hat", "image": f"{site.address}/in/photo.png", "id": "hat"}
    store.put("in/jobs.jsonl", json.dumps(line).encode())
    words = site.words()
    words[2] = f"{site.address}/in/jobs.jsonl"
    site.words = lambda *flags: [*words, *flags]  # type: ignore[method-assign]
    run = site.run(painter.base_url)
    assert run.code == 0, run.stderr
    (request,) = [each for each in painter.server.requests if each.method == "POST"]
    assert request.path.endswith("/edits")
    assert [part.data for part in request.files()] == [source]


def test_an_image_that_the_store_does_not_take_stays_and_is_brought_there_without_a_new_call(
    local_site: Site, painter: Painter
) -> None:
    local_site.write(*jobs(2))
    root = Path(local_site.address[len("file://") :])
    root.mkdir()
    (root / "images").write_text("in the way")
    run = local_site.run(painter.base_url)
    assert run.code == 9
    assert status_by_id(run) == {"0": "saved", "1": "saved"}
    for row in run.json["rows"]:
        assert row["billed"] == "yes" and row["error"]["code"] == "upload_failed"
        assert sha256(Path(row["images"][0]["path"]).read_bytes()) == row["images"][0]["sha256"]
    (root / "images").unlink()
    again = local_site.run("http://127.0.0.1:9/v1")
    assert (again.code, again.json["done"]) == (0, 2), again.stderr
    assert sum(painter.hits.values()) == 2
    assert [result["cost_usd"] for result in local_site.results] == [
        row["cost_usd"] for row in run.json["rows"]
    ]


def test_images_that_wait_on_another_machine_are_not_paid_for_again(
    local_site: Site, painter: Painter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_site.write(*jobs(1))
    root = Path(local_site.address[len("file://") :])
    root.mkdir()
    (root / "images").write_text("in the way")
    local_site.run(painter.base_url)
    (root / "images").unlink()
    other = tmp_path / "other machine"
    other.mkdir()
    local_site.home.env["XDG_STATE_HOME"] = str(other)
    run = local_site.run(painter.base_url)
    (row,) = run.json["rows"]
    assert (row["status"], row["billed"], run.code) == ("saved", "yes", 9)
    assert sum(painter.hits.values()) == 1


def test_a_job_that_may_have_been_billed_goes_again_only_when_asked_to(site: Site, painter: Painter) -> None:
    site.write(*jobs(3))
    painter.says["picture 1"] = Answer(200, b"{", ())
    run = site.run(painter.base_url)
    assert status_by_id(run) == {"0": "done", "1": "ambiguous", "2": "done"}
    del painter.says["picture 1"]
    again = site.run(painter.base_url)
    assert (again.code, again.json["ambiguous"]) == (9, 1)
    assert painter.hits["picture 1"] == 1
    asked = site.run(painter.base_url, "--retry-ambiguous")
    assert (asked.code, asked.json["done"]) == (0, 3)
    assert painter.hits == {"picture 0": 1, "picture 1": 2, "picture 2": 1}


def test_a_job_that_was_refused_unbilled_is_free_and_goes_again(local_site: Site, painter: Painter) -> None:
    local_site.write(*jobs(2))
    painter.says["picture 0"] = refusal(400, "no such size", "invalid_size")
    run = local_site.run(painter.base_url)
    (row,) = [row for row in run.json["rows"] if row["id"] == "0"]
    assert (row["status"], row["billed"], row["error"]["code"]) == ("failed", "no", "invalid_size")
    del painter.says["picture 0"]
    again = local_site.run(painter.base_url)
    assert (again.code, again.json["done"]) == (0, 2)


def test_a_job_that_was_asked_to_come_again_waits_and_comes(local_site: Site, painter: Painter) -> None:
    local_site.write(*jobs(1))
    asked = refusal(429, "slow down", "rate_limit_exceeded")
    answers = [asked._replace(headers=(*asked.headers, ("Retry-After-Ms", "50")))] * 2
    paint = painter.server.answer
    painter.server.answer = lambda each: answers.pop() if answers and each.method == "POST" else paint(each)
    run = local_site.run(painter.base_url)
    assert run.code == 0, run.stderr
    states = [json.loads(data)["state"] for _, data in sorted(local_site.objects("claims/").items())]
    assert states == ["claimed", "sent", "claimed", "sent", "claimed", "sent", "saved"]
    assert run.json["rows"][0]["attempts"] == 3


def test_what_was_in_flight_when_its_worker_was_killed_is_not_sent_again(
    local_site: Site, painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence, "Times", lambda: Times(beat_s=0.1, silence_s=0.5))
    local_site.write(*jobs(1))
    arrived, may_go = threading.Semaphore(0), threading.Event()
    paint = painter.server.answer

    def hold(request: Request) -> Answer:
        if request.method == "POST":
            arrived.release()
            may_go.wait(WAIT_S)
        return paint(request)

    painter.server.answer = hold
    shard = local_site.start(painter.base_url)
    assert arrived.acquire(timeout=WAIT_S)
    shard.kill()
    shard.communicate()
    may_go.set()
    run = local_site.run(painter.base_url)
    assert (run.code, status_by_id(run)) == (9, {"0": "ambiguous"})
    assert run.json["rows"][0]["error"]["code"] == "in_flight"
    assert local_site.sent == sum(painter.hits.values()) == 1


def test_the_sum_of_two_shards_keeps_to_the_cap(local_site: Site, painter: Painter) -> None:
    local_site.write(*jobs(30))
    cap = 0.06
    shards = [
        local_site.start(painter.base_url, "--shard", f"{number}/2", "--max-cost", str(cap))
        for number in (1, 2)
    ]
    runs = [ended(shard) for shard in shards]
    spent = sum(run.json["cost_usd"] for run in runs)
    assert spent == pytest.approx(sum(result["cost_usd"] for result in local_site.results))
    assert cap - 2 * 0.006 < spent <= cap
    assert {run.code for run in runs} == {9}
    more = local_site.run(painter.base_url, "--max-cost", str(cap))
    assert more.json["images"] <= 1  # what both had left, earlier runs included
    assert "raise --max-cost" in more.json["error"]["hint"]


def test_no_key_comes_to_the_store(s3_site: Site, painter: Painter) -> None:
    s3_site.write(*jobs(2), {"prompt": "broken", "id": "broken"})
    painter.says["broken"] = refusal(400, f"your key {KEY} is bad", "bad")
    s3_site.run(painter.base_url)
    held = s3_site.objects("")
    assert len(held) > 6
    assert not [name for name, data in held.items() if KEY.encode() in data]


def test_what_the_sandbox_made_counts_for_the_sandbox_alone(local_site: Site, painter: Painter) -> None:
    local_site.write(*jobs(1))
    del local_site.home.env["GPT_IMAGE2_API_KEY"]
    words = local_site.words("--sandbox")
    site = local_site
    assert site.run("", *words[6:]).code == 0
    site.home.env["GPT_IMAGE2_API_KEY"] = KEY
    run = site.run(painter.base_url)
    assert (run.code, run.json["error"]["code"]) == (2, "other_host")
    assert painter.hits == {}


def test_jobs_that_are_alike_are_told_apart_by_their_ids_or_their_order(
    local_site: Site, painter: Painter
) -> None:
    local_site.write("a cat", "a cat", {"prompt": "a cat", "id": "third"})
    run = local_site.run(painter.base_url)
    assert run.json["done"] == 3
    assert painter.hits == {"a cat": 3}
    assert len(local_site.images) == 3


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"prompt": "x", "output": "../x.png"}, "no name below --out-dir"),
        ({"prompt": "x", "size": "1x1"}, "line 2"),
        ({"prompt": "y", "id": "0"}, "line 1 has the same id: 0"),
    ],
)
def test_a_line_that_is_no_job_is_refused_before_anything_is_sent(
    local_site: Site, painter: Painter, line: object, said: str
) -> None:
    local_site.write(*jobs(1), line)
    run = local_site.run(painter.base_url)
    assert (run.code, painter.hits) == (2, {})
    assert said in run.json["error"]["message"]
    assert not local_site.objects("")


def test_several_images_of_a_job_are_numbered(local_site: Site, painter: Painter) -> None:
    local_site.write({"prompt": "cats", "n": 3, "output": "pets/cat.png"})
    run = local_site.run(painter.base_url)
    assert run.code == 0, run.stderr
    assert sorted(local_site.images) == [f"images/pets/cat-{number}.png" for number in (1, 2, 3)]


def test_a_name_that_is_taken_is_not_written_over(local_site: Site, painter: Painter) -> None:
    for prompt in ("one", "two"):
        local_site.write({"prompt": prompt, "output": "same.png"})
        assert local_site.run(painter.base_url).code == 0
    assert len(local_site.images) == 2
    assert local_site.images["images/same.png"] == picture("one")


def test_a_dry_run_says_what_it_would_cost_and_touches_nothing(local_site: Site, painter: Painter) -> None:
    local_site.write(*jobs(4))
    run = local_site.run(painter.base_url, "--dry-run")
    assert (run.code, run.json["jobs"], run.json["images"]) == (0, 4, 4)
    assert run.json["cost_usd"]["high"] > 0
    folder = Path(local_site.address[len("file://") :])
    assert not folder.exists()
    assert main(["batch", "report", local_site.address]) == 2
    local_site.write({"prompt": "p", "image": f"file://{folder.parent}/nowhere/in.png"})
    assert local_site.run(painter.base_url).json["rows"][0]["error"]["code"] == "usage"
    assert not (folder.parent / "nowhere").exists()


def test_a_store_that_makes_no_object_once_is_for_one_process(
    home: Home, tmp_path: Path, capfd: object, monkeypatch: pytest.MonkeyPatch, painter: Painter
) -> None:
    site = Site(home, f"local://{tmp_path}/run", capfd, monkeypatch)
    site.write(*jobs(2))
    refused = site.run(painter.base_url, "--shard", "1/2")
    assert (refused.code, refused.json["error"]["code"]) == (2, "no_claims")
    run = site.run(painter.base_url)
    assert (run.code, run.json["done"]) == (0, 2), run.stderr
    assert "one process at a time" in run.stderr
    assert site.run(painter.base_url).json["images"] == 0


def test_a_store_that_writes_over_what_is_there_is_refused_before_anything_is_sent(
    home: Home, capfd: object, monkeypatch: pytest.MonkeyPatch, painter: Painter
) -> None:
    with serve_s3(keeps_conditions=False) as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        site = Site(home, f"{server.bucket()}/run", capfd, monkeypatch)
        site.write(*jobs(1))
        run = site.run(painter.base_url)
        assert (run.code, run.json["error"]["code"]) == (2, "no_claims")
        assert painter.hits == {}
        assert not site.objects("claims/") and not site.objects("workers/")


def test_the_script_alone_says_what_an_address_needs(home: Home) -> None:
    home.script = SCRIPT
    done = home.run("batch", "run", "jobs.jsonl", "--out-dir", "s3://bucket/run")
    assert done.code == 2
    # Where a gpt-image2 on the PATH has that part, it is named too.
    assert f"; install it: {install_line('cluster')}" in done.stderr


@pytest.mark.parametrize("flags", [["--shard", "1/2"], ["--steal"], ["--engine", "ray"]])
def test_what_needs_a_place_for_all_is_refused_with_a_folder(home: Home, flags: list[str]) -> None:
    done = home.run("batch", "run", "jobs.jsonl", *flags)
    assert done.code == 2 and "give --out-dir an address" in done.stderr


@pytest.mark.parametrize("shard", ["0/2", "3/2", "1", "x/y", "1/0"])
def test_a_shard_that_is_none_is_refused(local_site: Site, painter: Painter, shard: str) -> None:
    local_site.write(*jobs(1))
    assert local_site.run(painter.base_url, "--shard", shard).code == 2


def test_what_goes_to_the_batch_api_comes_to_a_folder(home: Home) -> None:
    (home.cwd / "jobs.jsonl").write_text("a cat\n")
    done = home.run("batch", "submit", "jobs.jsonl", "--out-dir", "s3://bucket/run")
    assert done.code == 2 and "name a folder here; nothing was sent" in done.stderr
    assert not (home.cwd / "s3:").exists()


def test_a_job_that_another_worker_has_in_flight_is_waited_for(local_site: Site, painter: Painter) -> None:
    local_site.write(*jobs(1))
    arrived, may_go = threading.Semaphore(0), threading.Event()
    paint = painter.server.answer

    def hold(request: Request) -> Answer:
        if request.method == "POST":
            arrived.release()
            threading.Timer(0.5, may_go.set).start()
            may_go.wait(WAIT_S)
        return paint(request)

    painter.server.answer = hold
    first = local_site.start(painter.base_url)
    assert arrived.acquire(timeout=WAIT_S)
    second = local_site.run(painter.base_url)
    assert (ended(first).code, second.code, second.json["done"]) == (0, 0, 1)
    assert sum(painter.hits.values()) == 1


class _Held:
    """A painter whose answers wait."""

    def __init__(self, painter: Painter) -> None:
        self.arrived, self.may_go = threading.Semaphore(0), threading.Event()
        paint = painter.server.answer

        def hold(request: Request) -> Answer:
            if request.method == "POST":
                self.arrived.release()
                self.may_go.wait(WAIT_S)
            return paint(request)

        painter.server.answer = hold

    def wait_for(self, requests: int) -> None:
        for _ in range(requests):
            assert self.arrived.acquire(timeout=WAIT_S)


def _farewell(process: Started) -> str:
    assert process.stderr is not None
    return next(line.decode() for line in process.stderr if b"nothing more is started" in line)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_a_signal_waits_for_what_is_paid_for_and_leaves_the_rest(
    signum: int, local_site: Site, painter: Painter
) -> None:
    local_site.write(*jobs(5))
    held = _Held(painter)
    process = local_site.start(painter.base_url, "--concurrency", "2", "--shard", "1/1", "--steal")
    held.wait_for(2)
    process.send_signal(signum)
    assert "waiting for 2 requests that are paid for" in _farewell(process)
    held.may_go.set()
    run = ended(process)
    assert (run.code, run.json["done"], run.json["not_started"]) == (128 + signum, 2, 3)
    assert sum(painter.hits.values()) == local_site.sent == 2
    again = local_site.run(painter.base_url)
    assert (again.code, again.json["done"]) == (0, 5)


def test_jobs_that_wait_for_their_turn_are_not_said_to_be_paid_for(
    local_site: Site, painter: Painter
) -> None:
    local_site.write(*jobs(5))
    held = _Held(painter)
    process = local_site.start(painter.base_url, "--concurrency", "5", "--images-per-minute", "2")
    held.wait_for(1)
    process.send_signal(signal.SIGTERM)
    assert "waiting for 1 request that is paid for" in _farewell(process)
    held.may_go.set()
    run = ended(process)
    assert (run.code, run.json["done"], run.json["not_started"]) == (143, 1, 4)


def test_a_second_signal_ends_what_is_under_way_and_names_it(local_site: Site, painter: Painter) -> None:
    local_site.write(*jobs(3))
    held = _Held(painter)
    process = local_site.start(painter.base_url, "--concurrency", "2", "--shard", "1/1")
    held.wait_for(2)
    process.send_signal(signal.SIGTERM)
    _farewell(process)
    process.send_signal(signal.SIGINT)
    run = ended(process)
    held.may_go.set()
    assert (run.code, run.json["ambiguous"], run.json["not_started"]) == (130, 2, 1)
    assert {row["billed"] for row in run.json["rows"] if row["status"] == "ambiguous"} == {"maybe"}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--engine", "ray", "--api-key", KEY], "stays on this machine"),
        (["--engine", "ray", "--address", "auto", "--sandbox"], "do not reach it"),
        (["--address", "auto"], "add --engine ray"),
    ],
)
def test_what_workers_elsewhere_cannot_have_is_refused(
    local_site: Site, painter: Painter, flags: list[str], said: str
) -> None:
    local_site.write(*jobs(1))
    run = local_site.run(painter.base_url, *flags)
    assert run.code == 2 and said in json.dumps(run.json["error"])
    assert KEY not in run.stdout + run.stderr
    assert painter.hits == {}
