"""The money cap of one call or of many: what they have cost, and what those under way may still cost.

A call first takes hold of its highest estimate; both sums together never pass the cap. Safe for threads.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import Dict, Generator, Optional

from ..api.cost import CostEstimate
from ..base.errors import UsageError
from ..base.outcome import Billed

OVER_MAX_COST = "over_max_cost"
_ROUNDING_USD = 1e-9


class Hold:
    """The money that one call may cost. Until `sent` nothing was spent, after it everything may be."""

    def __init__(self, high_usd: float) -> None:
        self.high_usd = high_usd
        self.spent_usd = 0.0

    def sent(self) -> None:
        """A request went out: until it is settled it counts as paid for."""
        self.spent_usd = self.high_usd

    def settle(self, billed: Billed, cost_usd: Optional[float]) -> None:
        """The call has ended: its cost where that is known, else its highest estimate."""
        if billed is Billed.NO:
            self.spent_usd = 0.0
        elif billed is Billed.YES and cost_usd is not None:
            self.spent_usd = cost_usd
        else:
            self.spent_usd = max(self.high_usd, cost_usd or 0.0)


class Budget:
    """What calls may spend and have spent, in USD; `spent_usd` is what was spent before."""

    def __init__(self, max_cost_usd: Optional[float] = None, spent_usd: float = 0.0) -> None:
        self.max_cost_usd = max_cost_usd
        self._lock = threading.Lock()
        self._spent_usd = spent_usd
        self._held_usd = 0.0

    def take(self, high_usd: float) -> Optional[Hold]:
        """Sets the highest estimate of a call aside until `release`; None when it might pass the cap."""
        with self._lock:
            taken = self._spent_usd + self._held_usd
            if self.max_cost_usd is not None and not taken + high_usd <= self.max_cost_usd + _ROUNDING_USD:
                return None
            self._held_usd += high_usd
        return Hold(high_usd)

    def release(self, hold: Hold) -> None:
        """Books what a call has cost in place of what was set aside for it."""
        with self._lock:
            self._held_usd -= hold.high_usd
            self._spent_usd += hold.spent_usd

    @contextmanager
    def hold(
        self, estimate: Optional[CostEstimate], what: str, way_out: str = "raise `max_cost_usd`"
    ) -> Generator[Hold, None, None]:
        """`take` and `release` around a call. The error names it by `what`, and `way_out` as a last resort.

        Raises:
            UsageError: it might pass the cap, or its price is not known while there is one.
        """
        if estimate is None and self.max_cost_usd is not None:
            raise unknown_cost(what)
        high_usd = estimate.high_usd if estimate else 0.0
        hold = self.take(high_usd)
        if hold is None:
            taken = ""
            if self._spent_usd or self._held_usd:
                taken = f", of which ${self._spent_usd:.4f} are spent"
                taken += f" and ${self._held_usd:.4f} held by calls under way" if self._held_usd else ""
            raise UsageError(
                f"{what} may cost up to ${high_usd:.4f}, more than `max_cost_usd` "
                f"${self.max_cost_usd or 0.0:.4f}{taken}",
                hint=f"choose a lower `quality`, a smaller `size` or `n`, or {way_out}; nothing was sent",
                code=OVER_MAX_COST,
            )
        try:
            yield hold
        finally:
            self.release(hold)

    def check(self, estimate: Optional[CostEstimate], what: str) -> None:
        """Refuses what `hold` would refuse."""
        with self.hold(estimate, what):
            pass

    def json(self) -> Dict[str, Optional[float]]:
        """Cap, spent, held by calls under way, and left, in USD; None where there is no cap."""
        with self._lock:
            spent, held = self._spent_usd, self._held_usd
        left = None if self.max_cost_usd is None else max(0.0, round(self.max_cost_usd - spent - held, 6))
        return {
            "max_cost_usd": self.max_cost_usd,
            "spent_usd": round(spent, 6),
            "held_usd": round(held, 6),
            "left_usd": left,
        }


def unknown_cost(what: str) -> UsageError:
    """The error where there is a cap, and a price is not known."""
    return UsageError(
        f"the cost of {what} is unknown, so `max_cost_usd` cannot be kept",
        hint="leave `max_cost_usd` out, or choose `model` and `quality` with a known price; nothing was sent",
        code="unknown_cost",
    )
