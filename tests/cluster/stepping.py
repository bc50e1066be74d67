"""Workers that take one step at a time, as a test says, and die between any two: real ones, on a store in
memory and a client that pays for nothing. A step is one effect: on the store, or on the API.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Iterator, Optional

from pictures import png

from gpt_image2.cluster.jobs.job import ClusterJob
from gpt_image2.cluster.jobs.results import Row
from gpt_image2.cluster.store.claims import Claims
from gpt_image2.cluster.store.found import Found, StoreError
from gpt_image2.cluster.work.admission import Admission
from gpt_image2.cluster.work.worker import Halt, JobWorker, Place
from gpt_image2.core.api.images import saved_image_at
from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.base.errors import ApiError, NetworkError, OutputError, RateLimitError
from gpt_image2.core.base.outcome import Billed, Result, SavedImage
from gpt_image2.core.base.record import Record, replace
from gpt_image2.core.ledger.budget import Budget

WAIT_S = 60.0


class Killed(BaseException):
    """The worker is no more: nothing that it would do has an effect."""


class World:
    """One store, one API, one clock. `paid` counts the requests that may have been billed."""

    address = "memory://model"
    is_exclusive = True

    def __init__(self, root: Path) -> None:
        self.root = root
        self.held: dict[str, tuple[bytes, datetime]] = {}
        self.now = datetime(2030, 1, 1, tzinfo=timezone.utc)
        self.paid = self.requests = 0
        self.workers: list[Stepper] = []

    def wait_an_hour(self) -> None:
        self.now += timedelta(hours=1)

    def start(self, job: ClusterJob, machine: str, retry_ambiguous: bool) -> Stepper:
        stepper = Stepper(self, job, f"worker-{len(self.workers)}", machine, retry_ambiguous)
        self.workers.append(stepper)
        return stepper

    def close(self) -> None:
        for stepper in self.workers:
            stepper.kill()


@dataclass
class Stepper:
    """One worker at one job."""

    world: World
    job: ClusterJob
    name: str
    machine: str
    retry_ambiguous: bool
    is_killed: bool = False
    #: Whether others take it for dead.
    is_silent: bool = False
    row: Optional[Row] = None
    _fate: str = "well"
    _may_go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    _has_stopped: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))
    defect: Optional[BaseException] = None

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._work, daemon=True)
        self.thread.start()
        assert self._has_stopped.acquire(timeout=WAIT_S)

    @property
    def is_at_work(self) -> bool:
        return self.thread.is_alive()

    def step(self, fate: str) -> None:
        """Does one effect: `well`, `lost` (done, and the answer is an error), or `refused` (not done)."""
        self._fate = fate
        self._may_go.release()
        assert self._has_stopped.acquire(timeout=WAIT_S)
        if not self.is_at_work or self.row is not None:
            self.thread.join(WAIT_S)

    def kill(self) -> None:
        """From now on nothing that it does has an effect."""
        self.is_killed = True
        while self.is_at_work:
            self._may_go.release()
            self.thread.join(0.01)

    def _work(self) -> None:
        world = self.world
        staging = world.root / self.machine
        staging.mkdir(exist_ok=True)
        objects: Any = _Objects(self)
        presence: Any = SimpleNamespace(now=lambda: world.now, is_alive=self._is_alive)
        place = Place(objects, Claims(objects, self.name), presence, staging, 600.0, self.retry_ambiguous)
        money: Any = Budget()
        money.is_held = lambda: False
        client: Any = _Client(self)
        worker = JobWorker(place, client, Admission(None, money), _Hasty())
        try:
            self.row = worker.run(self.job)
        except Killed:
            pass
        except BaseException as defect:
            self.defect = defect
        self._has_stopped.release()

    def _is_alive(self, name: str) -> bool:
        found = next(each for each in self.world.workers if each.name == name)
        return found is self or not (found.is_killed or found.is_silent)

    def effect(self, act: Callable[[], Any]) -> Any:
        """Waits for its turn, and does one thing."""
        if self.is_killed:
            raise Killed
        self._has_stopped.release()
        self._may_go.acquire()
        if self.is_killed:
            raise Killed
        if self._fate == "refused":
            raise StoreError("the store refuses")
        done = act()
        if self.is_killed:
            raise Killed
        if self._fate == "lost":
            raise StoreError("the answer was lost")
        return done


class _Hasty(Halt):
    def wait(self, seconds: float) -> bool:
        return False


class _Objects:
    def __init__(self, stepper: Stepper) -> None:
        self._of = stepper
        self._world = stepper.world
        self.address, self.is_exclusive = World.address, True

    def create(self, name: str, data: bytes, content_type: str = "") -> bool:
        def act() -> bool:
            if name in self._world.held:
                return self._world.held[name][0] == data
            self._world.held[name] = data, self._world.now
            return True

        return self._of.effect(act)

    def get(self, name: str) -> Optional[bytes]:
        return self._of.effect(lambda: self._world.held.get(name, (None, None))[0])

    def head(self, name: str) -> Optional[Found]:
        return self._of.effect(lambda: self._found(name) if name in self._world.held else None)

    def list(self, prefix: str) -> Iterator[Found]:
        names = self._of.effect(lambda: [name for name in self._world.held if name.startswith(prefix)])
        return map(self._found, names)

    def is_whole(self, name: str, data: bytes) -> bool:
        return self._of.effect(lambda: self._world.held.get(name, (None, None))[0] == data)

    def _found(self, name: str) -> Found:
        data, modified = self._world.held[name]
        return Found(name, len(data), modified)


class _Client:
    """Answers as the fate of the step says: `well` is an image, `lost` a cut, `refused` a 400 or a 429."""

    def __init__(self, stepper: Stepper) -> None:
        self._of = stepper
        self.settings = SimpleNamespace(secrets=())
        self.env = {"XDG_STATE_HOME": str(stepper.world.root)}
        self.rescue_folder = stepper.world.root / "rescued"

    def with_model(self, request: ImageRequest) -> ImageRequest:
        return request

    def prepare(self, request: ImageRequest, output: Path) -> Any:
        return _Prepared(request, output)

    def run(self, prepared: Any, observer: Any) -> Result:
        stepper, world = self._of, self._of.world
        if stepper.is_killed:
            raise Killed
        stepper._has_stopped.release()
        stepper._may_go.acquire()
        if stepper.is_killed:
            raise Killed
        fate = stepper._fate
        world.requests += 1
        if fate == "refused":
            if world.requests % 2:
                raise RateLimitError("too fast", http_status=429, retry_safe=True)
            raise ApiError("bad field", http_status=400)
        world.paid += 1
        if fate == "lost":
            raise NetworkError("cut", billed=Billed.MAYBE)
        saved: list[SavedImage] = []
        for number in range(1, prepared.request.count + 1):
            path = prepared.path
            if prepared.request.count > 1:
                path = path.with_name(f"{path.stem}-{number}{path.suffix}")
            part = path.with_name(f".{stepper.name}.part")
            part.write_bytes(png(noise=f"{world.paid}-{number}".encode().hex().encode()))
            # Between the answer and a name on disk a worker may die too, or the disk fail: it was paid for.
            try:
                stepper.effect(lambda part=part, path=path: part.replace(path))
            except StoreError as failed:
                error = OutputError(failed.message, billed=Billed.YES)
                error.result = Result(
                    "generate", "gpt-image-2", tuple(saved), billed=Billed.YES, cost_usd=0.01
                )
                raise error from None
            image = saved_image_at(str(path))
            assert image is not None
            saved.append(replace(image, number=number))
        return Result("generate", "gpt-image-2", tuple(saved), billed=Billed.YES, cost_usd=0.01)


class _Prepared(Record):
    request: ImageRequest
    path: Path
    output: str = ""
