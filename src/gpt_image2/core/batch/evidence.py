"""Whether refusals that do not say so are for a limit or by chance: Wald's sequential probability ratio test.

Each outcome is weighed by how likely it is in either case. By chance a request is refused as often as any
other. A limit refuses what comes right behind a refused request, and does not refuse what keeps to a pace
that got through. Pure.

Source: A. Wald, "Sequential Tests of Statistical Hypotheses", Ann. Math. Statist. 16 (2), 1945.
"""

from __future__ import annotations

from math import log

#: Logarithms: 2 to 1, 55 to 1, and no more than 400 to 1, so that another kind of refusals is seen soon.
_LEANING_ODDS, _SURE_ODDS, _MOST_ODDS = 0.7, 4.0, 6.0
_DOUBT = -2.0  # after a surprise: chance is the more likely
_UNLIKELY = 9.0  # that so many are refused on end by chance: one in 8,000
_LEAST_LOST, _MOST_LOST = 3, 24
_OF_LATE = 128  # requests


class Evidence:
    """What the outcomes of requests tell."""

    def __init__(self) -> None:
        self._log_odds = 0.0
        self._passed, self._refused = 3.0, 1.0  # before anything is known

    @property
    def is_limit(self) -> bool:
        return self._log_odds >= _SURE_ODDS

    @property
    def leans(self) -> bool:
        """Whether a limit is the more likely."""
        return self._log_odds > _LEANING_ODDS

    @property
    def is_chance(self) -> bool:
        return self._log_odds <= -_SURE_ODDS

    @property
    def share(self) -> float:
        """Of all requests of late, those that were refused."""
        return self._refused / (self._passed + self._refused)

    def most_lost(self, lost: int) -> int:
        """So many refused on end, of which so many are counted already, are no chance."""
        refused = max(1.0, self._refused - lost)
        needed = _UNLIKELY / -log(refused / (refused + self._passed))
        return int(min(_MOST_LOST, max(_LEAST_LOST, needed)))

    def add(self, is_refused: bool, limit_refuses: float) -> None:
        """A request was let through or refused; a limit refuses it with this probability, 0 where that
        cannot be said."""
        if limit_refuses:
            chance, limit = self.share, limit_refuses
            odds = limit / chance if is_refused else (1 - limit) / (1 - chance)
            self._log_odds = max(-_MOST_ODDS, min(_MOST_ODDS, self._log_odds + log(odds)))
        self._refused += is_refused
        self._passed += not is_refused
        if self._passed + self._refused >= _OF_LATE:  # what is long ago counts less
            self._passed, self._refused = self._passed / 2, self._refused / 2

    def doubt(self) -> None:
        """It is not as it was: all is open again, but for the share, and chance the more likely."""
        self._log_odds = _DOUBT
