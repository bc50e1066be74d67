# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Workers that are killed in the midst of a batch: who pays how often.

Needs the environment of `make cluster`, with `openai` for the rival: the same dataset by a plain
`map_batches` over the official SDK.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from gpt_image2.cluster.store.objects import open_objects

from .sites import KEY, LATENCY_S, Site, new_home, rows, servers, write_jobs

KILLS_AT = (0.2, 0.4, 0.6)  # of the jobs
_SHARDS, _WORKERS = 16, 4


class Outcome(NamedTuple):
    """What came of one way: paid requests, claims that say `sent`, jobs with a result, those named as in
    doubt, jobs that were paid for twice, images without a result, workers killed, paid requests of a second
    run of the same, seconds of the first."""

    way: str
    paid: int
    sent: int | None
    done: int
    doubt: int
    twice: int
    strays: int | None
    killed: int
    again: int | None
    elapsed_s: float


def run(jobs: int) -> list[str]:
    """Runs every way once, each in its own process; the lines of a table."""
    outcomes: list[Outcome] = []
    for name in WAYS:
        with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
            told = Path(folder) / "outcome.json"
            command = [sys.executable, "-m", "bench.cluster", "way", str(jobs), name, str(told)]
            subprocess.run(command, check=True)
            outcomes.append(Outcome(*json.loads(told.read_text(encoding="utf-8"))))
        print(outcomes[-1], flush=True)
    return table(jobs, outcomes)


def table(jobs: int, outcomes: list[Outcome]) -> list[str]:
    """The lines of a table."""
    return [
        f"{jobs} jobs, {len(KILLS_AT)} workers killed by SIGKILL, calls of {LATENCY_S} s, S3 by moto; one "
        "run each.",
        "",
        "| way | workers killed | paid calls | claims `sent` | jobs with a result | named in doubt "
        "| jobs paid for more than once | images without a result | calls of a second run | s |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {each.way} | {each.killed} | {each.paid} | {_or_dash(each.sent)} | {each.done} "
            f"| {each.doubt} | {each.twice} | {_or_dash(each.strays)} | {_or_dash(each.again)} "
            f"| {each.elapsed_s:.0f} |"
            for each in outcomes
        ),
    ]


def run_way(jobs: int, way: str, told: Path) -> None:
    """Runs one way, in this process, and writes what came of it."""
    random.seed(7)
    told.write_text(json.dumps(WAYS[way](jobs, told.parent)), encoding="utf-8")


def by_shards(jobs: int, root: Path) -> Outcome:
    """16 shards as plain processes; those that are killed are not started again."""
    with servers(root) as site:
        path, started_s = write_jobs(root, jobs), time.monotonic()
        processes = [
            _shard(site, path, root, number, "--concurrency", "4") for number in range(1, _SHARDS + 1)
        ]
        killed = _kill_some(site, jobs, lambda: [each.pid for each in processes if each.poll() is None])
        told = [process.communicate()[0] for process in processes]
        elapsed_s = time.monotonic() - started_s
        doubt = {
            row["id"] for text in told if text for row in json.loads(text)["rows"] if row["status"] != "done"
        }
        paid = site.paid().total()
        _shard(site, path, root, 0).communicate()
        return Outcome(
            f"`--shard I/{_SHARDS} --steal`, {_SHARDS} processes",
            paid=paid,
            sent=site.sent(),
            done=site.count("results/"),
            doubt=len(doubt),
            twice=_twice(site),
            strays=site.strays(),
            killed=killed,
            again=site.paid().total() - paid,
            elapsed_s=elapsed_s,
        )


def _shard(site: Site, jobs: Path, root: Path, number: int, *flags: str) -> subprocess.Popen[bytes]:
    """One shard, from 1; 0 is a run of all jobs."""
    words = ["batch", "run", str(jobs), "--json", "--out-dir", site.address, *flags]
    if number:
        words += ["--steal", "--shard", f"{number}/{_SHARDS}"]
    return subprocess.Popen(
        [sys.executable, "-m", "gpt_image2", *words],
        env={**os.environ, "HOME": new_home(root)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def by_ray(jobs: int, root: Path) -> Outcome:
    """Ray Data with `ImageJobs`, 4 workers."""
    with servers(root) as site, _ray():
        import ray
        from ray.data import ActorPoolStrategy

        from gpt_image2.cluster.ray import ImageJobs, close_desk

        def made() -> Counter[str]:
            dataset = ray.data.from_items(rows(jobs)).map_batches(
                ImageJobs,
                fn_constructor_kwargs={"out": site.address, "concurrency": 16},
                compute=ActorPoolStrategy(size=_WORKERS),
                num_cpus=0.1,
                batch_size=16,
            )
            return Counter(row["status"] for row in dataset.iter_rows())

        started_s = time.monotonic()
        killer = _Killer(site, jobs, site.pids)
        found = made()
        killed, elapsed_s = killer.end(), time.monotonic() - started_s
        paid = site.paid().total()
        made()
        close_desk(site.address)
        return Outcome(
            f"Ray Data, `ImageJobs`, {_WORKERS} workers",
            paid=paid,
            sent=site.sent(),
            done=site.count("results/"),
            doubt=found.total() - found["done"],
            twice=_twice(site),
            strays=site.strays(),
            killed=killed,
            again=site.paid().total() - paid,
            elapsed_s=elapsed_s,
        )


class Sdk:
    """The same by the official SDK, as its users write it: an image to S3, its name into the table."""

    def __init__(self, out: str) -> None:
        import openai

        self._client = openai.OpenAI(api_key=KEY, base_url=os.environ["GPT_IMAGE2_BASE_URL"])
        self._objects = open_objects(out)
        self._objects.put(f"workers/sdk-{os.getpid()}-0-0", b"")  # whom to kill

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Makes the images of a batch, several at once."""
        import base64
        from concurrent.futures import ThreadPoolExecutor

        def make(prompt: str, name: str) -> str:
            answer = self._client.images.generate(
                model="gpt-image-2", prompt=prompt, quality="low", size="1024x640", output_format="jpeg"
            )
            image = (answer.data or [])[0].b64_json or ""
            self._objects.put(f"results/{name}", base64.b64decode(image))
            return name

        with ThreadPoolExecutor(16) as pool:
            return {"name": list(pool.map(make, batch["prompt"], batch["id"]))}


def by_sdk_on_ray(jobs: int, root: Path) -> Outcome:
    """Ray Data with the official SDK, 4 workers."""
    with servers(root) as site, _ray():
        import ray
        from ray.data import ActorPoolStrategy

        started_s = time.monotonic()
        dataset = ray.data.from_items(rows(jobs)).map_batches(
            Sdk,
            fn_constructor_kwargs={"out": site.address},
            compute=ActorPoolStrategy(size=_WORKERS),
            num_cpus=0.1,
            batch_size=16,
        )
        killer = _Killer(site, jobs, site.pids)
        try:
            done = sum(1 for _ in dataset.iter_rows())
        except Exception as error:
            print(f"the dataset failed: {type(error).__name__}")
            done = 0
        killed = killer.end()
        return Outcome(
            f"Ray Data, the official SDK in `map_batches`, {_WORKERS} workers",
            paid=site.paid().total(),
            sent=None,
            done=done,
            doubt=0,
            twice=_twice(site),
            strays=None,
            killed=killed,
            again=None,
            elapsed_s=time.monotonic() - started_s,
        )


def _twice(site: Site) -> int:
    return sum(count > 1 for count in site.paid().values())


class _Killer:
    """Kills a worker each time that some more requests have come."""

    def __init__(self, site: Site, jobs: int, pids: Callable[[], list[int]]) -> None:
        self._args = site, jobs, pids
        self._ended = threading.Event()
        self._killed = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._killed = _kill_some(*self._args, self._ended)

    def end(self) -> int:
        """How many were killed."""
        self._ended.set()
        self._thread.join()
        return self._killed


def _kill_some(
    site: Site, jobs: int, pids: Callable[[], list[int]], ended: threading.Event | None = None
) -> int:
    killed: set[int] = set()
    for share in KILLS_AT:
        while site.hits() < share * jobs:
            if ended is not None and ended.is_set():
                return len(killed)
            time.sleep(0.5)
        alive = [pid for pid in pids() if pid not in killed]
        if alive:
            pid = random.choice(alive)  # noqa: S311
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
    return len(killed)


@contextmanager
def _ray() -> Generator[None, None, None]:
    import ray

    os.environ["RAY_DATA_DISABLE_PROGRESS_BARS"] = "1"
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield
    ray.shutdown()


def _or_dash(value: int | None) -> str:
    return "–" if value is None else str(value)


WAYS: dict[str, Callable[[int, Path], Outcome]] = {
    "shards": by_shards,
    "ray": by_ray,
    "sdk": by_sdk_on_ray,
}
