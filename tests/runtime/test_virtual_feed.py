"""The real market feed in virtual time: whatever the exchange does to its frames, the book it tells ends up as the true one."""

import asyncio
import json
from random import Random
from typing import Any

import pytest

from pmm_tui.core.book import Book
from pmm_tui.core.events import BookChanged, BookReset, Event, LinkDown
from pmm_tui.core.market import Side
from pmm_tui.core.units import SECOND, Nanos, price_of, size_of
from pmm_tui.exchange.fault_script import parse
from pmm_tui.exchange.faults import NEVER, Faults
from pmm_tui.exchange.terms import Answer, Ask, Frame
from pmm_tui.feeds.gamma import market_of
from pmm_tui.feeds.market_ws import MarketFeed
from pmm_tui.feeds.shard import MarketWsKnobs
from pmm_tui.feeds.wire import Decoder
from pmm_tui.runtime.virtual import InProcess, Network, clock, run
from pmm_tui.runtime.virtual_ws import Sockets
from tests.feeds.loopback import LoopMarket

START = Nanos(1_780_000_000 * SECOND)
EVERY = Nanos(SECOND // 5)
DEEP = 1_000


class Venue:
    """One market whose levels change five times a second until `quiet`; a subscriber gets the book first. All through the faults."""

    def __init__(self, faults: Faults, chance: Random, quiet: Nanos) -> None:
        self.market = LoopMarket(1)
        self.market.ts = START // 1_000_000
        self._faults = faults
        self._chance = chance
        self._quiet = quiet
        self._next = Nanos(START + EVERY)
        self._opened = 0
        self._told: set[int] = set()
        self._out: list[tuple[Nanos, int, int, Frame]] = []

    def answer(self, ask: Ask, at: Nanos) -> Answer:
        return Answer(200, text(self.market.rest()).encode())

    def open(self, channel: str) -> int:
        self._opened += 1
        return self._opened

    def hear(self, channel: str, session: int, raw: str, at: Nanos) -> None:
        if raw == "PING":
            self._put(session, Frame(channel, "", "PONG", at))
        elif "assets_ids" in raw and session not in self._told:
            self._told.add(session)
            dump = text([self.market.book(token) for token in (self.market.yes, self.market.no)])
            for frame in self._faults.bend(Frame(channel, "", dump, at), at):
                self._put(session, frame)

    def shut(self, channel: str, session: int) -> None:
        self._told.discard(session)

    def _put(self, session: int, frame: Frame) -> None:
        self._out.append((frame.at, len(self._out), session, frame))

    def frames(self, at: Nanos) -> list[tuple[int, Frame]]:
        due = sorted(one for one in self._out if one[0] <= at)
        self._out = [one for one in self._out if one[0] > at]
        return [(session, frame) for _, _, session, frame in due]

    def due(self) -> Nanos:
        return min([self._next, *(one[0] for one in self._out)])

    def advance(self, to: Nanos) -> None:
        while self._next <= to:
            at, chance = self._next, self._chance
            side = chance.choice(("BUY", "SELL"))
            cents = chance.randint(40, 48) if side == "BUY" else chance.randint(50, 58)
            self.market.ts = at // 1_000_000 - 10
            change = self.market.change(side, f"0.{cents}".rstrip("0"), str(chance.choice((0, 5, 10, 150))))
            for frame in self._faults.bend(Frame("market", "", text(change), at), at):
                for session in sorted(self._told):
                    self._put(session, frame)
            self._next = Nanos(at + EVERY) if at + EVERY < self._quiet else NEVER


def text(message: Any) -> str:
    return json.dumps(message, separators=(",", ":"))


def watch(script: list[dict[str, Any]], seed: int, trade_s: float = 60, rest_s: float = 40) -> tuple[MarketFeed, list[Event], Venue]:
    """The feed through `trade_s` of changes and then silence: the feed, all it told, and the venue."""
    faults = Faults(parse(script), Random(seed), START)
    venue = Venue(faults, Random(~seed), Nanos(START + round(trade_s * SECOND)))
    told: list[Event] = []
    feeds: list[MarketFeed] = []

    async def read(feed: MarketFeed) -> None:
        told.extend([fact async for fact in feed.events()])

    async def work() -> None:
        network = Network(Random(seed))
        sockets = Sockets(venue, network, faults.judge)
        road = InProcess(venue.answer, network, faults.judge, sockets.pump)
        feed = MarketFeed(
            MarketWsKnobs(), "ws://venue/ws/market", "http://venue", Decoder(), clock, Random(seed), connect=sockets.connect, transport=road
        )
        feeds.append(feed)
        feed.watch(market_of(venue.market.gamma()))
        reader = asyncio.create_task(read(feed))
        await asyncio.sleep(trade_s + rest_s)
        await feed.close()
        await reader

    run(work(), START)
    return feeds[0], told, venue


def book_of(told: list[Event], venue: Venue) -> Book:
    """The book that the facts make."""
    book = Book(market_of(venue.market.gamma()).tick)
    for fact in told:
        if isinstance(fact, BookReset):
            book.reset(fact.bids, fact.asks, fact.ts, fact.tick)
        elif isinstance(fact, BookChanged):
            for side, price, size in fact.changes:
                book.change(side, price, size, fact.ts)
    return book


def same(told: list[Event], venue: Venue) -> bool:
    """Whether the desk's book is the true one."""
    book, market = book_of(told, venue), venue.market
    return all(
        sorted(book.levels(side, DEEP)) == sorted((price_of(price), size_of(size)) for price, size in levels.items())
        for side, levels in ((Side.BUY, market.bids), (Side.SELL, market.asks))
    )


def test_without_faults_every_change_arrives() -> None:
    feed, told, venue = watch([], 1)
    assert same(told, venue)
    assert (feed.connections, feed.rotations, sum(isinstance(fact, BookChanged) for fact in told)) == (1, 0, 299)


def test_F01_a_silent_freeze_costs_the_socket_within_six_seconds() -> None:
    feed, told, venue = watch([{"at": 20, "for": 15, "what": "market_freeze"}], 2)
    down = next(fact for fact in told if isinstance(fact, LinkDown))
    assert "frozen: REST shows another book" in down.reason
    assert 5 <= (down.at - START) / SECOND - 20 <= 7
    assert feed.rotations == 1
    assert same(told, venue)


@pytest.mark.parametrize("seed", range(6))
def test_F02_F04_F05_F06_F10_frames_mangled_for_a_minute(seed: int) -> None:
    script: list[dict[str, Any]] = [
        {"at": 0, "what": "reorder_frames", "channel": "market", "ms": 400, "share": 0.5},
        {"at": 0, "what": "duplicate_frames", "channel": "market", "ms": 400, "share": 0.3},
        {"at": 5, "for": 40, "what": "drop_frames", "channel": "market", "share": 0.05},
        {"at": 10, "what": "late_answers", "path": "/book", "share": 0.5},
        {"at": [20, 40], "what": "drop_connection", "channel": "market", "times": 2},
        {"at": 30, "for": 5, "what": "error_5xx_unbooked", "path": "/book"},
    ]
    feed, told, venue = watch(script, seed)
    assert same(told, venue)
    assert feed.connections >= 2
    again = watch(script, seed)
    assert again[1] == told
