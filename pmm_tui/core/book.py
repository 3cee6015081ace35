"""One market's order book in YES terms: price levels in lists over the bounded price range, the last writer by venue time wins.

A level lives at index price // grid, so reading and writing one costs the same however deep the book is, and the best prices are kept as
levels come and go. Frames arrive out of order, so each level remembers the venue time of its last writer. A `book` frame comes after the
changes of its own millisecond, so after a reset at T a change must be later than T; two changes of the same time apply as they arrive.

The grid is the storage's and never coarser than the tick: a price between its points makes the grid finer (the venue may send such a book
before it says that the tick changed), the price is never rounded, and `tick` stays what the venue last said.
"""

from collections.abc import Iterable

from pmm_tui.core.events import Level
from pmm_tui.core.market import Side
from pmm_tui.core.units import ONE, TICKS, Nanos, Price, Size

_BUY = Side.BUY
_NEVER = -1
_SAME = Price(0)


def _grid(coarsest: int, prices: Iterable[int]) -> int:
    """The coarsest tick that divides `coarsest` and every price."""
    wanted = list(prices)
    return next(t for t in TICKS if coarsest % t == 0 and not any(p % t for p in wanted))


def _known(tick: Price) -> Price:
    if tick not in TICKS:
        raise ValueError(f"tick {tick}: the venue knows only {TICKS}")
    return tick


class Book:
    """Bids and asks of one market. Prices outside (0, ONE) and negative sizes are a ValueError and change nothing."""

    __slots__ = ("_ask_stamps", "_asks", "_bid_stamps", "_bids", "_grid", "ask", "bid", "stale_frames", "tick", "ts")

    def __init__(self, tick: Price) -> None:
        self.tick = _known(tick)
        self._grid: int = tick
        slots = ONE // tick + 1
        self._bids = [0] * slots
        self._asks = [0] * slots
        self._bid_stamps = [_NEVER] * slots
        self._ask_stamps = [_NEVER] * slots
        self.bid = Price(0)
        """Best bid; 0 where there is none."""
        self.ask = ONE
        """Best ask; ONE where there is none."""
        self.ts = Nanos(_NEVER)
        """Newest venue time applied; -1 before the first."""
        self.stale_frames = 0
        """Books and levels that were older than what was applied, and changed nothing."""

    def reset(self, bids: Iterable[Level], asks: Iterable[Level], ts: Nanos, tick: Price = _SAME) -> bool:
        """Replace the whole book, levels in any order, and the tick where given.

        False, and nothing changed but the count, where it is older than what is applied. The first whole book is never too old: changes
        that overtook it stay upon it.
        """
        if ts < self.ts:
            if self._bid_stamps[0] != _NEVER:
                self.stale_frames += 1
                return False
            if tick:
                self.retick(tick)
            self.repair(bids, asks, ts)
            return True
        bid_levels, ask_levels = list(bids), list(asks)
        if any(not 0 < p < ONE or s < 0 for p, s in bid_levels) or any(not 0 < p < ONE or s < 0 for p, s in ask_levels):
            raise ValueError("book: a price outside (0, 1) or a negative size")
        if tick:
            self.tick = _known(tick)
        grid = self._grid = _grid(self.tick, [p for p, _ in bid_levels] + [p for p, _ in ask_levels])
        slots = ONE // grid + 1
        self._bids = [0] * slots
        self._asks = [0] * slots
        self._bid_stamps = [ts + 1] * slots
        self._ask_stamps = [ts + 1] * slots
        for price, size in bid_levels:
            self._bids[price // grid] = size
        for price, size in ask_levels:
            self._asks[price // grid] = size
        self.bid = self._best_bid(ONE)
        self.ask = self._best_ask(Price(0))
        self.ts = ts
        return True

    def clear(self) -> None:
        """Let go of the levels, as of a market that is over: on the coarsest grid, which a finer price would refine again."""
        self._grid = max(TICKS)
        slots = ONE // self._grid + 1
        self._bids, self._asks = [0] * slots, [0] * slots
        self._bid_stamps, self._ask_stamps = [self.ts + 1] * slots, [self.ts + 1] * slots
        self.bid, self.ask = Price(0), ONE

    def repair(self, bids: Iterable[Level], asks: Iterable[Level], ts: Nanos) -> int:
        """Let a whole book that came too late for `reset` correct the levels that nobody has written since: how many it corrected.

        With every change received it corrects nothing in the end; without it a lost change would stay until a book overtakes the changes.
        """
        whole = ((list(bids), self._bids, self._bid_stamps), (list(asks), self._asks, self._ask_stamps))
        for price, size in [*whole[0][0], *whole[1][0]]:
            if price % self._grid or size < 0 or not 0 < price < ONE:
                self._refuse_or_refine(price, size)
                return self.repair(whole[0][0], whole[1][0], ts)
        corrected = 0
        for levels, sizes, stamps in whole:
            said = [0] * len(sizes)
            for price, size in levels:
                said[price // self._grid] = size
            for i, stamp in enumerate(stamps):
                if stamp <= ts:
                    stamps[i] = ts + 1
                    if sizes[i] != said[i]:
                        sizes[i] = said[i]
                        corrected += 1
        self.bid = self._best_bid(ONE)
        self.ask = self._best_ask(Price(0))
        return corrected

    def change(self, side: Side, price: Price, size: Size, ts: Nanos) -> bool:
        """Set one level's total size, 0 removes it; True where the touch (a best price or its size) changed.

        A writer older than the level's last one changes nothing and is counted.
        """
        grid = self._grid
        i = price // grid
        if i * grid != price or size < 0 or not 0 < price < 10_000:
            self._refuse_or_refine(price, size)
            return self.change(side, price, size, ts)
        if side is _BUY:
            stamps = self._bid_stamps
            if ts < stamps[i]:
                self.stale_frames += 1
                return False
            stamps[i] = ts
            if ts > self.ts:
                self.ts = ts
            sizes = self._bids
            bid = self.bid
            if price < bid:
                sizes[i] = size
                return False
            if price == bid:
                if size == sizes[i]:
                    return False
                sizes[i] = size
                if not size:
                    self.bid = self._best_bid(price)
                return True
            sizes[i] = size
            if size:
                self.bid = price
                return True
            return False
        stamps = self._ask_stamps
        if ts < stamps[i]:
            self.stale_frames += 1
            return False
        stamps[i] = ts
        if ts > self.ts:
            self.ts = ts
        sizes = self._asks
        ask = self.ask
        if price > ask:
            sizes[i] = size
            return False
        if price == ask:
            if size == sizes[i]:
                return False
            sizes[i] = size
            if not size:
                self.ask = self._best_ask(price)
            return True
        sizes[i] = size
        if size:
            self.ask = price
            return True
        return False

    def retick(self, tick: Price) -> None:
        """The venue's new tick. Every level keeps its price, so the grid stays as fine as the levels need."""
        self.tick = _known(tick)
        held = [i * self._grid for sizes in (self._bids, self._asks) for i, size in enumerate(sizes) if size]
        self._regrid(_grid(tick, held))

    @property
    def bid_size(self) -> Size:
        """Size at the best bid; 0 where there is none."""
        return Size(self._bids[self.bid // self._grid])

    @property
    def ask_size(self) -> Size:
        """Size at the best ask; 0 where there is none."""
        return Size(self._asks[self.ask // self._grid])

    @property
    def two_sided(self) -> bool:
        """Both sides have a level."""
        return self.bid > 0 and self.ask < ONE

    @property
    def crossed(self) -> bool:
        """Two-sided with the bid at or above the ask: not a market but a sign of missing or late frames."""
        return self.ask <= self.bid

    def size_at(self, side: Side, price: Price) -> Size:
        """Total size at a price; 0 off the grid or out of range."""
        if price % self._grid or not 0 < price < ONE:
            return Size(0)
        return Size((self._bids if side is _BUY else self._asks)[price // self._grid])

    def levels(self, side: Side, depth: int) -> list[Level]:
        """At most `depth` levels, best first."""
        found: list[Level] = []
        grid = self._grid
        if side is _BUY:
            sizes, slots = self._bids, range(self.bid // grid, 0, -1)
        else:
            sizes, slots = self._asks, range(self.ask // grid, ONE // grid)
        for i in slots:
            if len(found) >= depth:
                break
            if sizes[i]:
                found.append((Price(i * grid), Size(sizes[i])))
        return found

    def shows(self, bids: Iterable[Level], asks: Iterable[Level]) -> bool:
        """Whether these are all of its levels, in any order."""
        return sorted(bids) == sorted(self.levels(_BUY, ONE)) and sorted(asks) == sorted(self.levels(Side.SELL, ONE))

    def depth(self, side: Side, down_to: Price) -> Size:
        """Total size from the best price to `down_to`, which is included: down to it for bids, up to it for asks."""
        grid = self._grid
        if side is _BUY:
            return Size(sum(self._bids[max(0, -(-down_to // grid)) :]))
        return Size(sum(self._asks[: max(0, down_to // grid + 1)]))

    def mid(self) -> float:
        """(bid + ask) / 2 in dollars; ValueError where the book is not two-sided."""
        self._need_two_sides()
        return (self.bid + self.ask) / 20_000

    def micro(self) -> float:
        """Microprice in dollars: each best price weighted by the other side's size; ValueError where the book is not two-sided."""
        self._need_two_sides()
        bids, asks = self.bid_size, self.ask_size
        return (self.bid * asks + self.ask * bids) / (bids + asks) / 10_000

    def imbalance(self) -> float:
        """(Qb - Qa) / (Qb + Qa) of the sizes at the touch, in (-1, 1); ValueError where the book is not two-sided."""
        self._need_two_sides()
        bids, asks = self.bid_size, self.ask_size
        return (bids - asks) / (bids + asks)

    def touch_without(self, bids: dict[Price, Size], asks: dict[Price, Size]) -> tuple[Price, Size, Price, Size]:
        """(bid, its size, ask, its size) with our own resting sizes, in YES terms, taken out of the levels."""
        grid = self._grid
        bid, bid_size, ask, ask_size = Price(0), Size(0), ONE, Size(0)
        for i in range(self.bid // grid, 0, -1):
            others = self._bids[i] and self._bids[i] - bids.get(Price(i * grid), 0)
            if others > 0:
                bid, bid_size = Price(i * grid), Size(others)
                break
        for i in range(self.ask // grid, ONE // grid):
            others = self._asks[i] and self._asks[i] - asks.get(Price(i * grid), 0)
            if others > 0:
                ask, ask_size = Price(i * grid), Size(others)
                break
        return bid, bid_size, ask, ask_size

    def _need_two_sides(self) -> None:
        if not self.two_sided:
            raise ValueError("the book has not got both sides")

    def _best_bid(self, below: Price) -> Price:
        i = below // self._grid
        sizes = self._bids
        while i and not sizes[i]:
            i -= 1
        return Price(i * self._grid)

    def _best_ask(self, above: Price) -> Price:
        i, last = above // self._grid, ONE // self._grid
        sizes = self._asks
        while i < last and not sizes[i]:
            i += 1
        return Price(i * self._grid)

    def _refuse_or_refine(self, price: int, size: int) -> None:
        if not 0 < price < ONE or size < 0:
            raise ValueError(f"level {price} x {size}: the price must be inside (0, {ONE}) and the size not negative")
        self._regrid(_grid(self._grid, [price]))

    def _regrid(self, grid: int) -> None:
        """Move every level and its time to another grid. A slot that did not exist takes the time of the last whole book."""
        old, self._grid = self._grid, grid
        floor = self._bid_stamps[0]
        self._bids = _moved(self._bids, old, grid, 0)
        self._asks = _moved(self._asks, old, grid, 0)
        self._bid_stamps = _moved(self._bid_stamps, old, grid, floor)
        self._ask_stamps = _moved(self._ask_stamps, old, grid, floor)


def _moved(values: list[int], old: int, grid: int, empty: int) -> list[int]:
    """Values by price, from one grid to another; what the new grid cannot hold is dropped (the caller keeps every occupied level)."""
    moved = [empty] * (ONE // grid + 1)
    for i, value in enumerate(values):
        if i * old % grid == 0:
            moved[i * old // grid] = value
    return moved
