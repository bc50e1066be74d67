"""A real Ray of several processes on this machine."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, Iterator

import pytest
from engines import environment, own_sandbox, requests_of, rows
from harness import KEY, Sandbox

ray = pytest.importorskip("ray")
np = pytest.importorskip("numpy")
pytestmark = [
    pytest.mark.timeout(900),
    # Ray's own.
    pytest.mark.filterwarnings("ignore"),
]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A Ray cluster whose workers send to the sandbox that this is."""
    home = tmp_path_factory.mktemp("home")
    with own_sandbox(0.3) as sandbox, pytest.MonkeyPatch.context() as patch:
        for name, value in environment(
            sandbox.base_url, str(home), RAY_DATA_DISABLE_PROGRESS_BARS="1"
        ).items():
            patch.setenv(name, value)
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        yield sandbox
        ray.shutdown()


def image_jobs(found: list[dict[str, Any]], out: str, actors: int = 2, **options: Any) -> Any:
    from ray.data import ActorPoolStrategy

    from gpt_image2.cluster.ray import ImageJobs

    return ray.data.from_items(found).map_batches(
        ImageJobs,
        fn_constructor_kwargs={"out": out, **options},
        compute=ActorPoolStrategy(size=actors),
        num_cpus=0.1,
        batch_size=4,
    )


def test_rows_come_out_with_what_became_of_them_and_none_raises(cluster: Sandbox, tmp_path: Path) -> None:
    from gpt_image2.cluster.ray import close_desk

    out = f"file://{tmp_path}/run"
    before = requests_of(cluster)
    broken = [
        {"prompt": "", "id": "empty", "quality": "low", "label": 98},
        {"prompt": "x", "id": "size", "size": "1x1", "label": 99},
    ]
    # A column of whole numbers with a hole is one of floats; columns that are not sent may hold anything.
    odd = [{"n": 1 if place % 2 else None, "pixels": np.zeros((2, 2)), "any": {place}} for place in range(12)]
    table = [{**row, **odd[place], "label": place} for place, row in enumerate(rows(12))] + broken
    jobs = image_jobs(table, out)
    found = jobs.take_all()
    assert Counter(row["status"] for row in found) == {"done": 12, "invalid": 2}
    assert {row["label"] for row in found} == {*range(12), 98, 99}
    for row in (each for each in found if each["status"] == "done"):
        assert row["pixels"].shape == (2, 2)
        assert (row["billed"], row["attempts"], row["width"]) == ("yes", 1, 1024)
        assert Path(row["uri"][len("file://") :]).stat().st_size > 0
    again = jobs.take_all()
    assert Counter(row["status"] for row in again) == {"done": 12, "invalid": 2}
    assert requests_of(cluster) - before == 12
    assert KEY not in json.dumps(found, default=str)
    close_desk(out)


def test_workers_that_are_killed_pay_for_no_job_twice(
    cluster: Sandbox, tmp_path: Path, in_full: bool
) -> None:
    from gpt_image2.cluster.ray import close_desk
    from gpt_image2.cluster.store.claims import State, read_claim
    from gpt_image2.cluster.store.objects import open_objects

    out, count = f"file://{tmp_path}/run", 200 if in_full else 60
    objects, chance, before = open_objects(out), random.Random(7), requests_of(cluster)
    killed: set[int] = set()
    ended = threading.Event()

    def kill() -> None:
        """Kills a worker each time that some more results have come."""
        for share in (0.2, 0.4, 0.6):
            while len(list(objects.list("results/"))) < share * count:
                if ended.wait(0.05):
                    return
            names = [found.name for found in objects.list("workers/") if "/desk-" not in found.name]
            pids = [int(name.split("-")[-3]) for name in names]
            alive = [pid for pid in pids if pid not in killed and Path(f"/proc/{pid}").exists()]
            if alive:
                pid = chance.choice(alive)
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    found = image_jobs(rows(count), out, actors=3, concurrency=4).take_all()
    ended.set()
    killer.join()
    close_desk(out)
    assert killed
    states = Counter(row["status"] for row in found)
    assert set(states) <= {"done", "ambiguous", "elsewhere"}, states
    sent = Counter(
        claim.job
        for each in objects.list("claims/")
        if (claim := read_claim(objects.get(each.name) or b"")).state is State.SENT
    )
    assert max(sent.values()) == 1
    assert requests_of(cluster) - before <= sum(sent.values()) == count
    assert len(list(objects.list("results/"))) >= states["done"]


def test_the_command_line_runs_on_ray_and_keeps_to_the_sum(cluster: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(10)))
    words = ["batch", "run", "jobs.jsonl", "--out-dir", f"file://{tmp_path}/run", "--engine", "ray", "--json"]
    for flags, code, done in ((["--max-cost", "0.03"], 9, 5), ([], 0, 10)):
        run = subprocess.run(
            [sys.executable, "-m", "gpt_image2", *words, *flags],
            cwd=tmp_path,
            env={**os.environ, "RAY_ADDRESS": ""},
            capture_output=True,
            timeout=300,
        )
        outcome = json.loads(run.stdout)
        assert (run.returncode, outcome["done"]) == (code, done), run.stderr


def test_what_a_worker_cannot_begin_with_is_told_in_a_line(cluster: Sandbox, tmp_path: Path) -> None:
    """Its machine lacks the key that is named; and nothing that Ray prints of that reaches stdout."""
    (tmp_path / "jobs.jsonl").write_text(json.dumps(rows(1)[0]) + "\n")
    words = ["batch", "run", "jobs.jsonl", "--out-dir", f"file://{tmp_path}/run", "--engine", "ray", "--json"]
    address = ray.get_runtime_context().gcs_address
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"base_url": cluster.base_url, "api_key_env": "THAT_NO_WORKER_HAS"}))
    run = subprocess.run(
        [sys.executable, "-m", "gpt_image2", *words, "--address", address, "--config", str(config)],
        cwd=tmp_path,
        env={**os.environ, "THAT_NO_WORKER_HAS": KEY},
        capture_output=True,
        timeout=300,
    )
    outcome = json.loads(run.stdout)
    assert (run.returncode, outcome["billed"], outcome["error"]["code"]) == (3, "no", "ray_worker"), outcome
    assert "THAT_NO_WORKER_HAS" in outcome["error"]["message"]


def test_ctrl_c_on_ray_starts_nothing_more_and_says_what_it_waits_for(tmp_path: Path) -> None:
    (tmp_path / "jobs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows(64)))
    words = ["batch", "run", "jobs.jsonl", "--out-dir", f"file://{tmp_path}/run", "--engine", "ray", "--json"]
    with own_sandbox(3.0) as sandbox:
        process = subprocess.Popen(
            [sys.executable, "-m", "gpt_image2", *words, "--concurrency", "2"],
            cwd=tmp_path,
            env={**os.environ, **environment(sandbox.base_url, str(tmp_path)), "RAY_ADDRESS": ""},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        with process:
            while requests_of(sandbox) < 2 and process.poll() is None:
                time.sleep(0.05)
            process.send_signal(signal.SIGINT)
            printed, said = (text.decode() for text in process.communicate(timeout=300))
        outcome = json.loads(printed)
        sent = requests_of(sandbox)
    assert re.search(r"nothing more is started; waiting for \d+ requests? that (is|are) paid for", said), said
    assert process.returncode == 130 and 2 <= outcome["done"] == sent < 64, (outcome, said)
