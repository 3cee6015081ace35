"""Made-up markets for simulations: books that walk, jump, lose a side, cross, change their tick, fall silent, close and pay out."""

from collections.abc import Sequence
from random import Random

from pmm_tui.core.events import (
    BookChanged,
    BookReset,
    Change,
    Event,
    MarketClosed,
    MarketListed,
    MarketResolved,
    TickSizeChanged,
    Traded,
)
from pmm_tui.core.market import Fees, Market, Side
from pmm_tui.core.units import LOT, MILLI, ONE, SECOND, SHARE, Nanos, Price, Size, price_text

DEPTH = 5
"""Levels of a side; what is further from the touch is taken away."""
EXTREME = 400
"""Nearer to 0 or ONE than this the venue makes the tick finer (0.96 and 0.04)."""
Act = tuple[list[Event], Nanos]
"""What happens, and when the market acts next."""


def draw_market(chance: Random, number: int, at: Nanos) -> Market:
    """The terms of a market that is listed at `at`."""
    closes = Nanos(0) if chance.random() < 0.4 else Nanos(at + chance.randrange(5, 120) * SECOND)
    return Market(
        id=f"0x{number:02x}",
        slug=f"made-up-{number}",
        question=f"Will it happen ({number})?",
        yes=f"yes-{number}",
        no=f"no-{number}",
        tick=Price(chance.choice((100, 100, 100, 50, 25, 10))),
        min_size=Size(chance.choice((1, 5, 5, 5, 15)) * SHARE),
        closes=closes,
        cluster=chance.choice(("", "BTC", "BTC")),
        fees=Fees(rate=chance.choice((0.0, 0.07, 0.25)), rebate_share=0.2),
    )


class MadeUp:
    """One market's true book and what becomes of it. `act` is asked at the time that it named last; times are the desk's."""

    def __init__(self, chance: Random, market: Market, pace_ms: float, lag: Nanos) -> None:
        """Acts follow one another after `pace_ms` on average; the venue's own times are `lag` before the desk's."""
        self.market = market
        self.tick = int(market.tick)
        self.over = False
        self._chance = chance
        self._pace_ms = pace_ms
        self._lag = lag
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._late: list[Change] = []
        """Changes that the venue has made, and whose frame is still to come."""
        self._trend = chance.gauss(0.0, 0.15)
        self._mid = chance.uniform(0.15, 0.85) if chance.random() < 0.8 else chance.choice((0.05, 0.95))
        self._hashed = chance.random() < 0.05
        self._restless = chance.random() < 0.3
        """Frames and listings still come once it is over."""
        self._ending = 0

    def listed(self, at: Nanos) -> MarketListed:
        """Discovery chose it."""
        self._target(at)
        return MarketListed(at, self.market)

    def whole(self, at: Nanos, rest: bool = False) -> BookReset:
        """The book as it is."""
        bids = tuple((Price(p), Size(s)) for p, s in sorted(self._bids.items()))
        asks = tuple((Price(p), Size(s)) for p, s in sorted(self._asks.items(), reverse=True))
        last = price_text(self.tick * 3) if self._hashed else None
        said = "not its hash" if self._hashed else ""
        return BookReset(at, self.market.id, self._ts(at), bids, asks, hash=said, tick=Price(self.tick), last=last, rest=rest)

    def act(self, at: Nanos) -> Act:
        """The next thing that happens."""
        chance = self._chance
        if self.over and not self._restless:
            return [], Nanos(at + 3_600 * SECOND)
        if self._late:
            late, self._late = self._late, []
            return [self._change(at, late)], self._next(at)
        kinds = ("walk", "size", "trade", "sweep", "jump", "one side", "cross", "whole", "silence", "retick", "terms")
        kind = chance.choices(kinds, (40, 20, 15, 6, 3, 1.5, 2, 4, 1, 1, 0.5))[0]
        if kind == "walk":
            self._mid += self.tick / ONE * (chance.choice((-1, 1)) + self._trend)
        elif kind == "jump":
            self._mid += chance.choice((-1, 1)) * chance.uniform(0.03, 0.25)
        self._mid = min(0.999, max(0.001, self._mid))
        doing = {"size": self._resize, "trade": self._trade, "sweep": self._trade, "one side": self._lose_side, "cross": self._cross}
        if kind in doing:
            events = doing[kind](at)
        elif kind == "whole":
            events = [self.whole(at)]
        elif kind == "silence":
            return [], Nanos(at + chance.randrange(200, 6_000) * MILLI)
        elif kind == "retick":
            events = self._retick(at, chance.choice((100, 50, 25, 10)))
        elif kind == "terms":
            events = [self._terms(at)]
        else:
            events = [self._change(at, self._target(at))]
        if self.tick > 10 and not EXTREME < self._mid * ONE < ONE - EXTREME:
            events += self._retick(at, 10)
        return events, self._next(at)

    def end(self, at: Nanos) -> Act:
        """The market closes, is decided, or both at once."""
        chance = self._chance
        self.over = True
        self._ending += 1
        if self._ending == 1 and chance.random() < 0.6:
            return [MarketClosed(at, self.market.id)], Nanos(at + chance.randrange(0, 3_000) * MILLI)
        said = MarketResolved(at, self.market.id, Price(chance.choice((0, ONE, 5_000))))
        return [said] * chance.choice((1, 1, 2)), Nanos(at + 3_600 * SECOND)

    def _target(self, at: Nanos) -> list[Change]:
        """Move the book to the mid: the changes that does."""
        chance, tick = self._chance, self.tick
        half = chance.choice((1, 1, 1, 2, 3)) * tick / 2
        top = (ONE - 1) // tick * tick
        bid = min(top - tick, max(tick, int((self._mid * ONE - half) // tick * tick)))
        ask = min(top, max(bid + tick, int(-(-(self._mid * ONE + half) // tick) * tick)))
        changes: list[Change] = []
        for side, levels, best, step in ((Side.BUY, self._bids, bid, -tick), (Side.SELL, self._asks, ask, tick)):
            wanted = [price for price in range(best, best + DEPTH * step, step) if 0 < price < ONE]
            changes += [self._set(side, price, 0) for price in list(levels) if price not in wanted]
            changes += [self._set(side, price, self._size()) for price in wanted if price not in levels]
        return changes

    def _resize(self, at: Nanos) -> list[Event]:
        chance = self._chance
        side = chance.choice((Side.BUY, Side.SELL))
        prices = sorted(self._bids if side is Side.BUY else self._asks)
        changed = [self._set(side, price, self._size()) for price in prices if chance.random() < 0.4]
        return [self._change(at, changed)] if changed else []

    def _trade(self, at: Nanos) -> list[Event]:
        """Somebody takes: one level, a part of it, or two; a trade may be told at a price through the touch."""
        chance = self._chance
        side = chance.choice((Side.BUY, Side.SELL))
        hit = Side.SELL if side is Side.BUY else Side.BUY
        levels = self._asks if hit is Side.SELL else self._bids
        events: list[Event] = []
        for price in sorted(levels, reverse=hit is Side.BUY)[: chance.choice((1, 1, 2))]:
            taken = min(levels[price], self._size())
            events.append(Traded(at, self.market.id, self._ts(at), Price(price), Size(taken), side, price_text(price)))
            events.append(self._change(at, [self._set(hit, price, levels[price] - taken)]))
        chance.shuffle(events) if chance.random() < 0.3 else None
        return events

    def _lose_side(self, at: Nanos) -> list[Event]:
        """A side is empty for a moment, perhaps both."""
        lost = self._chance.choice(((Side.BUY,), (Side.SELL,), (Side.BUY, Side.SELL)))
        gone = [self._set(side, price, 0) for side in lost for price in list(self._bids if side is Side.BUY else self._asks)]
        return [self._change(at, gone)] if gone else []

    def _cross(self, at: Nanos) -> list[Event]:
        """A move whose frames come in two halves: what arrived crosses what is to leave, until the second half comes."""
        self._mid += self._chance.choice((-1, 1)) * self.tick / ONE * 3
        changes = self._target(at)
        first = [change for change in changes if change[2]]
        self._late = [change for change in changes if not change[2]]
        return [self._change(at, first)] if first else []

    def _retick(self, at: Nanos, tick: int) -> list[Event]:
        """A new grid: the book follows, at once or with the next whole book; sometimes the book is ahead of the news."""
        before, self.tick = self.tick, tick
        news: list[Event] = [TickSizeChanged(at, self.market.id, self._ts(at), Price(tick))]
        if tick == before or self._chance.random() < 0.3:
            return news
        moved: list[Event] = [self._change(at, self._target(at)) if self._chance.random() < 0.5 else self._anew(at)]
        return moved + news if self._chance.random() < 0.2 else news + moved

    def _anew(self, at: Nanos) -> BookReset:
        self._target(at)
        return self.whole(at)

    def _terms(self, at: Nanos) -> Event:
        """The same market, listed again with other terms."""
        old = self.market
        self.market = Market(
            old.id, old.slug, old.question, old.yes, old.no, Price(self.tick), Size(self._chance.choice((5, 10)) * SHARE),
            closes=Nanos(old.closes + 5 * SECOND) if old.closes else old.closes, cluster=old.cluster, fees=old.fees,
        )  # fmt: skip
        return MarketListed(at, self.market)

    def _set(self, side: Side, price: int, size: int) -> Change:
        levels = self._bids if side is Side.BUY else self._asks
        if size:
            levels[price] = size
        else:
            levels.pop(price, None)
        return side, Price(price), Size(size)

    def _change(self, at: Nanos, changes: Sequence[Change]) -> BookChanged:
        said = "not its hash" if self._hashed else ""
        return BookChanged(at, self.market.id, self._ts(at), tuple(changes), said, said)

    def _size(self) -> int:
        """Whole shares, lots, or down to the micro-share."""
        size = self._chance.randrange(1, 200) * SHARE
        return size + self._chance.choice((0, 0, self._chance.randrange(100) * LOT, self._chance.randrange(SHARE)))

    def _ts(self, at: Nanos) -> Nanos:
        """The venue's time: whole milliseconds."""
        return Nanos((at - self._lag) // MILLI * MILLI)

    def _next(self, at: Nanos) -> Nanos:
        return Nanos(at + int(self._chance.expovariate(1.0 / self._pace_ms) * MILLI) + 1)
