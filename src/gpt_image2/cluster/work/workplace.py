"""What a process needs to work at an address: its name there, its place on this machine, pace and money."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from gpt_image2.core.base.about import VERSION
from gpt_image2.core.base.errors import UsageError
from gpt_image2.core.calls.client import Client
from gpt_image2.core.calls.free import asks_sandbox
from gpt_image2.core.outputs.files import prepare_folder
from gpt_image2.core.settings.base_url import is_loopback
from gpt_image2.core.settings.places import state_folder

from ..store.claims import SENT_MARGIN_S, Claims
from ..store.money import SharedBudget
from ..store.objects import Objects
from ..store.presence import Presence
from .admission import Admission, Gate
from .worker import Halt, JobWorker, Place

_KIND = "run.json"


@dataclass(frozen=True)
class Terms:
    """How a process works: how long a call may take, whether what may have been billed goes again, what all
    workers may spend and how many images a minute they may ask for, and how many there are going to be."""

    timeout_s: float
    retry_ambiguous: bool = False
    max_cost_usd: float | None = None
    images_per_minute: float | None = None
    workers: int = 1


@dataclass(frozen=True)
class Workplace:
    """What does the jobs of a process at an address."""

    worker: JobWorker
    gate: Gate
    halt: Halt
    #: For how long one waits for a job that another worker has: as long as its call may take.
    patience_s: float


def open_workplace(
    objects: Objects,
    client: Client,
    terms: Terms,
    stack: ExitStack,
    gate: Gate | None = None,
    name: str = "",
) -> Workplace:
    """A place to work at, until the stack is closed; with a `gate` others keep pace and money, and know this
    worker by its `name`.

    Raises:
        UsageError: what is there was made by the sandbox, and this is for another host, or the other way
            round; or the store writes over what is there where it was asked not to.
        StoreError: the store cannot be used.
    """
    check_kind(
        objects,
        is_loopback(client.settings.base_url) and asks_sandbox(client.host.curl, client.settings.base_url),
    )
    presence = stack.enter_context(Presence(objects, name or new_name()))
    check_once(objects, presence.name)
    if gate is None:
        workers = _workers(presence, terms.workers)
        gate = open_admission(objects, presence.worker, terms, stack, workers)
    halt = Halt()
    place = Place(
        objects,
        Claims(objects, presence.worker),
        presence,
        staging_folder(objects.address),
        terms.timeout_s,
        terms.retry_ambiguous,
        terms.max_cost_usd is not None,
    )
    prepare_folder(
        place.staging, hint="let XDG_STATE_HOME name a folder that can be written to; nothing was sent"
    )
    return Workplace(JobWorker(place, client, gate, halt), gate, halt, terms.timeout_s + SENT_MARGIN_S)


def check_concurrency(concurrency: int) -> None:
    """Nothing where so many calls can be under way at once; else a `UsageError`."""
    if concurrency < 1:
        raise UsageError(f"concurrency is {concurrency}; it must be at least 1")


def open_admission(
    objects: Objects, worker: str, terms: Terms, stack: ExitStack, workers: Callable[[], int] = lambda: 1
) -> Admission:
    """Pace and money for all that a worker sends, until the stack is closed; `workers` tells how many share
    them."""
    money = SharedBudget(objects, worker, terms.max_cost_usd, workers)
    stack.callback(money.close)
    return Admission(terms.images_per_minute, money, workers)


def staging_folder(address: str) -> Path:
    """Where images are on this machine until the store has them."""
    mark = hashlib.sha256(address.encode("utf-8", "replace")).hexdigest()[:16]
    return state_folder(os.environ) / "cluster" / mark


def check_kind(objects: Objects, is_sandbox: bool) -> None:
    """Notes what makes the images of an address, once; a `UsageError` where it is not this."""
    mine = json.dumps({"sandbox": is_sandbox}).encode()
    if not objects.create(_KIND, mine) and objects.get(_KIND) != mine:
        made = "another host than the sandbox" if is_sandbox else "the sandbox"
        raise UsageError(
            f"{objects.address} holds what {made} has made, which does not count here",
            hint="choose another --out-dir; nothing was sent",
            code="other_host",
        )


def check_once(objects: Objects, name: str) -> None:
    """Nothing, where the store keeps an object that is there, as claims need; else a `UsageError`. Some that
    speak S3 take no notice of the condition, and would let every worker pay."""
    if objects.is_exclusive and objects.create(name, b"again"):
        raise UsageError(
            f"{objects.address} writes over an object that it was asked to make only if there is none",
            hint="use a store with conditional writes, or file://; nothing was sent",
            code="no_claims",
        )


def _workers(presence: Presence, expected: int) -> Callable[[], int]:
    """How many workers there are: at first at least as many as are going to be."""
    until_s = time.monotonic() + 2 * presence.times.beat_s
    return lambda: max(presence.alive(), expected if time.monotonic() < until_s else 1)


def new_name() -> str:
    """A name that no other worker has ever had."""
    host = "".join(each for each in socket.gethostname() if each.isalnum() or each == "-")[:40]
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}-{VERSION}"
