"""A second call that a finished picture needs: priced before the first is sent, made only where that price is
allowed, its images kept beside those of the first, and both in the sum.
"""

from __future__ import annotations

import math
from contextlib import ExitStack
from typing import Any, Callable, Dict, List, Optional, Protocol, Sequence, Tuple

from ..api.checks import checked
from ..api.cost import CostEstimate
from ..api.request import ImageRequest
from ..base.errors import GptImage2Error, InterruptedCall, UsageError
from ..base.events import Observer
from ..base.optional_part import import_pictures, reason_of
from ..base.outcome import Billed, Result, SavedImage
from ..base.record import Record, replace
from ..base.redact import show
from ..calls.client import Client
from ..calls.under_way import PreparedCall
from ..ledger.budget import Budget
from ..outputs.naming import OutputPlan
from ..telling.amounts import cost_in_words, estimate_json
from ..telling.in_words import paid_in_words


class FurtherCall(Record):
    """A call after the first. `word` is in the names of its images, `purpose` says what it is for; `edits` is
    the path of the image that it edits, if any. One that `is_needed` is made in any case."""

    request: ImageRequest
    word: str
    purpose: str
    edits: str = ""
    is_needed: bool = False


class FurtherSteps(Protocol):
    """What of the steps knows when another call is needed."""

    def further(self) -> Optional[FurtherCall]:
        """The call that may follow the first, for its price; None where none will."""
        ...

    def next_call(self, images: Sequence[SavedImage]) -> Optional[FurtherCall]:
        """The call that these images of the first need; None where they need none. May raise anything."""
        ...

    def take(self, images: Sequence[SavedImage]) -> None:
        """Takes the images of that call."""
        ...


class FurtherCalls:
    """The second call of one command: `price` it, then `run` it once the first has its images.

    Raises:
        UsageError: by `price`: it could not be sent, or both may cost more than is allowed.
    """

    def __init__(self, steps: FurtherSteps, say: Callable[[str], None]) -> None:
        self._steps = steps
        self._say = say
        self._call: Optional[FurtherCall] = None
        self._estimate: Optional[CostEstimate] = None
        #: What both calls may cost, None where that is not known, and whether the second may be made.
        self.both: Optional[CostEstimate] = None
        self.is_allowed = False

    def price(self, client: Client, first: PreparedCall, max_cost_usd: Optional[float]) -> None:
        """Looks at the call that may follow `first`, and what both may cost."""
        self._call = call = self._steps.further()
        if call is None:
            return
        request, _ = checked(call.request)
        prices = client.settings.prices
        one = first.request.estimate(prices)
        self._estimate = two = request.estimate(prices, unseen_images=int(call.is_needed))
        if one is not None and two is not None:
            low = two.low_usd if call.is_needed else 0.0
            self.both = CostEstimate(one.low_usd + low, one.high_usd + two.high_usd, two.note)
        budget = Budget(max_cost_usd)
        if call.is_needed:
            budget.check(self.both, "both calls together")
            self.is_allowed = True
        else:
            has_cap = max_cost_usd is not None and self.both is not None
            self.is_allowed = has_cap and budget.take(self._most_usd) is not None

    def show(self) -> List[str]:
        """The call that may follow, in lines for people; none where none will."""
        call = self._call
        if call is None:
            return []
        when = "Then" if call.is_needed else "Then, where the background is not clear"
        lines = [f"{when}: {call.purpose}, estimated cost {cost_in_words(self._estimate)}"]
        if self.both is not None:
            lines.append(f"Both calls: up to ${self.both.high_usd:.4f}{'' if self.is_allowed else self._way}")
        return lines

    def as_json(self) -> Dict[str, object]:
        """The same as `--json` has it."""
        call = self._call
        if call is None:
            return {}
        further = {
            "purpose": call.purpose,
            "prompt": call.request.prompt,
            "needed": call.is_needed,
            "allowed": self.is_allowed,
            "cost_usd": estimate_json(self._estimate),
            "both_usd": estimate_json(self.both),
        }
        return {"further_call": further}

    def run(
        self,
        client: Client,
        asked: OutputPlan,
        first: Result,
        observer: Observer,
        warn: Callable[[str], None],
    ) -> Result:
        """The result of both calls with the images of the first; its own where no other is needed or allowed.

        Raises:
            InterruptedCall: the second call was; `result` is that of both.
        """
        if any(image.rescued for image in first.images):
            return first  # nothing can be made of what lies elsewhere
        try:
            call = self._steps.next_call(first.images)
        except InterruptedCall:
            raise
        except Exception as problem:  # the first call is paid for, whatever its images are
            warn(f"no second call was made: {reason_of(problem)}")
            return first
        if call is None:
            return first
        if not self.is_allowed:
            warn(f"a second call was not made, for {call.purpose}{self._price}{self._way}")
            return first
        self._say(f"a second call, for {call.purpose}{self._price}")
        path = asked.folder / f"{asked.stem}.{call.word}.{call.request.effective_format}"
        try:
            with ExitStack() as stack:
                request = call.request
                if call.edits:
                    request = stack.enter_context(client.with_inputs(request, [call.edits]))
                second = client.that_waits.run(
                    client.prepare(request, str(path), no_clobber=True), observer=observer
                )
        except GptImage2Error as error:
            both = _of_both(first, error.result, error.billed)
            if isinstance(error, InterruptedCall):
                error.result, error.billed = both, both.billed
                raise
            warn(f"the second call failed: {error.message}" + (f"; {error.hint}" if error.hint else ""))
            self._steps.take(() if error.result is None else error.result.images)
            return both
        except Exception as problem:  # what a call itself raises is of our errors: it was not sent
            warn(f"no second call was made: {reason_of(problem)}")
            return first
        self._steps.take(second.images)
        both = _of_both(first, second, second.billed)
        paid = paid_in_words(both)
        if paid:
            self._say(f"both calls: {paid}")
        return both

    @property
    def _most_usd(self) -> float:
        return 0.0 if self.both is None else self.both.high_usd

    @property
    def _price(self) -> str:
        if self._estimate is None:
            return ", at an unknown price"
        return f", for up to ${self._estimate.high_usd:.4f}"

    @property
    def _way(self) -> str:
        """What allows the second call."""
        if self.both is None:
            return ": without a price of the model (`prices` in the config) it is never made"
        return f": --max-cost {math.ceil(self._most_usd * 100) / 100:.2f} allows it"


def checks_of(paths: Sequence[str]) -> Tuple[Dict[str, object], List[str]]:
    """Whether the backgrounds of pictures are transparent, as their JSON has it (`checks`), by their paths,
    and what is not as it should be, in words. Nothing where the optional part is not installed. Raises
    nothing."""
    checks: Dict[str, object] = {}
    found: List[str] = []
    try:
        look = import_pictures("transparency").look_at
    except UsageError:
        return checks, found
    for path in paths:
        try:
            checks[path], warnings = look(path)
        except Exception as problem:  # of whatever kind: it is paid for and saved
            warnings = [reason_of(problem)]
        found += [f"{show(path, limit=None)}: {warning}" for warning in warnings]
    return checks, found


def add_checks(outcome: Dict[str, Any]) -> List[str]:
    """Adds to each image of a result's JSON what `checks_of` says of it, and that to its warnings; these."""
    unchecked = [image for image in outcome["images"] if "checks" not in image]
    checks, found = checks_of([image["path"] for image in unchecked])
    for image in unchecked:
        if image["path"] in checks:
            image["checks"] = checks[image["path"]]
    outcome["warnings"] += found
    return found


def _of_both(first: Result, second: Optional[Result], billed: Billed) -> Result:
    """The result of the first call with the costs of both."""
    if second is None:
        return first
    known = first.cost_usd is not None and (second.cost_usd is not None or billed is Billed.NO)
    usage = first.usage
    if second.usage is not None:
        usage = second.usage if usage is None else usage + second.usage
    return replace(
        first,
        usage=usage,
        cost_usd=(first.cost_usd or 0.0) + (second.cost_usd or 0.0) if known else None,
        billed=max(first.billed, billed, key=lambda each: each.rank),
        attempts=first.attempts + second.attempts,
        requests_sent=first.requests_sent + second.requests_sent,
        elapsed_s=first.elapsed_s + second.elapsed_s,
        warnings=tuple(dict.fromkeys((*first.warnings, *second.warnings))),
        tasks=(*first.tasks, *second.tasks),
    )
