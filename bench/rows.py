"""The rows that are measured by the clock, and how one is run: everybody in turn, round after round."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .contestants import KEY, Contestant, Job
from .environments import ROOT
from .measure import Cost, run
from .pictures import count_whole
from .results import Measurement, RowResult
from .server import Answer, Serving

SMALL_BYTES = 1_500_000
BIG_BYTES = 15_000_000
INPUT_BYTES = 10_000_000


@dataclass(frozen=True)
class Row:
    """One row. `kind` names the command; `answer` what the server says to it, None where nothing is sent.

    Every contestant runs once in each of `rounds`, which are timed, and of `memory_rounds`, which are not.
    """

    key: str
    title: str
    note: str
    kind: str
    floor: str
    rounds: int
    memory_rounds: int = 3
    warm_up: bool = True
    answer: Answer | None = None
    inputs: int = 0
    input_bytes: int = INPUT_BYTES
    calls: int = 1
    concurrency: int = 1

    @property
    def ideal_s(self) -> float:
        """The wall time of calls that cost nothing but their latency; 0 for a single call."""
        if self.answer is None or self.calls == 1:
            return 0.0
        return -(-self.calls // self.concurrency) * self.answer.latency_s


ROWS = (
    Row(
        "1",
        "One small image",
        "`generate`, one image of 1.5 MB.",
        "generate",
        "python-curl",
        rounds=15,
        answer=Answer("small", 1, SMALL_BYTES),
    ),
    Row(
        "2",
        "Eight images of 15 MB in one answer",
        "`generate --n 8`: 160 MB of JSON, 120 MB of images.",
        "generate",
        "curl",
        rounds=7,
        answer=Answer("big", 8, BIG_BYTES),
    ),
    Row(
        "3",
        "An edit with 16 inputs of 10 MB",
        "`edit`: 160 MB go up as multipart/form-data, one image of 1.5 MB comes back.",
        "edit",
        "curl",
        rounds=7,
        answer=Answer("edited", 1, SMALL_BYTES),
        inputs=16,
    ),
    Row(
        "4",
        "A stream with three partial images",
        "`generate --stream --partial-images 3`: four images of 1.5 MB as server-sent events; the last is "
        "kept. The Rust program cannot stream.",
        "stream",
        "curl",
        rounds=15,
        answer=Answer("stream", 1, SMALL_BYTES, partials=3),
    ),
    Row(
        "5",
        "256 calls at 1 s latency, 64 at a time",
        "An image of 1.5 MB a call. The SDK: its asynchronous client in one process. Those without a command "
        "for many calls (`curl`, the Rust program) are started once a call, from 64 threads.",
        "many",
        "curl",
        rounds=3,
        memory_rounds=1,
        answer=Answer("slow", 1, SMALL_BYTES, latency_s=1.0),
        calls=256,
        concurrency=64,
    ),
    Row("6-help", "`--help`", "Nothing is sent.", "help", "python-curl", rounds=15),
    Row("6-version", "`--version`", "Nothing is sent.", "version", "python-curl", rounds=15),
)


def quick(row: Row) -> Row:
    """The same row with few rounds."""
    if row.calls > 1:
        calls = row.calls // 2
        title = row.title.replace(str(row.calls), str(calls), 1)
        return replace(row, title=title, calls=calls, rounds=1, memory_rounds=0, warm_up=False)
    return replace(row, rounds=2 if row.answer and row.rounds < 15 else 3, memory_rounds=1)


def measure_row(row: Row, contestants: Sequence[Contestant], server: Serving, folder: Path) -> RowResult:
    """Runs everybody once to warm up, then in turn; files go below `folder` and are gone at the end."""
    racers = [
        _Racer(row, contestant, server, folder)
        for contestant in contestants
        if row.kind in contestant.commands
    ]
    if row.warm_up:
        for racer in racers:
            racer.warm_up()
    for _ in range(row.rounds):
        for racer in racers:
            racer.race()
    for _ in range(row.memory_rounds):
        for racer in racers:
            racer.weigh()
    measurements = [racer.measurement() for racer in racers]
    return RowResult(row.key, row.title, row.note, row.floor, measurements, row.ideal_s, row.calls)


def environment(home: Path) -> dict[str, str]:
    """What a contestant finds: a home of its own, a key, no proxies."""
    home.mkdir(parents=True, exist_ok=True)
    temporary = home / "tmp"
    temporary.mkdir(exist_ok=True)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "OPENAI_API_KEY": KEY,
        "GPT_IMAGE2_API_KEY": KEY,
    }


class _Racer:
    """One contestant in one row. After its first failure it runs no more, and the reason is kept."""

    def __init__(self, row: Row, contestant: Contestant, server: Serving, folder: Path) -> None:
        self._row = row
        self._contestant = contestant
        self._folder = folder / contestant.key
        self._env = environment(self._folder / "home")
        self._out = self._folder / "out"
        answer = row.answer
        self._picture_bytes = server.picture_bytes[answer.name] if answer else 0
        self._job = Job(
            base_url=f"{server.url}/{answer.name}/v1" if answer else "",
            out=self._out,
            n=answer.images if answer else 1,
            partials=answer.partials if answer else 0,
            inputs=_inputs(folder, row),
            calls=row.calls,
            concurrency=row.concurrency,
        )
        self._timed: list[Cost] = []
        self._weighed: list[Cost] = []
        self._problem = ""

    def warm_up(self) -> None:
        self._run(memory=False)

    def race(self) -> None:
        cost = self._run(memory=False)
        if cost is not None:
            self._timed.append(cost)

    def weigh(self) -> None:
        cost = self._run(memory=True)
        if cost is not None:
            self._weighed.append(cost)

    def measurement(self) -> Measurement:
        everything = self._timed + self._weighed
        return Measurement(
            contestant=self._contestant.key,
            wall_s=[round(cost.wall_s, 6) for cost in self._timed],
            cpu_s=[round(cost.cpu_s, 6) for cost in self._timed],
            peak_rss_bytes=[cost.peak_rss_bytes for cost in self._weighed],
            peak_pss_bytes=[cost.peak_pss_bytes for cost in self._weighed],
            largest_process_bytes=max((cost.largest_process_bytes for cost in everything), default=0),
            problem=self._problem,
        )

    def _run(self, memory: bool) -> Cost | None:
        if self._problem:
            return None
        self._out.mkdir(parents=True)
        try:
            steps = self._contestant.commands[self._row.kind](self._job)
            cost = run(steps, self._env, self._folder, memory=memory)
            self._problem = self._what_is_wrong(cost)
        finally:
            shutil.rmtree(self._out)
        return None if self._problem else cost

    def _what_is_wrong(self, cost: Cost) -> str:
        """Why a run does not count: it failed, or what it was to bring is not there."""
        if cost.exit_code and not (self._contestant.key.startswith("rust") and self._row.answer is None):
            return f"exit {cost.exit_code}: {cost.stderr.strip()[-500:]}"
        if self._row.answer is None:
            return ""
        if not self._contestant.saves_images:
            wanted, found = self._row.calls, sum(1 for _ in self._out.iterdir())
        else:
            wanted = self._row.calls * self._row.answer.images
            found = count_whole(self._out, self._picture_bytes)
        return "" if found == wanted else f"{found} of {wanted} files; {cost.stderr.strip()[-500:]}"


def _inputs(folder: Path, row: Row) -> tuple[Path, ...]:
    paths = tuple(folder / f"input-{number}.png" for number in range(row.inputs))
    missing = [path for path in paths if not path.exists()]
    if missing:
        # In a process of its own: what the harness holds would count as the least of every `ru_maxrss`.
        command = [sys.executable, "-m", "bench.pictures", str(row.input_bytes), *map(str, missing)]
        subprocess.run(command, check=True, cwd=ROOT)
    return paths
