"""Writes the ledger: a row before a request is sent, completed when it has ended.

Nothing here ever stops a call: what cannot be recorded is told once, by the `warn` that each method takes.
Safe for threads; a call that cannot get at the file within the busy timeout goes unrecorded.
"""

from __future__ import annotations

import json
import threading
import time
import weakref
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple, TypeVar
from urllib.parse import urlsplit

from ..base.errors import GptImage2Error, LedgerError
from ..base.events import Observer, Warned
from ..base.outcome import Billed, Result
from ..base.record import replace
from ..base.redact import mask_secrets
from .database import BUSY_TIMEOUT_S, LEDGER_NAME, Database, locked, open_database, stored
from .entries import (
    SANDBOX_HOST,
    Ending,
    InputFile,
    Opening,
    Status,
    ending_of,
    ending_without_result,
    other_fields,
    utc_text,
)

#: A shorter "key" is a word that a local server takes as one; masking it would garble prompts.
_MIN_SECRET_CHARS = 8

_INSERT = """
INSERT INTO requests (
    started_at, base_url, host, command, model, prompt, fields, inputs, mask, output, status, attempts,
    billed, estimate_low_usd, estimate_high_usd, discount, batch_id, profile, wishes
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, CAST(? AS TEXT), ?, 0, ?, ?, ?, ?, ?, ?, ?)
"""
_COMPLETE = """
UPDATE requests SET elapsed_s = ?, status = ?, error_code = ?, error_message = CAST(? AS TEXT),
    http_status = ?, request_id = coalesce(CAST(? AS TEXT), request_id), attempts = ?, billed = ?,
    usage = coalesce(?, usage), cost_usd = coalesce(?, cost_usd), host = coalesce(?, host)
WHERE id = ?
"""
#: What is resumed without a result may be that of a call whose process was killed when its end was written.
_UNLESS_ENDED = " AND status NOT IN ('saved', 'partial', 'failed')"
_ACCEPT = "UPDATE requests SET status = 'pending', task_id = CAST(? AS TEXT) WHERE id = ?"
_INSERT_IMAGE = "INSERT OR REPLACE INTO images VALUES (?, ?, CAST(? AS TEXT), ?, ?, ?, ?, ?, ?)"

_RECORDING_TRIES = 2

_Made = TypeVar("_Made")
Warn = Callable[[str], None]


class Ledger:
    """The ledger of one state folder. One object serves all threads of a client, by one connection.

    `secrets` are masked wherever they turn up. The file is opened on first use and closed with the object.
    """

    def __init__(self, folder: Path, secrets: Tuple[str, ...] = ()) -> None:
        self.path: Path = folder / LEDGER_NAME
        self._secrets = tuple(secret for secret in secrets if len(secret) >= _MIN_SECRET_CHARS)
        self._lock = threading.Lock()
        self._database: Optional[Database] = None
        self._close: Callable[[], object] = lambda: None
        self._has_warned = False

    def begin(self, opening: Opening, warn: Warn) -> Optional[int]:
        """Writes the row of a request that is about to be sent, as `sent` and billed `maybe`.

        Returns its id, to be given to `finish` by this process or another; None when it was not recorded.
        """
        return self.attempt(lambda database: self.insert(database, opening), warn)

    def accepted(self, row: int, task_id: str, warn: Warn) -> None:
        """The host has accepted a request as a task of this id."""
        values = (stored(self.masked(task_id)), row)
        self.attempt(lambda database: database.change(_ACCEPT, values), warn)

    def finish(self, row: int, ending: Ending, warn: Warn) -> None:
        """Completes the row of a request that has ended, with its images."""
        self.attempt(lambda database: self._complete(database, row, ending), warn)

    def attempt(self, work: Callable[[Database], _Made], warn: Warn) -> Optional[_Made]:
        """What `work` makes of the open file; None where that could not be done, which is told once."""
        if not self._lock.acquire(timeout=BUSY_TIMEOUT_S):
            self._tell(locked(self.path), warn)
            return None
        try:
            return work(self._opened())
        except LedgerError as error:
            self._drop()
            problem = error
        except Exception:
            self._drop()
            raise
        finally:
            self._lock.release()
        self._tell(problem, warn)
        return None

    def _opened(self) -> Database:
        if self._database is None:
            self._database = open_database(self.path)
            self._close = weakref.finalize(self, self._database.close)
        return self._database

    def _drop(self) -> None:
        self._close()
        self._database = None

    def _tell(self, error: LedgerError, warn: Warn) -> None:
        if not self._has_warned:
            self._has_warned = True
            warn(f"this call is not in the history: {error.message}; {error.hint}")

    def insert(self, database: Database, opening: Opening) -> int:
        """Writes the row of a request; its id."""
        request, estimate = opening.request, opening.estimate
        return database.insert(
            _INSERT,
            (
                opening.started_at or utc_text(time.time()),
                self.masked(opening.base_url),
                SANDBOX_HOST if opening.sandbox else urlsplit(opening.base_url).netloc,
                opening.command,
                self.masked(request.model),
                self.masked(request.prompt),
                self.masked(json.dumps(other_fields(request))),
                json.dumps([self._input_json(file) for file in opening.inputs]),
                self._beside_json(opening),
                stored(opening.output),
                Status.SENT.value,
                Billed.MAYBE.value,
                estimate.low_usd if estimate else None,
                estimate.high_usd if estimate else None,
                opening.discount,
                opening.batch_id,
                opening.profile or None,
                self.masked(json.dumps(opening.wishes)) if opening.wishes else None,
            ),
        )

    def _complete(self, database: Database, row: int, ending: Ending) -> None:
        with database.transaction():
            self.fill(database, row, ending)

    def fill(self, database: Database, row: int, ending: Ending) -> None:
        """Writes how a request ended into its row, within a transaction."""
        result = ending.result
        found = database.change(
            _COMPLETE + _UNLESS_ENDED if ending.status is Status.INTERRUPTED else _COMPLETE,
            (
                round(result.elapsed_s, 3),
                ending.status.value,
                ending.error_code,
                None if ending.error_message is None else stored(self.masked(ending.error_message)),
                result.http_status,
                None if result.request_id is None else stored(self.masked(result.request_id)),
                result.attempts,
                result.billed.value,
                _usage_json(result),
                result.cost_usd,
                SANDBOX_HOST if result.sandbox else None,
                row,
            ),
        )
        # Of a request that was forgotten meanwhile nothing is kept.
        for number, image in enumerate(result.images if found else (), 1):
            database.change(
                _INSERT_IMAGE,
                (
                    row,
                    number,
                    stored(image.path),
                    image.sha256,
                    image.size_bytes,
                    image.format,
                    image.width,
                    image.height,
                    int(image.rescued),
                ),
            )

    def _input_json(self, file: InputFile) -> Dict[str, object]:
        return {**file.json(), "source": self.masked(file.source)}

    def _beside_json(self, opening: Opening) -> Optional[str]:
        """What stands in the column `mask`: a mask, or a markup that says so."""
        if opening.markup is not None:
            return json.dumps({**self._input_json(opening.markup), "field": "markup"})
        return None if opening.mask is None else json.dumps(self._input_json(opening.mask))

    def masked(self, text: str) -> str:
        """The text without secrets."""
        return mask_secrets(text, self._secrets)


def _usage_json(result: Result) -> Optional[str]:
    """The tokens of a result, those of an SVG's author within them under their own name."""
    usage: Dict[str, object] = {} if result.usage is None else dict(vars(result.usage))
    if result.svg_usage is not None:
        usage["svg_usage"] = vars(result.svg_usage)
    return json.dumps(usage) if usage else None


def recorded(
    ledger: Ledger, opening: Opening, run: Callable[[Tuple[str, ...], int], Result], observer: Observer
) -> Result:
    """Runs a call between the two halves of its row; what `run` returns or raises is passed on.

    `run` is given what the call has to warn of, and its row (0 where there is none). A warning that comes
    only at its end goes to `observer`, and to the result.
    """
    early: List[str] = []
    late: List[str] = []
    started = time.monotonic()
    row = _tried(lambda: ledger.begin(opening, early.append), None)

    def finish(result: Optional[Result], error: Optional[BaseException]) -> Result:
        if result is None:
            assert error is not None
            ending = ending_without_result(error, opening, time.monotonic() - started)
        else:
            ending = ending_of(result, error, opening.request.count)
        if row is not None:
            ledger.finish(row, ending, late.append)
        for warning in late:
            with suppress(Exception):  # what is said must not change how the call ends
                observer(Warned(warning, time.monotonic() - started))
        return replace(ending.result, warnings=(*ending.result.warnings, *late))

    try:
        result = run(tuple(early), row or 0)
    except BaseException as error:
        known: Optional[Result] = getattr(error, "result", None)
        finished = _tried(partial(finish, known, error), known)
        if known is not None and isinstance(error, GptImage2Error):
            error.result = finished
        raise
    return _tried(partial(finish, result, None), result)


def _tried(work: Callable[[], _Made], otherwise: _Made) -> _Made:
    """What `work` returns, tried again where a defect broke it off: a row without its end tells wrongly what
    was paid for. Whatever comes of it, the call itself ends as it ended."""
    for _ in range(_RECORDING_TRIES):
        with suppress(Exception):
            return work()
    return otherwise
