"""Images that are paid for, and are not in the store yet."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import tasks
from batching import Painter, picture, prompt_of
from faulty import WAIT_S
from servers import Answer, Request, images
from stepping import World
from worksites import Site, jobs, status_by_id

from gpt_image2.cluster.jobs.job import ClusterJob
from gpt_image2.cluster.jobs.results import read_result
from gpt_image2.cluster.jobs.table import JobTable
from gpt_image2.cluster.jobs.table_rows import job_of_row
from gpt_image2.cluster.store.claims import Claim, Claims, State
from gpt_image2.cluster.store.found import StoreError
from gpt_image2.cluster.store.money import SharedBudget
from gpt_image2.cluster.store.objects import open_objects
from gpt_image2.cluster.work.workplace import Terms, open_workplace
from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.batch.job import Job
from gpt_image2.core.calls.client import Client
from gpt_image2.core.outputs.inflight import InFlight
from gpt_image2.core.settings.places import state_folder


class _InTheWay:
    """While it is entered the store takes no image."""

    def __init__(self, site: Site) -> None:
        self._path = Path(site.address[len("file://") :]) / "images"

    def __enter__(self) -> None:
        self._path.parent.mkdir(exist_ok=True)
        self._path.write_text("in the way")

    def __exit__(self, *_: object) -> None:
        self._path.unlink()


def test_fewer_images_than_were_asked_for_come_to_the_store_and_stay_fewer(
    local_site: Site, painter: Painter
) -> None:
    local_site.write({"prompt": "three", "n": 3, "id": "three"})
    painter.says["three"] = images(picture("three", 1), picture("three", 2))
    with _InTheWay(local_site):
        first = local_site.run(painter.base_url)
    assert status_by_id(first) == {"three": "saved"}
    again = local_site.run(painter.base_url)
    assert (again.code, status_by_id(again), again.json["cost_usd"]) == (9, {"three": "failed"}, 0.0)
    assert sorted(local_site.images.values()) == sorted([picture("three", 1), picture("three", 2)])
    (result,) = local_site.results
    assert (result["status"], result["cost_usd"]) == ("partial", first.json["cost_usd"])
    assert not list(local_site.home.state.rglob("*.png"))
    for _ in range(2):
        third = local_site.run(painter.base_url)
        (row,) = third.json["rows"]
        assert (third.code, row["status"], row["billed"], len(row["images"])) == (9, "failed", "yes", 2)
        assert row["error"]["code"] == "fewer_images"
    assert painter.hits == {"three": 1}


def test_what_neither_the_claim_nor_the_store_took_is_known_by_a_note_here(
    local_site: Site, painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_site.write({"prompt": "three", "n": 3, "id": "three"})
    painter.says["three"] = images(picture("three", 1), picture("three", 2))
    move = Claims.move

    def refuse(claims: Claims, claim: Claim, state: State, **told: Any) -> Claim | None:
        if state is State.SAVED:
            raise StoreError("the store is away")
        return move(claims, claim, state, **told)

    with monkeypatch.context() as patch:
        patch.setattr(Claims, "move", refuse)
        first = local_site.run(painter.base_url)
    local_site.run("http://127.0.0.1:9/v1")
    (result,) = local_site.results
    assert (result["cost_usd"], len(result["images"])) == (first.json["cost_usd"], 2)
    assert not list(local_site.home.state.glob("*/cluster/*/*"))


def test_an_image_beyond_those_asked_for_comes_to_the_store_too(local_site: Site, painter: Painter) -> None:
    local_site.write(*jobs(1))
    painter.says["picture 0"] = images(picture("one", 1), picture("one", 2))
    with _InTheWay(local_site):
        local_site.run(painter.base_url)
    again = local_site.run("http://127.0.0.1:9/v1")
    assert (again.code, again.json["images"], again.json["cost_usd"]) == (0, 2, 0.0)
    assert sorted(local_site.images.values()) == sorted([picture("one", 1), picture("one", 2)])


def test_a_run_that_sends_nothing_has_cost_nothing(local_site: Site, painter: Painter) -> None:
    local_site.write(*jobs(2))
    painter.says["picture 1"] = Answer(200, b"{", ())
    first = local_site.run(painter.base_url)
    assert (first.json["unpriced"], first.json["cost_usd"] > 0) == (1, True)
    again = local_site.run(painter.base_url)
    assert (again.json["ambiguous"], again.json["unpriced"], again.json["cost_usd"]) == (1, 0, 0.0)
    assert "unknown cost" not in again.stderr


def test_a_shard_that_steals_goes_on_telling_what_it_has_made_itself(
    local_site: Site, painter: Painter
) -> None:
    local_site.write(*jobs(6))
    run = local_site.run(painter.base_url, "--shard", "1/3", "--steal")
    assert run.json["done"] == 6
    assert [len(row["images"]) for row in run.json["rows"]] == [1] * 6
    assert sum(row["cost_usd"] for row in run.json["rows"]) == pytest.approx(run.json["cost_usd"])


def test_an_image_here_is_left_to_the_live_worker_whose_call_it_is_of(tmp_path: Path) -> None:
    world, job = World(tmp_path), ClusterJob("7" * 40, "7", ImageRequest(prompt="seven", model="m"), "7.png")
    first = world.start(job, "a", retry_ambiguous=False)
    while not list((tmp_path / "a").glob("*.png")):
        first.step("well")
    other = world.start(job, "a", retry_ambiguous=False)
    for worker in (other, first):
        while worker.is_at_work:
            worker.step("well")
    assert other.row is not None and (other.row.status, other.row.error_code) == ("elsewhere", "in_flight")
    assert first.row is not None and (first.row.status, first.row.cost_usd) == ("done", 0.01)
    row, _ = read_result(world.held[f"results/{job.job}.json"][0], world.address)
    assert row.cost_usd == 0.01


def test_two_rows_that_are_one_job_are_one_call_of_one_worker(
    local_site: Site, painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in local_site.home.environment(painter.base_url).items():
        monkeypatch.setenv(name, value)
    arrived, may_go, paint = threading.Semaphore(0), threading.Event(), painter.server.answer

    def hold(request: Request) -> Answer:
        if request.method == "POST":
            arrived.release()
            may_go.wait(WAIT_S)
        return paint(request)

    painter.server.answer = hold
    with ExitStack() as stack, ThreadPoolExecutor(2) as pool:
        client = Client(waits_for_server=False)
        place = open_workplace(open_objects(local_site.address), client, Terms(60.0), stack)
        job = job_of_row({"prompt": "alike"}, Job(ImageRequest(prompt="", model="")), client)
        first = pool.submit(place.worker.run, job)
        assert arrived.acquire(timeout=WAIT_S)
        second = place.worker.run(job)
        assert (second.status, second.error_code) == ("elsewhere", "in_flight")
        assert len(place.worker.sent_s) == 1
        may_go.set()
        assert first.result(WAIT_S).status == place.worker.run(job).status == "done"
    assert painter.hits == {"alike": 1}


def test_a_job_that_the_host_has_accepted_is_fetched_and_never_sent_again(
    local_site: Site, painter: Painter
) -> None:
    local_site.write(*jobs(1))
    is_done = threading.Event()

    def host(request: Request) -> Answer:
        return tasks.done("task-1", picture("slow")) if is_done.is_set() else tasks.under_way("task-1")

    painter.server.answer = host
    for flags in ([], [], ["--retry-ambiguous"]):
        run = local_site.run(painter.base_url, "--timeout", "0.3", *flags)
        (row,) = run.json["rows"]
        assert (run.code, run.json["accepted"], row["billed"]) == (9, 1, "maybe")
        assert row["error"]["code"] == "task_pending"
    is_done.set()
    assert local_site.run(painter.base_url, "--retry-ambiguous").code == 0
    assert list(local_site.images.values()) == [picture("slow")]
    assert painter.hits == {"picture 0": 1}


def test_what_was_not_sent_since_the_answer_of_the_store_was_lost_is_free_again(tmp_path: Path) -> None:
    world, job = World(tmp_path), ClusterJob("7" * 40, "7", ImageRequest(prompt="seven", model="m"), "7.png")
    first = world.start(job, "a", retry_ambiguous=False)
    first.step("well")
    first.step("lost")  # it is marked as sent
    while first.is_at_work:
        first.step("well")
    assert first.row is not None and (first.row.status, first.row.billed.value) == ("failed", "no")
    second = world.start(job, "b", retry_ambiguous=False)
    while second.is_at_work:
        second.step("well")
    assert second.row is not None and second.row.status == "done"
    assert world.requests == 1


def test_a_run_that_breaks_off_waits_for_what_is_paid_for(
    local_site: Site, painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    local_site.write(*jobs(2))
    has_broken, paint = threading.Event(), painter.server.answer

    def end(*_: object) -> None:
        has_broken.set()
        raise OSError(28, "No space left on device")

    def hold(request: Request) -> Answer:
        if request.method == "POST" and prompt_of(request) == "picture 1":
            has_broken.wait(WAIT_S)
        return paint(request)

    monkeypatch.setattr(JobTable, "end", end)
    painter.server.answer = hold
    assert local_site.run(painter.base_url).code != 0
    assert len(local_site.results) == len(local_site.images) == 2


def test_what_a_worker_has_given_up_it_takes_again(
    local_site: Site, painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in local_site.home.environment(painter.base_url).items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:
        client = Client(waits_for_server=False)
        place = open_workplace(open_objects(local_site.address), client, Terms(60.0), stack)
        job = job_of_row({"prompt": "again"}, Job(ImageRequest(prompt="", model="")), client)
        with monkeypatch.context() as patch:
            patch.setattr(SharedBudget, "take", _refuse)
            assert place.worker.run(job).status == "failed"
        assert place.worker.run(job).status == "done"


def test_without_a_place_for_images_on_their_way_nothing_is_sent(local_site: Site, painter: Painter) -> None:
    local_site.write(*jobs(1))
    local_site.home.env["XDG_STATE_HOME"] = str(local_site.home.cwd / "jobs.jsonl")
    run = local_site.run(painter.base_url)
    assert (run.code, run.json["error"]["code"], painter.hits) == (2, "output_not_writable", {})
    assert "XDG_STATE_HOME" in run.json["error"]["hint"]


def _refuse(*_: object) -> None:
    raise StoreError("the store is away")


def test_where_there_is_a_sum_a_job_of_unknown_price_is_not_sent(
    local_site: Site, painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in local_site.home.environment(painter.base_url).items():
        monkeypatch.setenv(name, value)
    with ExitStack() as stack:
        client = Client(waits_for_server=False)
        place = open_workplace(open_objects(local_site.address), client, Terms(60.0, max_cost_usd=1.0), stack)
        job = job_of_row(
            {"prompt": "x", "model": "nobody-knows"}, Job(ImageRequest(prompt="", model="")), client
        )
        row = place.worker.run(job)
    assert (row.status, row.error_code, painter.hits) == ("failed", "unknown_cost", {})


def test_a_part_of_what_a_killed_worker_received_is_brought_when_no_more_can_come(tmp_path: Path) -> None:
    request = ImageRequest(prompt="seven", model="m", n=2)
    world, job = World(tmp_path), ClusterJob("7" * 40, "7", request, "7.png")
    first = world.start(job, "a", retry_ambiguous=False)
    first.step("well")
    first.step("well")
    first.kill()
    (tmp_path / "a" / f"{job.job}-1.png").write_bytes(picture("seven"))
    state = state_folder({"XDG_STATE_HOME": str(tmp_path)})
    InFlight(state, {"id": 1}).leave()
    statuses: list[str] = []
    for _ in range(2):
        worker = world.start(job, "a", retry_ambiguous=False)
        while worker.is_at_work:
            worker.step("well")
        assert worker.row is not None
        statuses.append(worker.row.status)
        shutil.rmtree(state / "inflight", ignore_errors=True)
    assert statuses == ["ambiguous", "partial"]
    assert world.requests == 0 and world.held["images/7-1.png"][0] == picture("seven")
