"""A recorded market as the exchange's other participants: its levels rest, its trades take, and ours stand in a real queue."""

from collections.abc import Iterator

from msgspec import structs

from pmm_tui.core.events import BookChanged, BookReset, Event, MarketClosed, MarketListed, MarketResolved, TickSizeChanged, Traded
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import ONE, SECOND, Nanos, Price, Size
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.terms import Lasts, Order

NEVER = Nanos(2**63 - 1)
WALLET = "tape"
TAKER = "tape-taker"
_BUY, _SELL = Side.BUY, Side.SELL


class TapeCrowd:
    """Plays facts at their own pace. The tape's first fact is at `start`; `speed` is how many of its seconds pass in one of ours."""

    def __init__(self, facts: Iterator[Event], matching: Matching, start: Nanos, speed: float = 1.0) -> None:
        for wallet in (WALLET, TAKER):
            matching.unlimited(wallet)
        self._facts = facts
        self._next = next(facts, None)
        self._start = start
        self._from = self._next.at if self._next is not None else Nanos(0)
        self._speed = speed
        self._count = 0
        self._shown: dict[str, dict[tuple[Side, Price], dict[str, None]]] = {}
        """By market and level: the tape's own orders there, oldest first."""

    def when(self, at: Nanos) -> Nanos:
        """The exchange's time of a time of the tape."""
        return Nanos(self._start + int((at - self._from) / self._speed))

    def act(self, matching: Matching, at: Nanos) -> Nanos:
        """Play what is due; when there is more."""
        while self._next is not None and (due := self.when(self._next.at)) <= at:
            self._play(matching, self._next, due)
            self._next = next(self._facts, None)
        return NEVER if self._next is None else self.when(self._next.at)

    def _play(self, matching: Matching, fact: Event, at: Nanos) -> None:
        match fact:
            case MarketListed(market=market):
                self._list(matching, market, at)
            case BookReset(market=name, bids=bids, asks=asks):
                wanted = {(_BUY, price): size for price, size in bids} | {(_SELL, price): size for price, size in asks}
                for side, price in [*self._shown.get(name, ())]:
                    wanted.setdefault((side, price), Size(0))
                self._show(matching, name, wanted, at)
            case BookChanged(market=name, changes=changes):
                self._show(matching, name, {(side, price): size for side, price, size in changes}, at)
            case Traded(market=name):
                self._take(matching, fact, at)
            case TickSizeChanged(market=name, tick=tick) if name in matching.markets:
                matching.retick(name, tick, at)
            case MarketClosed(market=name) if name in matching.markets:
                matching.close(name, at)
            case MarketResolved(market=name, payout_yes=payout) if name in matching.markets:
                matching.resolve(name, payout, at)
                self._shown.pop(name, None)

    def _list(self, matching: Matching, market: Market, at: Nanos) -> None:
        """A market of the tape opens, with its end at the exchange's own time, to the second as Gamma writes it."""
        closes = Nanos(-(-self.when(market.closes) // SECOND) * SECOND) if market.closes else market.closes
        opens = Nanos(self.when(market.opens) // SECOND * SECOND) if market.opens else market.opens
        matching.list_market(structs.replace(market, closes=closes, opens=opens), at)
        self._shown.setdefault(market.id, {})

    def _show(self, matching: Matching, name: str, wanted: dict[tuple[Side, Price], Size], at: Nanos) -> None:
        """Have the tape's own orders at these levels sum up to these sizes: what leaves first, then what comes."""
        shown = self._shown.get(name)
        if shown is None or matching.markets[name].closed:
            return
        for (side, price), size in wanted.items():
            self._shrink(matching, shown, side, price, size, at)
        for (side, price), size in sorted(wanted.items(), key=lambda item: (item[0][0].value, item[0][1])):
            held = self._held(matching, shown, side, price)
            if size > held and 0 < price < ONE:
                self._count += 1
                order = self._order(matching, name, WALLET, side, price, Size(size - held), Lasts.GTC, at)
                if not matching.place(order, at).error and order.id in matching.orders:
                    shown.setdefault((side, price), {})[order.id] = None

    def _held(self, matching: Matching, shown: dict[tuple[Side, Price], dict[str, None]], side: Side, price: Price) -> int:
        """What the tape's own orders show at a level; those that are gone are forgotten."""
        mine = shown.get((side, price), {})
        for name in [name for name in mine if name not in matching.orders]:
            del mine[name]
        return sum(matching.orders[name].rest for name in mine)

    def _shrink(
        self, matching: Matching, shown: dict[tuple[Side, Price], dict[str, None]], side: Side, price: Price, size: Size, at: Nanos
    ) -> None:
        """Cancel from the back of the queue until no more is shown than that; the last one cancelled comes back smaller, at the back."""
        over = self._held(matching, shown, side, price) - size
        mine = shown.get((side, price), {})
        while over > 0 and mine:
            name = next(reversed(mine))
            order = matching.orders[name]
            if order.rest > over:
                matching.reduce(order, Size(order.size - over), at)
                return
            over -= order.rest
            del mine[name]
            matching.cancel([name], WALLET, at)
        if not mine:
            shown.pop((side, price), None)

    def _take(self, matching: Matching, fact: Traded, at: Nanos) -> None:
        """A recorded trade takes what rests at its price or better, the tape's own orders and ours in their queue."""
        if fact.market in self._shown and not matching.markets[fact.market].closed:
            order = self._order(matching, fact.market, TAKER, fact.side, fact.price, fact.size, Lasts.FAK, at)
            matching.place(order, at)

    def _order(self, matching: Matching, name: str, wallet: str, side: Side, price: Price, size: Size, lasts: Lasts, at: Nanos) -> Order:
        self._count += 1
        token = matching.markets[name].market.yes
        return Order(f"{wallet}-{self._count}", wallet, "", name, token, side, price, size, lasts, False, at)
