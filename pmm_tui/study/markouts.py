"""Markouts: what the mid says of a fill, half a second to ten minutes after it; positive where the fill was to our good."""

from collections import deque
from collections.abc import Iterator

from msgspec import Struct, field
from msgspec.structs import replace

from pmm_tui.core.decide import ours
from pmm_tui.core.market import Market, Side
from pmm_tui.core.portfolio import Fill
from pmm_tui.core.risk.review import stale
from pmm_tui.core.snapshot import Snapshot
from pmm_tui.core.state import MarketState, State
from pmm_tui.core.units import ONE, SECOND, Cash
from pmm_tui.study.cells import HORIZONS_S, Cell

NEVER = 2**63 - 1
PENDING_MAX = 20_000
"""Fills waiting for a markout: what comes on top of them is not followed."""
SHOWN = 50
"""So many of the newest fills keep their markouts, as a picture shows no more."""
LATE_NS = SECOND
"""A look at the book that comes so much after its time says nothing of a single fill."""
NOTHING: tuple[Cash | None, ...] = (None,) * len(HORIZONS_S)
"""The markouts of a fill that is not followed."""


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
    counts_at: int = 0
    """The time that its figures are counted at."""
    counted: list[tuple[str, float]] = field(default_factory=list)
    """What was counted of it so far: the mean, and dollars a share."""
    outs: list[Cash | None] = field(default_factory=list)
    """Its own markouts so far, micro-dollars a share, one for each horizon that has passed."""

    def out(self, mid: float) -> float:
        """Dollars a share at a mid of YES."""
        return self.sign * (mid - self.price)

    def count(self, cell: Cell, name: str, out: float) -> None:
        """Count dollars a share towards a mean."""
        cell.weigh(name, self.counts_at, self.shares, out * self.shares)
        self.counted.append((name, out))


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
        self._newest: dict[tuple[str, int], Mark] = {}
        """By (trade, order)."""

    def add(self, key: tuple[str, int], mark: Mark) -> None:
        """Follow a fill from now on."""
        if len(self._pending[-1]) >= self._most:
            self.unfollowed += 1
            return
        for line in self._pending:
            line.append(mark)
        self.next_at = min(self.next_at, mark.at + self._waits[0])
        self._newest[key] = mark
        if len(self._newest) > SHOWN:
            del self._newest[next(iter(self._newest))]

    def of(self, key: tuple[str, int]) -> tuple[Cash | None, ...]:
        """The markouts of one of the newest fills, as far as their time has come."""
        mark = self._newest.get(key)
        return NOTHING if mark is None or mark.void else tuple(mark.outs)

    def due(self, now: int) -> Iterator[tuple[str, Mark, bool]]:
        """Every markout whose time has come: the name of its mean, the fill, and whether that time is only just past."""
        for number, line in enumerate(self._pending):
            while line and line[0].at + self._waits[number] <= now:
                mark = line.popleft()
                if not mark.void:
                    yield NAMES[number], mark, now - mark.at - self._waits[number] <= LATE_NS
        self.next_at = min((line[0].at + wait for line, wait in zip(self._pending, self._waits, strict=True) if line), default=NEVER)


NAMES = tuple(f"markout_{horizon:g}" for horizon in HORIZONS_S)


def touch(market: MarketState, ours_in_book: bool) -> tuple[int, int]:
    """Bid and ask of the others in YES terms: 0 and ONE stand for a side that is empty."""
    book = market.book
    if not ours_in_book or not market.live:
        return book.bid, book.ask
    bid, _, ask, _ = book.touch_without(*ours(market))
    return bid, ask


def fresh_mid(state: State, market: MarketState | None) -> float | None:
    """The mid of the others, dollars, where the book of this moment can be held against a single fill.

    None for a market that is over, and for a book that is stale, doubted, cut off, one-sided or crossed: a mean can bear a last known mid
    and a result, a single number would be made up.
    """
    if market is None or market.over or not market.seen_at:
        return None
    risk, link = state.knobs.risk, state.links.get("market")
    if stale(market.seen_at, state.now, risk) or market.doubted(risk.hash_streak_max) or (link is not None and not link.up):
        return None
    bid, ask = touch(market, state.knobs.desk.own_orders_in_book)
    return (bid + ask) / (2 * ONE) if 0 < bid < ask < ONE else None


def followed(snapshot: Snapshot, state: State, marks: Markouts | None) -> Snapshot:
    """The picture of this state with the markouts of its fills; None of them where none are followed."""
    shown = zip(snapshot.fills, reversed(state.recent), strict=True)
    rows = (replace(row, markouts=NOTHING if marks is None else marks.of((fill.trade, fill.order))) for row, fill in shown)
    return replace(snapshot, fills=tuple(rows))


def mid_of(market: MarketState, ours_in_book: bool) -> float | None:
    """What a YES share counts for: the payout once it is known, else the mid of the others; None where there is nothing in the book.

    Where only one side is left, as at the end of a decided market, the other one is the edge of the price: 0 or 1.
    """
    if market.payout is not None:
        return market.payout / ONE
    bid, ask = touch(market, ours_in_book)
    return None if (bid, ask) == (0, ONE) else (bid + ask) / (2 * ONE)
