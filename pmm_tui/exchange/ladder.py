"""One market's resting orders: levels by price in YES terms, first come first served within a level."""

from bisect import bisect_left, insort
from collections.abc import Iterator

from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import ONE, Price, Size
from pmm_tui.exchange.terms import Order

_BUY, _SELL = Side.BUY, Side.SELL


def in_yes(market: Market, token: str, side: Side, price: Price) -> tuple[Side, Price]:
    """An order's side and price in the YES book: a NO buy at p is a YES ask at 1 - p."""
    if token == market.yes:
        return side, price
    return (_SELL if side is _BUY else _BUY), Price(ONE - price)


class Level:
    """One price: its orders, oldest first, and their sum."""

    __slots__ = ("orders", "total")

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.total = 0


class Ladder:
    """Both sides of one market."""

    __slots__ = ("_levels", "_prices", "market")

    def __init__(self, market: Market) -> None:
        self.market = market
        self._levels: dict[Side, dict[Price, Level]] = {_BUY: {}, _SELL: {}}
        self._prices: dict[Side, list[Price]] = {_BUY: [], _SELL: []}

    def add(self, order: Order) -> tuple[Side, Price]:
        """Rest an order behind those of its price; where it rests."""
        side, price = in_yes(self.market, order.token, order.side, order.price)
        levels = self._levels[side]
        level = levels.get(price)
        if level is None:
            level = levels[price] = Level()
            insort(self._prices[side], price)
        level.orders[order.id] = order
        level.total += order.size - order.matched
        return side, price

    def remove(self, order: Order) -> tuple[Side, Price]:
        """Take an order out; where it rested. KeyError where it does not rest."""
        side, price = in_yes(self.market, order.token, order.side, order.price)
        level = self._levels[side][price]
        del level.orders[order.id]
        level.total -= order.size - order.matched
        if not level.orders:
            self._drop(side, price)
        return side, price

    def fill(self, order: Order, size: Size) -> None:
        """A part of a resting order matched; a whole one leaves."""
        side, price = in_yes(self.market, order.token, order.side, order.price)
        level = self._levels[side][price]
        order.matched = Size(order.matched + size)
        level.total -= size
        if order.matched >= order.size:
            del level.orders[order.id]
            if not level.orders:
                self._drop(side, price)

    def shrink(self, order: Order, size: Size) -> tuple[Side, Price]:
        """A resting order becomes smaller and keeps its place; where it rests. `size` stays above what has matched."""
        side, price = in_yes(self.market, order.token, order.side, order.price)
        self._levels[side][price].total -= order.size - size
        order.size = size
        return side, price

    def rests(self, order: Order) -> bool:
        """Whether an order is in the book."""
        side, price = in_yes(self.market, order.token, order.side, order.price)
        level = self._levels[side].get(price)
        return level is not None and order.id in level.orders

    def best(self, side: Side) -> Price | None:
        """The best price of a side; None where it is empty."""
        prices = self._prices[side]
        return (prices[-1] if side is _BUY else prices[0]) if prices else None

    def size_at(self, side: Side, price: Price) -> Size:
        """Total size at a price."""
        level = self._levels[side].get(price)
        return Size(level.total) if level is not None else Size(0)

    def levels(self, side: Side) -> list[tuple[Price, Size]]:
        """Every level, best first."""
        prices = self._prices[side]
        levels = self._levels[side]
        return [(price, Size(levels[price].total)) for price in (reversed(prices) if side is _BUY else prices)]

    def queue(self, side: Side, limit: Price) -> Iterator[Order]:
        """Resting orders of a side that a taker with this limit reaches, in the order they are served. The book may shrink meanwhile."""
        while (best := self.best(side)) is not None and (best >= limit if side is _BUY else best <= limit):
            yield next(iter(self._levels[side][best].orders.values()))

    def within(self, side: Side, limit: Price) -> list[Order]:
        """Every order of a side that a taker with this limit reaches, in the order they are served."""
        levels = self._levels[side]
        return [order for price, _ in self.reach(side, limit) for order in levels[price].orders.values()]

    def reach(self, side: Side, limit: Price) -> list[tuple[Price, Size]]:
        """The levels of a side that a taker with this limit reaches, best first."""
        return [(price, size) for price, size in self.levels(side) if (price >= limit if side is _BUY else price <= limit)]

    def ahead_of(self, order: Order) -> Size:
        """What a taker meets before a resting order: better levels, and the older orders of its own."""
        side, price = in_yes(self.market, order.token, order.side, order.price)
        better = sum(int(size) for level, size in self.levels(side) if (level > price if side is _BUY else level < price))
        for other in self._levels[side][price].orders.values():
            if other is order:
                break
            better += other.rest
        return Size(better)

    def orders(self) -> list[Order]:
        """Every resting order."""
        return [order for side in (_BUY, _SELL) for level in self._levels[side].values() for order in level.orders.values()]

    def _drop(self, side: Side, price: Price) -> None:
        del self._levels[side][price]
        prices = self._prices[side]
        del prices[bisect_left(prices, price)]
