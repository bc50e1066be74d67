# pyright: reportMissingImports=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
"""Workers that are killed in the midst of a batch: who pays how often. `python -m bench.cluster [JOBS]`.

Writes `bench/CLUSTER.md`. Needs the environment of `make cluster`, with `openai` for the rival: the same
dataset by a plain `map_batches` over the official SDK.
"""

from __future__ import annotations

import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

RESULTS = Path(__file__).with_name("CLUSTER.md")
SUPPORT = Path(__file__).parents[1] / "tests" / "support"
LATENCY_S = 0.5
KILLS_AT = (0.2, 0.4, 0.6)  # of the jobs
_KEY = "sk-test-0123456789abcdefghijKEY"


class Outcome(NamedTuple):
    """What came of one way: paid requests, claims that say `sent`, jobs with a result, those named as in
    doubt, jobs that were paid for twice, images without a result, workers killed, seconds."""

    way: str
    paid: int
    sent: int | None
    done: int
    doubt: int
    twice: int
    strays: int | None
    killed: int
    elapsed_s: float


def main(jobs: int) -> int:
    """Runs every way once, each in its own process, and writes the table; 1 where ours has paid twice."""
    outcomes: list[Outcome] = []
    for name in WAYS:
        with tempfile.TemporaryDirectory(prefix="cluster-") as folder:
            told = Path(folder) / "outcome.json"
            command = [sys.executable, "-m", "bench.cluster", str(jobs), name, str(told)]
            subprocess.run(command, check=True)
            outcomes.append(Outcome(*json.loads(told.read_text(encoding="utf-8"))))
        print(outcomes[-1], flush=True)
    lines = [
        f"{jobs} jobs, {len(KILLS_AT)} workers killed by SIGKILL, calls of {LATENCY_S} s, S3 by moto; "
        f"one run each, {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}.",
        "",
        "| way | workers killed | paid calls | claims `sent` | jobs with a result | named in doubt "
        "| jobs paid for more than once | images without a result | s |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
        *(
            f"| {each.way} | {each.killed} | {each.paid} | {_or_dash(each.sent)} | {each.done} "
            f"| {each.doubt} | {each.twice} | {_or_dash(each.strays)} | {each.elapsed_s:.0f} |"
            for each in outcomes
        ),
        "",
    ]
    RESULTS.write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
    return int(any(each.twice for each in outcomes[:2]))


def by_shards(jobs: int, root: Path) -> Outcome:
    """16 shards as plain processes; those that are killed are not started again."""
    with _servers(root) as site:
        _write_jobs(root, jobs)
        words = [
            sys.executable,
            "-m",
            "gpt_image2",
            "batch",
            "run",
            str(root / "jobs.jsonl"),
            "--json",
            "--steal",
        ]
        started = time.monotonic()
        processes = [
            subprocess.Popen(
                [*words, "--out-dir", site.address, "--shard", f"{number}/16", "--concurrency", "4"],
                env={**os.environ, "HOME": _home(root, number)},
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            for number in range(1, 17)
        ]
        killed = _kill_some(site, jobs, lambda: [each.pid for each in processes if each.poll() is None])
        told = [process.communicate()[0] for process in processes]
        elapsed_s = time.monotonic() - started
        rows = {
            row["id"]: row["status"]
            for text in told
            if text
            for row in json.loads(text)["rows"]
            if row["status"] != "done"
        }
        done = site.count("results/")
        return _outcome("`--shard I/16 --steal`, 16 processes", site, done, len(rows), killed, elapsed_s)


def by_ray(jobs: int, root: Path) -> Outcome:
    """Ray Data with `ImageJobs`, 4 workers."""
    with _servers(root) as site, _ray():
        import ray
        from ray.data import ActorPoolStrategy

        from gpt_image2.cluster.ray import ImageJobs, close_desk

        started = time.monotonic()
        dataset = ray.data.from_items(_rows(jobs)).map_batches(
            ImageJobs,
            fn_constructor_kwargs={"out": site.address, "concurrency": 16},
            compute=ActorPoolStrategy(size=4),
            num_cpus=0.1,
            batch_size=16,
        )
        killer = _Killer(site, jobs, lambda: site.pids())
        found = Counter(row["status"] for row in dataset.iter_rows())
        killed = killer.end()
        close_desk(site.address)
        doubt = found.total() - found["done"]
        elapsed_s = time.monotonic() - started
        return _outcome(
            "Ray Data, `ImageJobs`, 4 workers", site, site.count("results/"), doubt, killed, elapsed_s
        )


class Sdk:
    """The same by the official SDK, as its users write it: an image to S3, its name into the table."""

    def __init__(self, out: str) -> None:
        import openai

        from gpt_image2.cluster.store.objects import open_objects

        self._client = openai.OpenAI(api_key=_KEY, base_url=os.environ["GPT_IMAGE2_BASE_URL"])
        self._objects = open_objects(out)
        self._objects.put(f"workers/sdk-{os.getpid()}-0-0", b"")  # whom to kill

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Makes the images of a batch, several at once."""
        import base64
        from concurrent.futures import ThreadPoolExecutor

        def make(prompt: str, name: str) -> str:
            answer = self._client.images.generate(model="gpt-image-2", prompt=prompt, quality="low")
            image = (answer.data or [])[0].b64_json or ""
            self._objects.put(f"results/{name}", base64.b64decode(image))
            return name

        with ThreadPoolExecutor(16) as pool:
            return {"name": list(pool.map(make, batch["prompt"], batch["id"]))}


def by_sdk_on_ray(jobs: int, root: Path) -> Outcome:
    """Ray Data with the official SDK, 4 workers."""
    with _servers(root) as site, _ray():
        import ray
        from ray.data import ActorPoolStrategy

        started = time.monotonic()
        dataset = ray.data.from_items(_rows(jobs)).map_batches(
            Sdk,
            fn_constructor_kwargs={"out": site.address},
            compute=ActorPoolStrategy(size=4),
            num_cpus=0.1,
            batch_size=16,
        )
        killer = _Killer(site, jobs, lambda: site.pids())
        try:
            rows = sum(1 for _ in dataset.iter_rows())
        except Exception as error:
            print(f"the dataset failed: {type(error).__name__}")
            rows = 0
        killed = killer.end()
        elapsed_s = time.monotonic() - started
        way = "Ray Data, the official SDK in `map_batches`, 4 workers"
        return _outcome(way, site, rows, 0, killed, elapsed_s)._replace(sent=None, strays=None)


class Site(NamedTuple):
    """A sandbox and a bucket."""

    base_url: str
    address: str

    def count(self, prefix: str) -> int:
        """How many objects there are."""
        from gpt_image2.cluster.store.objects import open_objects

        return sum(1 for _ in open_objects(self.address).list(prefix))

    def pids(self) -> list[int]:
        """The processes of the workers that are there."""
        from gpt_image2.cluster.store.objects import open_objects

        names = [found.name for found in open_objects(self.address).list("workers/")]
        pids = [int(name.split("-")[-3]) for name in names if "/desk-" not in name]
        return [pid for pid in pids if Path(f"/proc/{pid}").exists()]

    def paid(self) -> Counter[str]:
        """The paid requests, by their prompt."""
        with urlopen(f"{self.base_url[: -len('/v1')]}/_sandbox/log") as answer:  # noqa: S310
            log = json.loads(answer.read())
        return Counter(str(each["prompt"]) for each in log["requests"])


class _Killer:
    """Kills a worker each time that some more results have come."""

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
        while site.count("results/") < share * jobs:
            if ended is not None and ended.is_set():
                return len(killed)
            time.sleep(0.2)
        alive = [pid for pid in pids() if pid not in killed]
        if alive:
            pid = random.choice(alive)  # noqa: S311
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)
    return len(killed)


def _outcome(way: str, site: Site, done: int, doubt: int, killed: int, elapsed_s: float) -> Outcome:
    from gpt_image2.cluster.store.claims import State, read_claim
    from gpt_image2.cluster.store.objects import open_objects

    objects, paid = open_objects(site.address), site.paid()
    claims = [read_claim(objects.get(found.name) or b"") for found in objects.list("claims/")]
    sent = sum(claim.state is State.SENT for claim in claims)
    named: set[str] = set()
    for found in objects.list("results/"):
        if found.name.endswith(".json"):
            named.update(image["path"] for image in json.loads(objects.get(found.name) or b"{}")["images"])
    strays = sum(found.name not in named for found in objects.list("images/"))
    twice = sum(count > 1 for count in paid.values())
    return Outcome(way, paid.total(), sent, done, doubt, twice, strays, killed, elapsed_s)


def _rows(jobs: int) -> list[dict[str, str]]:
    return [{"id": str(number), "prompt": f"picture {number}", "quality": "low"} for number in range(jobs)]


def _write_jobs(root: Path, jobs: int) -> None:
    (root / "jobs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in _rows(jobs)), encoding="utf-8")


def _home(root: Path, number: int) -> str:
    home = root / f"home-{number}"
    home.mkdir()
    return str(home)


@contextmanager
def _servers(root: Path) -> Generator[Site, None, None]:
    """A sandbox and an S3 server as processes of their own; the environment leads to both."""
    s3 = (
        "import time\nfrom object_stores import serve_s3\n"
        "with serve_s3() as s3:\n print(s3.root, s3.bucket(), flush=True)\n time.sleep(1e6)"
    )
    sandbox = [sys.executable, "-m", "gpt_image2.sandbox", "--port", "0", "--latency", str(LATENCY_S)]
    env = {**os.environ, "PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{SUPPORT}"}
    stores = [sys.executable, "-c", s3]
    with _started(sandbox, os.environ, "Sandbox: ") as api, _started(stores, env, "http://") as store:
        endpoint, bucket = store.split()
        site = Site(api.split()[1], f"{bucket}/run")
        os.environ.update(
            AWS_ACCESS_KEY_ID="test-id",
            AWS_SECRET_ACCESS_KEY="test-secret",  # noqa: S106
            AWS_REGION="us-east-1",
            AWS_ENDPOINT_URL=endpoint,
            GPT_IMAGE2_BASE_URL=site.base_url,
            GPT_IMAGE2_API_KEY=_KEY,
            HOME=_home(root, 0),
        )
        yield site


@contextmanager
def _started(command: list[str], env: Mapping[str, str], begins: str) -> Generator[str, None, None]:
    """A server while the context is entered; the line that it says when it is there."""
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        said = next((line for line in server.stdout if line.startswith(begins)), None)
        assert said is not None, f"{command} did not start"
        yield said
        server.terminate()


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

if __name__ == "__main__":
    if len(sys.argv) == 4:
        random.seed(7)
        place = Path(sys.argv[3])
        place.write_text(json.dumps(WAYS[sys.argv[2]](int(sys.argv[1]), place.parent)), encoding="utf-8")
        raise SystemExit(0)
    raise SystemExit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000))
