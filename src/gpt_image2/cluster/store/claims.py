"""The protocol by which a job is paid for once, whoever works at it: docs/adr/0013.

A job's claim is a row of objects, `claims/JOB/0001`, `0002` …, each made once and never changed. Its last one
says how the job stands; who makes the next one has moved it there, and nobody else can. The result, in
`results/JOB.json`, ends it. Speaks to the store alone.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from gpt_image2.core.base.outcome import Billed, SavedImage
from gpt_image2.core.batch.journal import image_fields, image_of_fields

from .found import StoreError, number_of, text_of
from .objects import Objects

CLAIMS, RESULTS = "claims", "results"
#: Names the jobs whose results have fewer images than were asked for, so that who lists results can tell.
PARTIALS = "partial"
#: Beyond the time that a call may take: for what follows it, and for clocks.
SENT_MARGIN_S = 300.0


class State(str, Enum):
    """How a job stands by its claim, as long as there is no result."""

    CLAIMED = "claimed"  # somebody prepares it; nothing was sent
    SENT = "sent"  # the request may have left
    FREE = "free"  # it has ended, known not to be billed
    DOUBT = "doubt"  # it has ended, and may have been billed for what did not come
    SAVED = "saved"  # its images have come, and are on the disk of a machine, on their way to the store


class Verdict(str, Enum):
    """What somebody may do about a job."""

    TAKE = "take"
    WAIT = "wait"  # it is claimed by somebody who is alive: later it is theirs, or may be taken
    BUSY = "busy"  # it was sent, and its answer may still come
    DOUBT = "doubt"  # it may have been billed: only with --retry-ambiguous
    SAVED = "saved"  # it is paid for; it goes on where its images are, or here if they are in the store


@dataclass(frozen=True)
class Claim:
    """One object of a claim. `attempts` are the requests that were sent for the job; `timeout_s` is how long
    the call may take; `modified` is the store's, None while nobody has read it. `images` are those that have
    come, with their paths on `host`."""

    job: str
    number: int
    state: State
    worker: str
    token: str
    attempts: int = 0
    timeout_s: float = 0.0
    high_usd: float | None = None
    billed: Billed = Billed.NO
    cost_usd: float | None = None
    code: str = ""
    message: str = ""
    hint: str = ""
    images: tuple[SavedImage, ...] = ()
    host: str = ""
    modified: datetime | None = None

    @property
    def name(self) -> str:
        """The object's name."""
        return f"{CLAIMS}/{self.job}/{self.number:04d}"


_NAMING = {"job", "number", "state", "worker", "token"}
_NUMBERS = {"number", "attempts", "timeout_s", "high_usd", "cost_usd"}
_TEXTS = {"job", "worker", "token", "code", "message", "hint", "host"}
_FIELDS = {field.name for field in fields(Claim)} - {"modified"}


def result_name(job: str) -> str:
    """The name of a job's result."""
    return f"{RESULTS}/{job}.json"


def partial_name(job: str) -> str:
    """The name of the empty object that stands before the result of a job with too few images."""
    return f"{PARTIALS}/{job}"


def verdict(claim: Claim, now: datetime, is_alive: bool, retry_ambiguous: bool) -> Verdict:
    """What one may do about a job that has a claim and no result; `now` is by the store's clock, `is_alive`
    whether the claim's worker is."""
    if claim.state is State.FREE:
        return Verdict.TAKE
    if claim.state is State.CLAIMED:
        return Verdict.WAIT if is_alive else Verdict.TAKE
    if claim.state is State.SAVED and is_alive:
        return Verdict.BUSY
    if claim.state is State.SENT:
        limit = timedelta(seconds=claim.timeout_s + SENT_MARGIN_S)
        if claim.modified is None or now - claim.modified < limit:
            return Verdict.BUSY
    elif claim.state is State.SAVED and not retry_ambiguous:
        return Verdict.SAVED
    return Verdict.TAKE if retry_ambiguous else Verdict.DOUBT


class Claims:
    """The claims of one worker, which has a name of its own. Safe for threads."""

    def __init__(self, objects: Objects, worker: str) -> None:
        self._objects = objects
        self.worker = worker

    def take(self, job: str, last: Claim | None) -> Claim | None:
        """The job is ours, if nobody was faster; `last` is the end of its claim as we know it."""
        number, attempts = (last.number, last.attempts) if last else (0, 0)
        claim = Claim(job, number + 1, State.CLAIMED, self.worker, secrets.token_hex(8), attempts)
        return self._make(claim)

    def move(self, claim: Claim, state: State, **told: Any) -> Claim | None:
        """The claim in its next state; None where somebody else has moved it: the job is theirs."""
        new = Claim(
            claim.job,
            claim.number + 1,
            state,
            self.worker,
            secrets.token_hex(8),
            claim.attempts,
            claim.timeout_s,
            claim.high_usd,
        )
        return self._make(replace(new, **told))

    def last(self, job: str) -> Claim | None:
        """The end of a job's claim; None where nobody has ever claimed it."""
        listed = self._objects.list(f"{CLAIMS}/{job}/")
        ours = (each for each in listed if each.name.rpartition("/")[2].isdecimal())
        found = max(ours, key=lambda each: (len(each.name), each.name), default=None)
        data = None if found is None else self._objects.get(found.name)
        if found is None or data is None:
            return None
        return replace(read_claim(data, found.name), modified=found.modified)

    def _make(self, claim: Claim) -> Claim | None:
        return claim if self._objects.create(claim.name, claim_bytes(claim)) else None


def claim_bytes(claim: Claim) -> bytes:
    """A claim as its object holds it; what has its default is left out."""
    default = Claim(claim.job, claim.number, claim.state, claim.worker, claim.token)
    known = {
        name: value
        for name, value in vars(claim).items()
        if name in _NAMING or (name in _FIELDS and value != getattr(default, name))
    }
    if claim.images:
        known["images"] = [image_fields(each) for each in claim.images]
    return (json.dumps(known, ensure_ascii=False) + "\n").encode("utf-8", "replace")


def read_claim(data: bytes, name: str = "a claim") -> Claim:
    """The claim that an object holds; a `StoreError` where it is none, which names the object."""
    try:
        known = {field: value for field, value in json.loads(data).items() if field in _FIELDS}
        known["state"] = State(known["state"])
        known["billed"] = Billed(known.get("billed", "no"))
        known["images"] = tuple(map(image_of_fields, known.get("images", ())))
        for field in _NUMBERS & known.keys():
            number_of(known[field])
        for field in _TEXTS & known.keys():
            text_of(known[field])
        return Claim(**known)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StoreError(
            f"{name} is not readable: {error}",
            hint="it is of another program, or of a newer release",
            billed=Billed.MAYBE,
        ) from None
