"""What a program reads of the past: calls in the history, what they cost, and what was finished late."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, List, Mapping, Optional, Tuple, Union

from ..core.base.errors import UsageError
from ..core.base.interrupt import StopSwitch
from ..core.base.outcome import Billed
from ..core.base.record import Record
from ..core.calls.client import Client as CoreClient
from ..core.calls.exchange import host_of
from ..core.calls.leftovers import Resumed, Resumer
from ..core.history.dates import read_moment
from ..core.history.search import PastRequest, find_requests
from ..core.history.spending import GROUPINGS, Spending, is_rehearsal, spending_rows, sum_of, sums_by
from ..core.ledger.database import LEDGER_NAME, read_database
from ..core.ledger.entries import SANDBOX_HOST, utc_text
from ..core.settings.places import state_folder
from .arguments import wrong_type
from .outcome import SavedImage, image_of

#: A moment: a date and time, a span back from now, or either in words (`2026-11-25`, `7d`).
Moment = Union[datetime, timedelta, str]


class PastCall(Record):
    """A request in the history. `fields` are the API's but for model and prompt; `status` is `sent`,
    `pending`, `saved`, `partial`, `failed` or `interrupted`; `started_at` has its time zone (UTC).
    `sandbox` tells that the offline sandbox has answered. Images may be gone or moved since."""

    id: int
    started_at: datetime
    elapsed_s: Optional[float]
    command: str
    model: str
    prompt: str
    fields: Mapping[str, object]
    images: Tuple[SavedImage, ...]
    output: str
    status: str
    billed: Billed
    cost_usd: Optional[float]
    attempts: int
    base_url: str
    sandbox: bool
    http_status: Optional[int]
    request_id: Optional[str]
    error_code: Optional[str]
    error_message: Optional[str]
    task_id: Optional[str]


class SpendingGroup(Record):
    """What a group of requests cost. `unknown_cost` counts those that were billed at a cost of which all or a
    part is unknown and not in `cost_usd`, `maybe_billed` those that may have been billed."""

    name: str
    requests: int
    images: int
    tokens: int
    cost_usd: float
    unknown_cost: int
    maybe_billed: int


class Spend(Record):
    """What requests cost, in USD: in groups, in all, and apart from that what the sandbox only rehearsed."""

    groups: Tuple[SpendingGroup, ...]
    total: SpendingGroup
    sandbox: SpendingGroup


class ResumedCall(Record):
    """What was finished of one call. `images` are those that were not saved before, `kept` files of what came
    and is no image, `waiting` addresses that could not be fetched yet, `task_id` a task that the host still
    works on; `error_code` and `error_message` say why a task brought no image."""

    id: str
    images: Tuple[SavedImage, ...]
    kept: Tuple[Path, ...]
    waiting: Tuple[str, ...]
    task_id: Optional[str]
    error_code: Optional[str]
    error_message: Optional[str]


def past_calls(
    client: CoreClient, search: Optional[str], since: Optional[Moment], limit: Optional[int]
) -> List[PastCall]:
    """See `Client.history`."""
    if limit is not None and limit < 1:
        raise UsageError(f"`limit` is {limit}; it must be at least 1", hint="None is all")
    with closing(read_database(state_folder(client.env) / LEDGER_NAME)) as database:
        return [_past_call(past) for past in find_requests(database, search, _moment(since), limit)]


def spent(client: CoreClient, by: str, since: Optional[Moment]) -> Spend:
    """See `Client.spend`."""
    if by not in GROUPINGS:
        raise UsageError(f"`by` is {by!r}", hint=f"choose {', '.join(GROUPINGS)}")
    with closing(read_database(state_folder(client.env) / LEDGER_NAME)) as database:
        rows = spending_rows(database, _moment(since))
    real = [row for row in rows if not is_rehearsal(row)]
    return Spend(
        tuple(map(_group, sums_by(real, by))),
        _group(sum_of(real, "total")),
        _group(sum_of(filter(is_rehearsal, rows), "sandbox")),
    )


def resumed_calls(client: CoreClient, stop: StopSwitch, wanted: object, waits: bool) -> List[ResumedCall]:
    """See `Client.resume`."""
    host = host_of(client.settings, client.env, stop)
    resumer = Resumer(host, client.ledger, lambda _: None, client.timeout_s, waits)
    found: List[ResumedCall] = []
    for resumed in resumer.run(str(wanted)):
        found.append(_resumed_call(resumed))
        if stop.is_set:
            break
    return found


def _past_call(past: PastRequest) -> PastCall:
    values: Mapping[str, Any] = vars(past)
    own = {name: values[name] for name in PastCall.__match_args__ if name in values}
    own.update(
        started_at=datetime.fromisoformat(past.started_at.replace("Z", "+00:00")),
        images=tuple(map(image_of, past.images)),
        billed=Billed(past.billed),
        sandbox=past.host == SANDBOX_HOST,
    )
    return PastCall(**own)


def _group(spending: Spending) -> SpendingGroup:
    return SpendingGroup(**vars(spending))


def _resumed_call(resumed: Resumed) -> ResumedCall:
    error, task = resumed.error, resumed.task
    return ResumedCall(
        id=resumed.id,
        images=tuple(map(image_of, resumed.new)),
        kept=tuple(map(Path, resumed.kept)),
        waiting=resumed.waiting,
        task_id=task.id if task else None,
        error_code=error.code if error else None,
        error_message=error.message if error else None,
    )


def _moment(since: object) -> Optional[str]:
    """A moment as the ledger writes it."""
    if since is None:
        return None
    if isinstance(since, datetime):
        return utc_text(since.timestamp())
    if isinstance(since, timedelta):
        return utc_text(max(0.0, time.time() - since.total_seconds()))
    if isinstance(since, str):
        return read_moment(since, time.time())
    raise wrong_type("since", since, "a datetime, a timedelta or a text", 'for example "7d"')
