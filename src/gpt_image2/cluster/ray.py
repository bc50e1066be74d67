# pyright: reportMissingImports=false, reportAttributeAccessIssue=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportUnknownParameterType=false
"""The jobs of a table on Ray Data: `ds.map_batches(ImageJobs, fn_constructor_kwargs={"out": "s3://…"}, …)`.

Ray runs a batch again when its worker dies, as it should: claims see to it that no job is paid for again. One
named actor, the desk, keeps pace and money for all workers at an address.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import ray
from ray.data.block import BlockAccessor

from gpt_image2.core.api.request import ImageRequest
from gpt_image2.core.base.errors import GptImage2Error
from gpt_image2.core.base.events import RateLimit
from gpt_image2.core.base.outcome import Billed
from gpt_image2.core.base.record import replace
from gpt_image2.core.batch.job import Job
from gpt_image2.core.batch.pacer import Pacing
from gpt_image2.core.calls.client import DEFAULT_TIMEOUT_S, Client

from .jobs.job import ClusterJob
from .jobs.results import Row
from .jobs.table_rows import beside, invalid_row, job_of_line, job_of_row, rows_of
from .store.found import StoreError
from .store.objects import open_objects
from .store.presence import Presence
from .work.admission import Answer
from .work.workplace import Terms, check_concurrency, new_name, open_admission, open_workplace

_NAMESPACE = "gpt_image2"
_DEFAULT_CONCURRENCY = 16
_IDLE_S, _LOOK_S, _ANSWER_S = 600.0, 5.0, 5.0
#: Columns of a table that comes from a jobs file: its line, and the name of its claim; and all that became of
#: it, as JSON.
LINE, CLAIM, WHOLE = "gpt_image2_line", "gpt_image2_claim", "gpt_image2_row"


class ImageJobs:
    """What `map_batches` makes actors of. Rows are jobs, and come out with what became of them; no row ever
    raises.

    `out` is the address for claims, images and results. `concurrency` calls are under way in each actor at
    once. `max_cost` (USD) and `images_per_minute` are for all actors together, earlier runs included; the
    first actor of a run says them to the desk. `defaults` are fields for all rows, by the API's own names.
    Keys come from the environment or the config file of the worker's machine, never from here.

    Raises:
        GptImage2Error: the settings or the store cannot be used; nothing was sent.
    """

    def __init__(
        self,
        out: str,
        *,
        max_cost: float | None = None,
        images_per_minute: float | None = None,
        concurrency: int = _DEFAULT_CONCURRENCY,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        retry_ambiguous: bool = False,
        config: str | None = None,
        profile: str | None = None,
        base_url: str | None = None,
        history: bool | None = None,
        defaults: dict[str, Any] | Job | None = None,
    ) -> None:
        check_concurrency(concurrency)
        objects = open_objects(out)
        terms = Terms(timeout_s, retry_ambiguous, max_cost, images_per_minute)
        self._client = Client(
            config=config,
            profile=profile,
            base_url=base_url,
            timeout_s=timeout_s,
            waits_for_server=False,
            history=history,
        )
        self._client.check_way()
        self._client.finish_leftovers()
        if not isinstance(defaults, Job):
            defaults = Job(replace(ImageRequest(prompt="", model=""), **(defaults or {})))
        self._defaults = defaults
        self._stack = ExitStack()  # ends with the process
        name = new_name()
        desk = open_desk(out, terms)
        self._place = open_workplace(objects, self._client, terms, self._stack, _DeskGate(desk, name), name)
        self._pool = ThreadPoolExecutor(concurrency)

    async def __call__(self, batch: Any) -> pa.Table:
        """The batch with what became of its rows."""
        # By Ray's own way, which has a type for whatever a column holds.
        table = BlockAccessor.for_block(BlockAccessor.batch_to_block(batch)).to_arrow()
        loop = asyncio.get_running_loop()
        rows = [loop.run_in_executor(self._pool, self._run, row) for row in rows_of(table, {LINE, CLAIM})]
        told = await asyncio.gather(*rows)
        if LINE in table.column_names:  # from `batch run`, which wants the whole row
            whole = [
                json.dumps({"stops": each.stops, "was_sent": each.was_sent, **each.json()}) for each in told
            ]
            table = table.drop_columns([LINE]).append_column(WHOLE, pa.array(whole, pa.string()))
        return beside(table, told)

    def _run(self, row: dict[str, Any]) -> Row:
        try:
            job = self._job_of(row)
        except GptImage2Error as error:
            return invalid_row(error)
        except Exception as defect:  # whatever a row holds, the others go on
            said = f"no job: {type(defect).__name__}: {defect}"
            return invalid_row(GptImage2Error(said, code="invalid_jobs"))
        return self._place.worker.run_patiently(job, self._place.patience_s)

    def _job_of(self, row: dict[str, Any]) -> ClusterJob:
        if LINE in row:
            return job_of_line(row[LINE], self._defaults, self._client, row[CLAIM])
        return job_of_row(row, self._defaults, self._client)


@dataclass(frozen=True)
class UnderWay:
    """What all workers at an address are at: requests in flight, for how long the oldest of them has been, in
    seconds, and what the next wait for."""

    count: int
    oldest_s: float
    pacing: Pacing


@dataclass(frozen=True)
class _Asked:
    """A ticket of the desk: whose it is, and since when."""

    worker: str
    since_s: float


class Desk:
    """Pace and money of all workers at an address; runs as one named actor. It ends when nobody has been
    there for ten minutes."""

    def __init__(self, out: str, terms: Terms) -> None:
        objects = open_objects(out)
        self._stack = ExitStack()
        self._presence = self._stack.enter_context(Presence(objects, f"desk-{new_name()}"))
        self._admission = open_admission(objects, self._presence.worker, terms, self._stack)
        self._lock = threading.Lock()
        self._asked: dict[int, _Asked] = {}
        self._looked_s = self._seen_s = time.monotonic()
        self._is_over = ""
        self._name = desk_name(out)
        threading.Thread(target=self._end_when_idle, daemon=True).start()

    def ask(self, worker: str, images: int, high_usd: float) -> Answer:
        """As `Admission.ask`, for a worker."""
        self._seen_s = time.monotonic()
        if self._is_over:
            return Answer(is_over=self._is_over)
        self._forget_the_dead()
        answer = self._admission.ask(images, high_usd)
        if answer.ticket:
            with self._lock:
                self._asked[answer.ticket] = _Asked(worker, self._seen_s)
        return answer

    def learn(self, ticket: int, limits: Sequence[RateLimit]) -> None:
        """As `Admission.learn`."""
        self._admission.learn(ticket, limits)

    def end(self, ticket: int, billed: Billed, cost_usd: float | None) -> None:
        """As `Admission.end`."""
        with self._lock:
            self._asked.pop(ticket, None)
        self._admission.end(ticket, billed, cost_usd)

    def refuse(self, ticket: int, wait_s: float | None, message: str) -> None:
        """As `Admission.refuse`."""
        with self._lock:
            self._asked.pop(ticket, None)
        self._admission.refuse(ticket, wait_s, message)

    def has_got_through(self, ago_s: float) -> bool:
        """As `Admission.has_got_through`; clocks of machines differ, so it takes how long ago."""
        return self._admission.has_got_through(time.monotonic() - ago_s)

    def pacing(self) -> Pacing:
        """As `Admission.pacing`."""
        return self._admission.pacing()

    def under_way(self) -> UnderWay:
        """What is in flight now."""
        self._forget_the_dead()
        with self._lock:
            since_s = [each.since_s for each in self._asked.values()]
        now_s = time.monotonic()
        return UnderWay(len(since_s), now_s - min(since_s, default=now_s), self._admission.pacing())

    def stop(self, reason: str) -> None:
        """Nothing more may go."""
        self._is_over = reason

    def close(self) -> None:
        """Gives back the money that was not spent."""
        self._stack.close()

    def _forget_the_dead(self) -> None:
        """What a worker that died had under way may have been billed."""
        if time.monotonic() - self._looked_s < _LOOK_S:
            return
        self._looked_s = time.monotonic()
        with self._lock:
            workers = {each.worker for each in self._asked.values()}
        dead = {worker for worker in workers if not self._presence.is_alive(worker)}
        with self._lock:
            tickets = [ticket for ticket, each in self._asked.items() if each.worker in dead]
        for ticket in tickets:
            self.end(ticket, Billed.MAYBE, None)

    def _end_when_idle(self) -> None:
        while time.monotonic() - self._seen_s < _IDLE_S:
            time.sleep(_LOOK_S)
        with suppress(StoreError):
            self.close()
        ray.kill(ray.get_actor(self._name, _NAMESPACE))


class _DeskGate:
    """The desk as a worker asks it."""

    def __init__(self, desk: Any, worker: str) -> None:
        self._desk = desk
        self._worker = worker

    def ask(self, images: int, high_usd: float) -> Answer:
        return ray.get(self._desk.ask.remote(self._worker, images, high_usd))

    def learn(self, ticket: int, limits: Sequence[RateLimit]) -> None:
        self._desk.learn.remote(ticket, list(limits))

    def end(self, ticket: int, billed: Billed, cost_usd: float | None) -> None:
        ray.get(self._desk.end.remote(ticket, billed, cost_usd))

    def refuse(self, ticket: int, wait_s: float | None, message: str) -> None:
        ray.get(self._desk.refuse.remote(ticket, wait_s, message))

    def has_got_through(self, since_s: float) -> bool:
        return ray.get(self._desk.has_got_through.remote(time.monotonic() - since_s))

    def pacing(self) -> Pacing:
        return ray.get(self._desk.pacing.remote())


def desk_name(out: str) -> str:
    """The name of the desk of an address."""
    return "gpt_image2-" + hashlib.sha256(out.rstrip("/").encode()).hexdigest()[:16]


def open_desk(out: str, terms: Terms) -> Any:
    """The desk of an address, made where there is none; its terms are those of who came first."""
    kind: Any = ray.remote(Desk)
    options = kind.options(
        name=desk_name(out),
        namespace=_NAMESPACE,
        get_if_exists=True,
        lifetime="detached",
        num_cpus=0,
        max_concurrency=64,
        max_restarts=-1,
    )
    return options.remote(out, terms)


def stop_desk(out: str, reason: str) -> None:
    """Lets nothing more go at an address."""
    with suppress(ValueError):
        ray.get_actor(desk_name(out), _NAMESPACE).stop.remote(reason)


def under_way(out: str) -> UnderWay | None:
    """What is in flight at an address; None where there is no desk, or it does not answer."""
    try:
        desk = ray.get_actor(desk_name(out), _NAMESPACE)
        return ray.get(desk.under_way.remote(), timeout=_ANSWER_S)
    except (ValueError, ray.exceptions.RayError):
        return None


def close_desk(out: str) -> None:
    """Ends the desk of an address, where there is one."""
    with suppress(ValueError):
        desk = ray.get_actor(desk_name(out), _NAMESPACE)
        ray.get(desk.close.remote())
        ray.kill(desk)
