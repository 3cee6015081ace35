"""Where an order stands in the queue of its level, estimated from the level's size and the trades on it (math M9)."""

from collections.abc import Callable
from math import log1p

Behind = Callable[[float, float], float]
"""(shares in front, shares behind) -> the probability that a decrease without a trade happens behind us."""


def behind(estimator: str, n: float = 2.0) -> Behind:
    """One of the five estimators of hftbacktest's `queue.rs` by name, or `risk_adverse`; a ValueError for another name.

    `n` is the exponent of the power laws. Shares are whole shares as floats: the two log laws depend on the unit. An empty level (0/0) has
    nobody in front, so a decrease is behind us by definition.
    """
    laws: dict[str, Behind] = {
        "power": lambda front, back: back**n / (back**n + front**n),
        "power2": lambda front, back: back**n / (back + front) ** n,
        "power3": lambda front, back: 1 - (front / (front + back)) ** n,
        "log": lambda front, back: log1p(back) / (log1p(back) + log1p(front)),
        "log2": lambda front, back: log1p(back) / log1p(back + front),
        "risk_adverse": lambda front, back: 1.0,
    }
    if estimator not in laws:
        raise ValueError(f"queue estimator {estimator!r}: expected one of {', '.join(laws)}")
    law = laws[estimator]
    return lambda front, back: law(front, back) if front + back > 0 else 1.0


class QueuePlace:
    """One order's place: `front` shares are ahead of it on a level of `level` shares (ours not counted)."""

    __slots__ = ("_behind", "_traded", "front", "level")

    def __init__(self, level: float, law: Behind) -> None:
        self._behind = law
        self._traded = 0.0
        self.front = level
        self.level = level

    def traded(self, size: float) -> None:
        """Somebody took `size` from the level: all of it from the front, and the next change of the level has it in it."""
        self.front = max(0.0, self.front - size)
        self._traded += size

    def swept(self) -> None:
        """Somebody traded through the level: nobody is ahead any more."""
        self.front = 0.0

    def changed(self, size: float) -> None:
        """The level shows a new size. What shrank beyond the trades was cancelled, in front of us or behind us."""
        cancelled = self.level - size - self._traded
        self._traded = 0.0
        if cancelled < 0:
            self.front = min(self.front, size)
        else:
            back = max(0.0, self.level - self.front)
            law = self._behind(self.front, back)
            self.front = max(0.0, min(self.front - (1 - law) * cancelled + min(back - law * cancelled, 0.0), size))
        self.level = size

    @property
    def ahead(self) -> float:
        """The part of the level ahead of us, 0..1: q of the queue factor."""
        return min(1.0, self.front / self.level) if self.level > 0 else 0.0
