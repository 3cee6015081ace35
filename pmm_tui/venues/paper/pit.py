"""One market inside the paper exchange: the observed book, our orders in it, and which displayed size has had its chance."""

from pmm_tui.core.book import Book
from pmm_tui.core.events import Level
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import ONE, Price, Size
from pmm_tui.venues.paper.fills import Resting, Touch

_BUY = Side.BUY
NO_BID = Price(0)
NO_ASK = Price(ONE + 1)


Mark = list[int]
"""`[offered, taken]` of one displayed level: what our resting orders had their chance at, and what our fills used up."""


class Pit:
    """The observed book never holds our orders, so what we use of it is remembered here.

    Displayed size is evidence once. A level's *fresh* size is what it shows beyond what was offered to our resting orders, its *takeable*
    size what it shows beyond what our own fills took. Both marks shrink with the level, so only size that comes later is new: the same
    book seen again in the next snapshot fills nothing more, and a level that left and came back is new.
    """

    __slots__ = ("_marks", "asks", "before", "bids", "book", "closed", "market", "our_ask", "our_bid", "watch")

    def __init__(self, market: Market) -> None:
        self.market = market
        self.book = Book(market.tick)
        self.closed = False
        self.bids: list[Resting] = []
        """Our orders on the bid side of the YES book, best first, then first come."""
        self.asks: list[Resting] = []
        self.our_bid = NO_BID
        self.our_ask = NO_ASK
        self.before = Touch(Price(0), ONE)
        """The touch before the event in hand."""
        self.watch: set[Price] = set()
        """Every price where a change concerns us: an order of ours, or a mark."""
        self._marks: dict[Side, dict[Price, Mark]] = {Side.BUY: {}, Side.SELL: {}}

    def add(self, order: Resting) -> None:
        """Put an order to rest behind our others of its price."""
        if order.bid:
            self.bids.append(order)
            self.bids.sort(key=lambda resting: -resting.level)
        else:
            self.asks.append(order)
            self.asks.sort(key=lambda resting: resting.level)
        self._best()

    def remove(self, order: Resting) -> None:
        """The order rests no more."""
        (self.bids if order.bid else self.asks).remove(order)
        self._best()

    def orders(self) -> list[Resting]:
        """All our orders here, in the order of their ids."""
        return sorted(self.bids + self.asks, key=lambda order: order.id)

    def crosses(self, bid: bool, level: Price) -> bool:
        """Whether an order would trade on arrival, with the others or with ourselves."""
        if bid:
            return level >= self.book.ask or level >= self.our_ask
        return level <= self.book.bid or level <= self.our_bid

    def reaching(self, side: Side, limit: Price) -> list[Level]:
        """Displayed levels of a side, best first, as far as `limit`, which is included."""
        depth = 8
        while True:
            best = self.book.levels(side, depth)
            within = [(p, s) for p, s in best if (p >= limit if side is _BUY else p <= limit)]
            if len(within) < depth:
                return within
            depth *= 4

    def offer(self, side: Side, limit: Price) -> list[list[int]]:
        """`[price, fresh]` of the levels as far as `limit`; from here on they have been offered."""
        fresh = []
        marks = self._marks[side]
        for price, size in self.reaching(side, limit):
            mark = marks.get(price)
            if mark is None:
                mark = marks[price] = [0, 0]
                self.watch.add(price)
            if size > mark[0]:
                fresh.append([price, size - mark[0]])
                mark[0] = size
        return fresh

    def takeable(self, side: Side, limit: Price) -> list[Level]:
        """Levels with what a taker of ours can still have of them, as far as `limit`."""
        marks = self._marks[side]
        left = [(price, Size(size - marks[price][1]) if price in marks else size) for price, size in self.reaching(side, limit)]
        return [(price, size) for price, size in left if size > 0]

    def took(self, side: Side, price: Price, size: Size) -> None:
        """Our fill used this much of a level, which is therefore no longer on offer either."""
        mark = self._marks[side].setdefault(price, [0, 0])
        self.watch.add(price)
        mark[1] += size
        mark[0] = max(mark[0], mark[1])

    def changed(self, side: Side, price: Price, shown: Size) -> list[Resting]:
        """A watched level took a new size: its marks shrink with it. Returns our orders on it."""
        marks = self._marks[side]
        if price in marks:
            self._shrink(marks, price, shown)
        ours = self.bids if side is _BUY else self.asks
        return [order for order in ours if order.level == price]

    def replaced(self) -> None:
        """The whole book is new: every mark shrinks to what is still shown."""
        for side, marks in self._marks.items():
            for price in list(marks):
                self._shrink(marks, price, self.book.size_at(side, price))
        self._best()

    @staticmethod
    def _shrink(marks: dict[Price, Mark], price: Price, size: Size) -> None:
        mark = marks[price]
        if size:
            mark[0] = min(mark[0], size)
            mark[1] = min(mark[1], size)
        else:
            del marks[price]

    def _best(self) -> None:
        self.our_bid = self.bids[0].level if self.bids else NO_BID
        self.our_ask = self.asks[0].level if self.asks else NO_ASK
        self.watch = {order.level for order in self.bids}
        self.watch.update(order.level for order in self.asks)
        for marks in self._marks.values():
            self.watch.update(marks)
