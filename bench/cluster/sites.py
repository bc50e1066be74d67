"""The servers of a measurement, and what can be asked of them: a sandbox as the API, moto as S3, each a
process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.request import urlopen

from gpt_image2.cluster.store.claims import State, read_claim
from gpt_image2.cluster.store.objects import Objects, open_objects

LATENCY_S = 0.5
KEY = "sk-test-0123456789abcdefghijKEY"
_SUPPORT = Path(__file__).parents[2] / "tests" / "cluster"
_TICKS = os.sysconf("SC_CLK_TCK")
_S3 = (
    "import time\nfrom object_stores import serve_s3\n"
    "with serve_s3() as s3:\n print(s3.root, s3.bucket(), flush=True)\n time.sleep(1e6)"
)


class Site(NamedTuple):
    """A sandbox and a bucket, and the processes that are they."""

    base_url: str
    address: str
    sandbox: int
    s3: int

    @property
    def objects(self) -> Objects:
        """What is in the bucket."""
        return open_objects(self.address)

    def count(self, prefix: str) -> int:
        """How many objects there are."""
        return sum(1 for _ in self.objects.list(prefix))

    def pids(self) -> list[int]:
        """The processes of the workers that are there."""
        names = [found.name for found in self.objects.list("workers/")]
        pids = [int(name.split("-")[-3]) for name in names if "/desk-" not in name]
        return [pid for pid in pids if Path(f"/proc/{pid}").exists()]

    def hits(self) -> int:
        """How many paid requests there were."""
        return int(self._log()["hits"])

    def paid(self) -> Counter[str]:
        """The paid requests, by their prompt."""
        return Counter(str(each["prompt"]) for each in self._log()["requests"])

    def _log(self) -> dict[str, Any]:
        with urlopen(f"{self.base_url[: -len('/v1')]}/_sandbox/log") as answer:  # noqa: S310
            return json.loads(answer.read())

    def sent(self) -> int:
        """How many claims say `sent`."""
        objects = self.objects
        claims = (read_claim(objects.get(found.name) or b"") for found in objects.list("claims/"))
        return sum(claim.state is State.SENT for claim in claims)

    def strays(self) -> int:
        """How many images no result names."""
        objects = self.objects
        named: set[str] = set()
        for found in objects.list("results/"):
            if found.name.endswith(".json"):
                known = json.loads(objects.get(found.name) or b"{}")
                named.update(image["path"] for image in known["images"])
        return sum(found.name not in named for found in objects.list("images/"))


class _Started(NamedTuple):
    said: str
    pid: int


@contextmanager
def servers(root: Path, *flags: str) -> Generator[Site, None, None]:
    """A sandbox, with these flags, and an S3 server; the environment leads to both."""
    sandbox = [sys.executable, "-m", "gpt_image2.sandbox", "--port", "0", "--latency", str(LATENCY_S), *flags]
    env = {**os.environ, "PYTHONPATH": f"{os.environ.get('PYTHONPATH', '')}:{_SUPPORT}"}
    s3 = [sys.executable, "-c", _S3]
    with _started(sandbox, os.environ, "Sandbox: ") as api, _started(s3, env, "http://") as store:
        endpoint, bucket = store.said.split()
        site = Site(api.said.split()[1], f"{bucket}/run", api.pid, store.pid)
        os.environ.update(
            AWS_ACCESS_KEY_ID="test-id",
            AWS_SECRET_ACCESS_KEY="test-secret",  # noqa: S106
            AWS_REGION="us-east-1",
            AWS_ENDPOINT_URL=endpoint,
            GPT_IMAGE2_BASE_URL=site.base_url,
            GPT_IMAGE2_API_KEY=KEY,
            HOME=new_home(root),
        )
        yield site


@contextmanager
def _started(command: list[str], env: Mapping[str, str], begins: str) -> Generator[_Started, None, None]:
    """A server while the context is entered; the line that it says when it is there, and its process."""
    with subprocess.Popen(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        said = next((line for line in server.stdout if line.startswith(begins)), None)
        assert said is not None, f"{command} did not start"
        try:
            yield _Started(said, server.pid)
        finally:
            server.terminate()


def rows(jobs: int) -> list[dict[str, str]]:
    """So many jobs, each with a prompt of its own: the smallest and cheapest pictures."""
    fields = {"quality": "low", "size": "1024x640", "output_format": "jpeg"}
    return [{"id": str(number), "prompt": f"picture {number}", **fields} for number in range(jobs)]


def write_jobs(root: Path, jobs: int) -> Path:
    """The same as a file."""
    path = root / "jobs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(jobs)), encoding="utf-8")
    return path


def new_home(root: Path) -> str:
    """A home folder, as a machine of its own has one."""
    return tempfile.mkdtemp(prefix="home-", dir=root)


def cpu_s(pid: int) -> float:
    """The seconds of a processor that a process has used so far, with the children that it has waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS
