"""Markouts: what the mid says of a fill, half a second to ten minutes after it; positive where the fill was to our good."""

from collections import deque
from collections.abc import Iterator

from msgspec import Struct

from pmm_tui.core.decide import ours
from pmm_tui.core.market import Market, Side
from pmm_tui.core.portfolio import Fill
from pmm_tui.core.state import MarketState
from pmm_tui.core.units import ONE
from pmm_tui.study.cells import HORIZONS_S

NEVER = 2**63 - 1
PENDING_MAX = 20_000
"""Fills waiting for a markout: what comes on top of them is not followed."""


class Mark(Struct):
    """A fill whose markouts are still to come, in YES terms."""

    at: int
    market: str
    closes: int
    sign: int
    """+1 where the fill bought YES (or sold NO), -1 the other way."""
    price: float
    """What a YES share cost, dollars."""
    shares: float
    void: bool = False
    """The chain undid the trade: it never was."""

    def out(self, mid: float) -> float:
        """Dollars a share at a mid of YES."""
        return self.sign * (mid - self.price)


def mark_of(fill: Fill, market: Market) -> Mark:
    """The mark of a fill; a NO share bought at p is a YES share sold at 1 - p."""
    is_yes = fill.token == market.yes
    sign = 1 if is_yes is (fill.side is Side.BUY) else -1
    price = fill.price / ONE if is_yes else 1 - fill.price / ONE
    return Mark(fill.at, fill.market, market.closes, sign, price, fill.size / 1e6)


class Markouts:
    """Fills on their way through the horizons."""

    def __init__(self, most: int = PENDING_MAX) -> None:
        self.unfollowed = 0
        self.next_at = NEVER
        """Nothing is due before."""
        self._most = most
        self._waits = [int(horizon * 1e9) for horizon in HORIZONS_S]
        self._pending: list[deque[Mark]] = [deque(maxlen=most) for _ in HORIZONS_S]
        self._known: dict[tuple[str, int], Mark] = {}
        """By (trade, order), while a markout is still to come."""
        self._order: deque[tuple[str, int]] = deque(maxlen=most)

    def add(self, key: tuple[str, int], mark: Mark) -> None:
        """Follow a fill from now on."""
        if len(self._pending[-1]) >= self._most:
            self.unfollowed += 1
            return
        for line in self._pending:
            line.append(mark)
        self.next_at = min(self.next_at, mark.at + self._waits[0])
        self._known[key] = mark
        self._order.append(key)

    def undo(self, key: tuple[str, int]) -> None:
        """A trade failed: the markouts that are still to come are not taken."""
        mark = self._known.get(key)
        if mark is not None:
            mark.void = True

    def due(self, now: int) -> Iterator[tuple[str, Mark]]:
        """Every markout whose time has come: the name of its mean, and the fill."""
        last = self._pending[-1]
        for number, line in enumerate(self._pending):
            while line and line[0].at + self._waits[number] <= now:
                mark = line.popleft()
                if line is last:
                    del self._known[self._order.popleft()]
                if not mark.void:
                    yield NAMES[number], mark
        self.next_at = min((line[0].at + wait for line, wait in zip(self._pending, self._waits, strict=True) if line), default=NEVER)


NAMES = tuple(f"markout_{horizon:g}" for horizon in HORIZONS_S)


def touch(market: MarketState, ours_in_book: bool) -> tuple[int, int]:
    """Bid and ask of the others in YES terms: 0 and ONE stand for a side that is empty."""
    book = market.book
    if not ours_in_book or not market.live:
        return book.bid, book.ask
    bid, _, ask, _ = book.touch_without(*ours(market))
    return bid, ask


def mid_of(market: MarketState, ours_in_book: bool) -> float | None:
    """What a YES share counts for: the payout once it is known, else the mid of the others; None where there is nothing in the book.

    Where only one side is left, as at the end of a decided market, the other one is the edge of the price: 0 or 1.
    """
    if market.payout is not None:
        return market.payout / ONE
    bid, ask = touch(market, ours_in_book)
    return None if (bid, ask) == (0, ONE) else (bid + ask) / (2 * ONE)
