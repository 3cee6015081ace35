"""A desk's end of the market feed for tests: reads facts, and knows what book they make."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any, TypeVar

from msgspec.structs import replace

from pmm_tui.core.book import Book
from pmm_tui.core.events import BookChanged, BookReset, Event
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import Nanos, Price, price_of, size_of
from pmm_tui.feeds.gamma import market_of
from pmm_tui.feeds.market_ws import MarketFeed
from pmm_tui.feeds.shard import MarketWsKnobs
from pmm_tui.feeds.wire import Decoder
from tests.feeds.loopback import PATIENCE_S, Loopback, LoopMarket

FAST = MarketWsKnobs(
    ws_ping_s=0.02,
    ws_deaf_s=600,
    ws_stable_s=0,
    ws_first_data_s=600,
    ws_backoff_first_s=0.01,
    ws_backoff_max_s=0.05,
    silence_probe_s=600,
    silence_confirm_ms=0,
)
QUICK_PROBE = replace(FAST, silence_probe_s=0.05)
Fact = TypeVar("Fact", bound=Event)


class Listener:
    """Reads a feed, and keeps what it read."""

    def __init__(self, feed: MarketFeed) -> None:
        self.feed = feed
        self.seen: list[Event] = []
        self._facts = feed.events()

    async def next(self) -> Event:
        async with asyncio.timeout(PATIENCE_S):
            fact = await anext(self._facts)
        self.seen.append(fact)
        return fact

    async def until(self, kind: type[Fact], true: Callable[[Fact], bool] = lambda fact: True) -> Fact:
        """The next fact of a kind that is so; what comes before it is kept in `seen`."""
        while not (isinstance(fact := await self.next(), kind) and true(fact)):
            pass
        return fact


def said(market: LoopMarket) -> Market:
    return market_of(market.gamma())


@asynccontextmanager
async def listening(
    loopback: Loopback, *markets: LoopMarket, knobs: MarketWsKnobs = FAST, tape: Any = None, decoder: Decoder | None = None
) -> AsyncIterator[Listener]:
    clock: Callable[[], Nanos] = lambda: Nanos(time.monotonic_ns())  # noqa: E731  a clock is a callable
    feed = MarketFeed(knobs, loopback.ws_url, loopback.http_url, decoder or Decoder(), clock, Random(1), tape)
    for market in markets:
        feed.watch(said(market))
    try:
        yield Listener(feed)
    finally:
        await feed.close()


def truth(market: LoopMarket) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """The server's levels, best first."""
    bids = sorted(((price_of(p), size_of(s)) for p, s in market.bids.items()), reverse=True)
    asks = sorted((price_of(p), size_of(s)) for p, s in market.asks.items())
    return [(int(p), int(s)) for p, s in bids], [(int(p), int(s)) for p, s in asks]


def replayed(facts: list[Event], market: LoopMarket) -> Book:
    """The book that a desk has after these facts."""
    book = Book(Price(100))
    for fact in facts:
        if isinstance(fact, BookReset) and fact.market == market.id:
            book.reset(fact.bids, fact.asks, fact.ts, fact.tick)
        elif isinstance(fact, BookChanged) and fact.market == market.id:
            for side, price, size in fact.changes:
                book.change(side, price, size, fact.ts)
    return book


def levels(book: Book) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    return [(p, s) for p, s in book.levels(Side.BUY, 99)], [(p, s) for p, s in book.levels(Side.SELL, 99)]
