"""One call, from a checked request to saved images: sends, waits, sends again where that is safe, downloads.

`--n K --stream` becomes K requests of one image side by side, each a lane of its own, since the API streams
only n=1.
"""

from __future__ import annotations

import threading
from itertools import count
from operator import attrgetter
from typing import Callable, List, Optional, Tuple

from ..api.cost import priced
from ..base.about import called
from ..base.errors import GptImage2Error, InterruptedCall, OutputError, PartialError
from ..base.events import Finished
from ..base.outcome import Billed, Result
from ..base.record import replace
from ..telling.in_words import cost_warnings
from .explain import in_doubt
from .lane import DOWNLOAD_FAILED, Lane, LaneEnd
from .task import TASK_PENDING
from .under_way import CallUnderWay

_JOIN_S = 0.5
_EARLIER_HINT = "an earlier try may have been billed: check your usage before you send it again"


class Call(CallUnderWay):
    """A call, run to its end."""

    def run(self, warnings: Tuple[str, ...] = (), row: int = 0) -> Result:
        """Sends, saves, and tells how it ended. `row` is that of the ledger, 0 where there is none.

        Raises:
            GptImage2Error: not all images could be saved as asked; `result` holds those that were.
        """
        self.row = row
        try:
            return self._run(warnings)
        except BaseException as defect:
            if isinstance(defect, GptImage2Error) and defect.result is not None:
                raise
            unsettled = Result(
                command=self.request.command,
                model=self.request.model,
                attempts=self.attempts,
                elapsed_s=self.elapsed_s,
                warnings=tuple(self.warnings),
            )
            return self.gate.settle(defect, unsettled, self.warn)

    def _run(self, warnings: Tuple[str, ...]) -> Result:
        for warning in warnings:
            self.warn(warning)
        if self.request.stream and self.host.settings.streams is False:
            self.request = self.request.without_stream()
            self.warn("this base URL does not stream, as doctor --probe learnt; sent without --stream")
        with self.host.stop:
            if self.host.stop.is_set:
                raise InterruptedCall("interrupted; nothing was sent", signum=self.host.stop.signum or 2)
            ends = self._run_lanes()
        result = self._result([result for result, _ in ends])
        self.emit(Finished(result, result.elapsed_s))
        error = self._error([error for _, error in ends if error is not None], result)
        if error is not None:
            error.result = result
            raise error
        return result

    def _run_lanes(self) -> List[LaneEnd]:
        total = self.request.count
        further = count(max(self.numbers) + 1)
        if not (self.request.stream and total > 1):
            return [Lane(self, self.request, self.numbers, further).run()]
        self.warn(f"the API streams one image a request, so {total} requests go out side by side")
        single = replace(self.request, n=None)
        lanes = [Lane(self, single, [number], further) for number in self.numbers]
        return _run_side_by_side([lane.run for lane in lanes])

    def _result(self, lanes: List[Result]) -> Result:
        usages = [lane.usage for lane in lanes if lane.usage is not None]
        # A sum without one of its parts would be too small.
        usage = sum(usages[1:], usages[0]) if usages and len(usages) == len(lanes) else None
        settings = self.host.settings
        result = priced(replace(lanes[-1], usage=usage), settings.prices, settings.text_prices)
        for warning in cost_warnings(result):
            self.warn(warning)
        return replace(
            result,
            images=tuple(image for lane in lanes for image in lane.images),
            billed=max((lane.billed for lane in lanes), key=attrgetter("rank")),
            attempts=sum(lane.attempts for lane in lanes),
            requests_sent=sum(lane.requests_sent for lane in lanes),
            tasks=tuple(task for lane in lanes for task in lane.tasks),
            elapsed_s=self.elapsed_s,
            warnings=tuple(self.warnings),
        )

    def _error(self, errors: List[GptImage2Error], result: Result) -> Optional[GptImage2Error]:
        """The error that the call ends with, None when every image is where it was asked for."""
        saved, asked = len(result.images), self.request.count
        if self.host.stop.is_set and (errors or saved < asked):
            doubt = in_doubt(self.request, self.host.settings.prices)
            return _interrupted(self.host.stop.signum, result, errors, doubt)
        rescued = [image.path for image in result.images if image.rescued]
        places = ", ".join(rescued)
        if rescued:
            return OutputError(
                f"{len(rescued)} of {asked} images could not be written where asked; they are {places}",
                hint="copy them from there; do not send the request again",
                billed=result.billed,
                http_status=result.http_status,
                request_id=result.request_id,
            )
        if not errors:
            return None
        worst = max(errors, key=lambda error: error.billed.rank)
        if not saved:
            if worst.billed is Billed.NO and result.billed is not Billed.NO:
                worst.retry_safe = False
                worst.hint = "; ".join(filter(None, [worst.hint, _EARLIER_HINT]))
            worst.billed = result.billed
            return worst
        hints = [worst.hint]
        if self.row and worst.billed is not Billed.MAYBE and worst.code != DOWNLOAD_FAILED:
            hints.append(f"{called()} history redo {self.row} --missing buys the rest")
        return PartialError(
            f"{saved} of {asked} images saved: {worst.message}",
            hint="; ".join(filter(None, hints)),
            code=worst.code,
            billed=result.billed,
            http_status=worst.http_status,
            request_id=worst.request_id,
        )


def _run_side_by_side(jobs: List[Callable[[], LaneEnd]]) -> List[LaneEnd]:
    """Runs every job in a thread of its own; how they ended, in their order."""
    ends: List[Optional[LaneEnd]] = [None] * len(jobs)
    failures: List[BaseException] = []

    def work(number: int) -> None:
        try:
            ends[number] = jobs[number]()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(_JOIN_S)  # in slices, so that signals are heard everywhere
    if failures:
        raise failures[0]
    return [end for end in ends if end is not None]


def _interrupted(
    signum: Optional[int], result: Result, errors: List[GptImage2Error], doubt: str
) -> InterruptedCall:
    saved = f"{len(result.images)} images saved; " if result.images else ""
    if result.billed is Billed.NO:
        return InterruptedCall(f"interrupted; {saved}nothing was billed", signum=signum or 2)
    hints = [error.hint for error in errors if error.code in (DOWNLOAD_FAILED, TASK_PENDING)]
    if result.tasks:
        return InterruptedCall(
            f"interrupted; {saved}the host goes on with its task",
            signum=signum or 2,
            billed=result.billed,
            hint="; ".join(hints),
        )
    return InterruptedCall(
        f"interrupted; {saved}the request may still be billed",
        signum=signum or 2,
        billed=result.billed,
        hint="; ".join([*hints, doubt]),
    )
