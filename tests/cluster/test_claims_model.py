from __future__ import annotations

import hashlib
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from stepping import World

from gpt_image2.cluster.jobs.job import ClusterJob
from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.base.record import replace as replaced
from gpt_image2.core.batch.journal import image_of_fields

REQUEST = ImageRequest(prompt="a cat", model="gpt-image-2")
JOB = ClusterJob(f"{7:040d}", "7", REQUEST, "7.png")
_MOST_WORKERS = 6
_STEPS = st.sampled_from([1, *range(1, 10)])


class Workers(RuleBasedStateMachine):
    """Workers at one job, on two machines, each step of each in any order."""

    @initialize(images=st.sampled_from([1, 1, 2]))
    def begin(self, images: int) -> None:
        self.job = replace(JOB, request=replaced(REQUEST, n=images))
        self.folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self.world = World(Path(self.folder.name))
        self.retrying = 0
        self.results: dict[str, bytes] = {}

    @precondition(lambda self: len(self.world.workers) < _MOST_WORKERS)
    @rule(machine=st.sampled_from("ab"), retries=st.sampled_from([False] * 5 + [True]))
    def start(self, machine: str, retries: bool) -> None:
        self.world.start(self.job, machine, retries)
        self.retrying += retries

    @precondition(lambda self: any(each.is_at_work for each in self.world.workers))
    @rule(
        data=st.data(),
        fate=st.sampled_from(["well"] * 6 + ["lost", "refused"]),
        steps=st.sampled_from([1, 1, 2, 3, 9]),
    )
    def step(self, data: st.DataObject, fate: str, steps: int) -> None:
        stepper = data.draw(st.sampled_from([each for each in self.world.workers if each.is_at_work]))
        for number in range(steps):
            if stepper.is_at_work:
                stepper.step(fate if number == steps - 1 else "well")
        assert stepper.defect is None, stepper.defect
        assert stepper.row is None or stepper.row.error_code != "internal_error", stepper.row

    @precondition(lambda self: any(each.is_at_work for each in self.world.workers))
    @rule(data=st.data(), silent=st.booleans())
    def lose(self, data: st.DataObject, silent: bool) -> None:
        """A worker dies, or only seems to."""
        stepper = data.draw(st.sampled_from([each for each in self.world.workers if each.is_at_work]))
        if silent:
            stepper.is_silent = True
        else:
            stepper.kill()

    @precondition(lambda self: len(self.world.workers) < _MOST_WORKERS)
    @rule(
        machine=st.sampled_from("ab"),
        steps=st.sampled_from([1, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        kill=st.booleans(),
    )
    def lose_one_in_the_midst(self, machine: str, steps: int, kill: bool) -> None:
        """A worker begins, and dies after so many steps, or only seems to."""
        stepper = self.world.start(JOB, machine, retry_ambiguous=False)
        for _ in range(steps):
            if stepper.is_at_work:
                stepper.step("well")
        stepper.is_silent = True
        if kill:
            stepper.kill()

    @precondition(lambda self: len(self.world.workers) < _MOST_WORKERS)
    @rule(machine=st.sampled_from("ab"))
    def one_goes_all_the_way(self, machine: str) -> None:
        stepper = self.world.start(JOB, machine, retry_ambiguous=False)
        while stepper.is_at_work:
            stepper.step("well")
        assert stepper.defect is None, stepper.defect

    @precondition(lambda self: any(each.is_at_work for each in self.world.workers))
    @rule(data=st.data())
    def let_one_end(self, data: st.DataObject) -> None:
        stepper = data.draw(st.sampled_from([each for each in self.world.workers if each.is_at_work]))
        while stepper.is_at_work:
            stepper.step("well")
        assert stepper.defect is None, stepper.defect

    @rule()
    def wait(self) -> None:
        self.world.wait_an_hour()

    @invariant()
    def pays_once(self) -> None:
        """Twice only where somebody has asked for it."""
        assert self.world.paid <= 1 + self.retrying

    @invariant()
    def sends_what_is_marked(self) -> None:
        """No request leaves but behind a claim that says so."""
        claims = [data for name, (data, _) in self.world.held.items() if name.startswith("claims/")]
        assert self.world.requests <= sum(json.loads(data)["state"] == "sent" for data in claims)

    @invariant()
    def no_result_lacks_its_image(self) -> None:
        for name, (data, _) in self.world.held.items():
            if name.startswith("results/"):
                for fields in json.loads(data)["images"]:
                    image = image_of_fields(fields)
                    assert hashlib.sha256(self.world.held[image.path][0]).hexdigest() == image.sha256
                assert self.results.setdefault(name, data) == data

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()
            self.folder.cleanup()


@pytest.mark.timeout(900)
def test_workers_that_die_between_any_two_steps_pay_once(in_full: bool) -> None:
    """A property of the whole protocol."""
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        Workers,
        settings=settings(
            max_examples=5000 if in_full else 150,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_a_worker_that_is_left_alone_ends_with_a_result(tmp_path: Path) -> None:
    world = World(tmp_path)
    worker = world.start(JOB, "a", retry_ambiguous=False)
    while worker.is_at_work:
        worker.step("well")
    assert worker.row is not None and worker.row.status == "done"
    assert f"results/{JOB.job}.json" in world.held
    world.close()


def test_a_result_is_written_for_whoever_died_between_image_and_result(tmp_path: Path) -> None:
    world = World(tmp_path)
    first = world.start(JOB, "a", retry_ambiguous=False)
    while "images/7.png" not in world.held:
        first.step("well")
    first.kill()
    second = world.start(JOB, "b", retry_ambiguous=False)
    while second.is_at_work:
        second.step("well")
    assert second.row is not None and second.row.status == "done"
    assert (world.requests, f"results/{JOB.job}.json" in world.held) == (1, True)
    world.close()


@pytest.mark.parametrize(("claims", "status"), [(2, "ambiguous"), (3, "saved")])
def test_an_image_on_the_disk_of_a_dead_worker_is_brought_to_the_store_from_there(
    tmp_path: Path, claims: int, status: str
) -> None:
    world = World(tmp_path)
    first = world.start(JOB, "a", retry_ambiguous=False)
    while not list((tmp_path / "a").glob("*.png")) or len(world.held) < claims:
        first.step("well")
    first.kill()
    for machine, known in (("b", status), ("a", "done")):
        world.wait_an_hour()
        other = world.start(JOB, machine, retry_ambiguous=False)
        while other.is_at_work:
            other.step("well")
        assert other.row is not None and other.row.status == known
    assert world.requests == 1
    world.close()


def test_a_worker_that_was_taken_for_dead_and_wakes_up_sends_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    first = world.start(JOB, "a", retry_ambiguous=False)
    first.step("well")  # it has claimed the job
    first.is_silent = True
    second = world.start(JOB, "b", retry_ambiguous=False)
    for worker in (second, first):
        while worker.is_at_work:
            worker.step("well")
    assert second.row is not None and second.row.status == "done"
    assert first.row is not None and first.row.status == "elsewhere"
    assert world.requests == world.paid == 1
    world.close()
