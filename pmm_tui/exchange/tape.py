"""A recorded market as the exchange's other participants: its levels rest, its trades take, and ours stand in a real queue.

What was recorded happened without us, and is not changed by us: after each step the book without our orders is the recorded one. A trade
takes what rests before it in price and time, the tape's own orders and ours, at the change of the book that it made (reel.py), so it is
played once. What leaves a level without a trade leaves from the back of its queue; what comes stands behind us. A recorded level that
reaches our order trades with it, once: what it spent on us is not shown while we stand there. Where the recording crosses itself the older
level is stale: it is hidden until the newer one is gone.
"""

from collections.abc import Iterable, Iterator

from msgspec import structs

from pmm_tui.core.events import Event, MarketClosed, MarketListed, MarketResolved, TickSizeChanged, Traded
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import SECOND, TICKS, Nanos, Price, Size
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.reel import Played, Spot, splice
from pmm_tui.exchange.terms import Lasts, Order

NEVER = Nanos(2**63 - 1)
WALLET = "tape"
TAKER = "tape-taker"
_BUY, _SELL = Side.BUY, Side.SELL
_OPEN = ("LIVE", "DELAYED")


class _Shown:
    """One market of the tape: what was recorded of it, and the tape's own orders that show it."""

    __slots__ = ("hidden", "orders", "recorded", "spent")

    def __init__(self) -> None:
        self.recorded: dict[Spot, Size] = {}
        self.orders: dict[Spot, list[Order]] = {}
        """Oldest first; what has ended is forgotten when it is looked at."""
        self.spent: dict[Spot, int] = {}
        """What a level traded with orders that still stand across it."""
        self.hidden: set[Spot] = set()

    def held(self, spot: Spot) -> int:
        """What the tape's own orders show at a level."""
        orders = self.orders.get(spot)
        if not orders:
            return 0
        live = self.orders[spot] = [order for order in orders if order.status in _OPEN]
        return sum(order.rest for order in live)

    def forget(self, spot: Spot) -> None:
        """Nothing is recorded at a level any more."""
        self.hidden.discard(spot)
        for kept in (self.recorded, self.orders, self.spent):
            kept.pop(spot, None)

    def reached(self, told: Traded) -> dict[Spot, Size]:
        """The recorded levels that a trade may have taken from."""
        buys = told.side is _BUY
        return {
            (side, price): size
            for (side, price), size in self.recorded.items()
            if side is not told.side and (price <= told.price if buys else price >= told.price)
        }

    def across(self, spot: Spot) -> list[Spot]:
        """The tape's own levels of the other side that this one meets."""
        side, price = spot
        facing = [(on, at) for on, at in self.orders if on is not side and (at <= price if side is _BUY else at >= price)]
        return [other for other in facing if self.held(other)]


class TapeCrowd:
    """Plays facts at their own pace. The tape's first fact is at `start`; `speed` is how many of its seconds pass in one of ours."""

    def __init__(self, facts: Iterable[Event], matching: Matching, start: Nanos, speed: float = 1.0) -> None:
        for wallet in (WALLET, TAKER):
            matching.unlimited(wallet)
        self._steps: Iterator[Played] = splice(facts)
        self._next = next(self._steps, None)
        self._start = start
        self._from = self._next.at if self._next is not None else Nanos(0)
        self._speed = speed
        self._count = 0
        self._markets: dict[str, _Shown] = {}

    def when(self, at: Nanos) -> Nanos:
        """The exchange's time of a time of the tape."""
        return Nanos(self._start + int((at - self._from) / self._speed))

    def act(self, matching: Matching, at: Nanos) -> Nanos:
        """Play what is due; when there is more."""
        while self._next is not None and (due := self.when(self._next.at)) <= at:
            self._play(matching, self._next, due)
            self._next = next(self._steps, None)
        return NEVER if self._next is None else self.when(self._next.at)

    def _play(self, matching: Matching, step: Played, at: Nanos) -> None:
        name, fact = step.market, step.fact
        if isinstance(fact, MarketListed):
            self._list(matching, fact.market, at)
        elif name not in self._markets:
            return
        elif isinstance(fact, MarketResolved):
            matching.resolve(name, fact.payout_yes, at)
            del self._markets[name]
        elif isinstance(fact, MarketClosed):
            matching.close(name, at)
        elif not matching.markets[name].closed:
            for told in step.prints:
                self._take(matching, told, at)
            if isinstance(fact, TickSizeChanged):
                matching.retick(name, fact.tick, at)
            elif isinstance(fact, Traded):
                self._take(matching, fact, at)
                self._show(matching, name, self._markets[name].reached(fact), at)
            else:
                self._show(matching, name, step.levels, at)

    def _list(self, matching: Matching, market: Market, at: Nanos) -> None:
        """A market of the tape opens, with its end at the exchange's own time, to the second as Gamma writes it."""
        closes = Nanos(-(-self.when(market.closes) // SECOND) * SECOND) if market.closes else market.closes
        opens = Nanos(self.when(market.opens) // SECOND * SECOND) if market.opens else market.opens
        matching.list_market(structs.replace(market, closes=closes, opens=opens), at)
        self._markets.setdefault(market.id, _Shown())

    def _take(self, matching: Matching, told: Traded, at: Nanos) -> None:
        """A recorded trade takes what rests at its price or better, the tape's own orders and ours in their queue."""
        matching.place(self._order(matching, told.market, TAKER, told.side, told.price, told.size, Lasts.FAK, at), at)

    def _show(self, matching: Matching, name: str, levels: dict[Spot, Size], at: Nanos) -> None:
        """Have the tape's own orders at these levels sum up to these sizes: what leaves first, then what comes, bids before asks."""
        shown = self._markets[name]
        fresh = {spot for spot, size in levels.items() if size != shown.recorded.get(spot, 0)}
        shown.recorded.update(levels)
        lacking = []
        for spot in sorted({*levels, *shown.spent, *shown.hidden}):
            over = shown.held(spot) - shown.recorded[spot]
            if over > 0:
                self._shrink(matching, shown, spot, over, at)
            if not shown.recorded[spot]:
                shown.forget(spot)
            elif over < 0:
                lacking.append(spot)
            else:
                shown.spent.pop(spot, None)
        for spot in lacking:
            self._grow(matching, name, spot, spot in fresh, at)
        for spot in [spot for spot in shown.spent if not _met(matching, name, spot)]:
            self._grow(matching, name, spot, False, at)

    def _shrink(self, matching: Matching, shown: _Shown, spot: Spot, over: int, at: Nanos) -> None:
        """Take from the back of the queue what is shown too much."""
        while over > 0 and (last := shown.orders[spot][-1]).status == "LIVE":  # what takes with a delay can be called back no more
            if last.rest > over:
                matching.reduce(last, Size(last.size - over), at)
                return
            over -= last.rest
            matching.cancel([shown.orders[spot].pop().id], WALLET, at)

    def _grow(self, matching: Matching, name: str, spot: Spot, fresh: bool, at: Nanos) -> None:
        """Show what is missing at a level, or hide it where it meets a newer one."""
        shown, (side, price) = self._markets[name], spot
        if _met(matching, name, spot) and (met := shown.across(spot)):
            if not fresh:
                shown.hidden.add(spot)
                return
            matching.cancel([order.id for other in met for order in shown.orders.pop(other)], WALLET, at)
            shown.hidden.update(met)
        shown.hidden.discard(spot)
        if price % matching.tick(name):  # the venue may show such a level before it says that the tick changed
            matching.retick(name, next(tick for tick in TICKS if matching.tick(name) % tick == price % tick == 0), at)
        spent = shown.spent.pop(spot, 0) if _met(matching, name, spot) else 0
        while (lacks := shown.recorded[spot] - shown.held(spot) - spent) > 0:
            order = self._order(matching, name, WALLET, side, price, Size(lacks), Lasts.GTC, at)
            if matching.place(order, at).error:
                break
            if order.status in _OPEN:
                shown.orders.setdefault(spot, []).append(order)
            spent = spent + order.matched if _met(matching, name, spot) else 0
        if spent > 0:
            shown.spent[spot] = min(spent, shown.recorded[spot])

    def _order(self, matching: Matching, name: str, wallet: str, side: Side, price: Price, size: Size, lasts: Lasts, at: Nanos) -> Order:
        self._count += 1
        token = matching.markets[name].market.yes
        return Order(f"{wallet}-{self._count}", wallet, "", name, token, side, price, size, lasts, False, at)


def _met(matching: Matching, name: str, spot: Spot) -> bool:
    """Whether somebody's order stands across a level: not the tape's, whose own are taken away before."""
    best = matching.markets[name].ladder.best(spot[0].other)
    return best is not None and (best <= spot[1] if spot[0] is _BUY else best >= spot[1])
