"""Reference prices, a point a second: BTC from the crowd where it has one, everything else from a seeded random walk."""

from collections import deque
from collections.abc import Callable
from math import sqrt
from typing import TYPE_CHECKING

from pmm_tui.core.units import SECOND, Cash, Nanos

if TYPE_CHECKING:
    from random import Random

BASES = {"btc": Cash(60_000_000_000), "eth": Cash(2_300_000_000), "sol": Cash(84_000_000), "xrp": Cash(1_400_000)}
"""Where each coin begins, micro-dollars."""
KEPT_S = 120
SIGMA = 0.000_05
"""Of a second's relative move: about 28 % a year."""

Point = tuple[int, Cash]
"""A second and the price in it."""


class Prices:
    """The last two minutes of every coin. `chance` is a Random of its own."""

    def __init__(self, chance: "Random") -> None:
        self._chance = chance
        self._points: dict[str, deque[Point]] = {coin: deque(maxlen=KEPT_S) for coin in BASES}
        self._second = 0

    def note(self, at: Nanos, btc: Callable[[], Cash] | None = None) -> None:
        """Time has come this far; `btc` says what BTC costs now, where somebody knows."""
        second = at // SECOND
        if second <= self._second:
            return
        passed = min(second - self._second, KEPT_S) if self._second else KEPT_S
        for coin, points in self._points.items():
            price = btc() if btc is not None and coin == "btc" else None
            last = points[-1][1] if points else price or BASES[coin]
            skipped = second - passed - self._second if self._second else 0
            for step in range(second - passed + 1, second + 1):
                last = price if price is not None else self._moved(last, 1 + skipped)
                skipped = 0
                points.append((step, last))
        self._second = second

    def _moved(self, price: Cash, seconds: int) -> Cash:
        return Cash(max(1, round(price * (1.0 + self._chance.gauss(0.0, SIGMA * sqrt(seconds))))))

    @property
    def second(self) -> int:
        """The last second there is a price of; 0 before the first."""
        return self._second

    def last(self, coin: str, seconds: int = KEPT_S) -> list[Point]:
        """A coin's newest points, oldest first; none where it is unknown."""
        return list(self._points.get(coin, ()))[-seconds:]

    def mean(self, coin: str, seconds: int) -> Cash:
        """The mean over a coin's newest seconds: its TWAP. ValueError where there is none."""
        points = self.last(coin, seconds)
        if not points:
            raise ValueError(f"no price of {coin}")
        return Cash(sum(price for _, price in points) // len(points))
