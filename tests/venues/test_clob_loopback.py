"""The production venue under the common suite against the exchange itself: the SDK's signatures, the real protocol, virtual time."""

import asyncio
from random import Random

import httpx
from eth_account import Account

from pmm_tui.core.events import Event, MarketListed
from pmm_tui.core.market import Market, Side
from pmm_tui.core.units import DOLLAR, SHARE, Cash, Nanos, Price, Size
from pmm_tui.exchange.admission import Rules
from pmm_tui.exchange.auth import Keys as ExchangeKeys
from pmm_tui.exchange.matching import Matching
from pmm_tui.exchange.polymarket import Polymarket
from pmm_tui.exchange.terms import Lasts, Order
from pmm_tui.runtime.virtual import InProcess, Network, clock
from pmm_tui.runtime.virtual_ws import Sockets
from pmm_tui.venues.base import Venue
from pmm_tui.venues.clob import client
from pmm_tui.venues.clob.keys import Keys
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.venue import ClobVenue
from tests.venues.clob_stand import Quiet, timeless_suite
from tests.venues.venue_suite import Stage, VenueSuite

MARKET = Market(
    id="0x" + "ab" * 32,
    slug="loopback",
    question="Does it hold?",
    yes="71321045679252212594626385532706912750332728571942532289631379312455583992563",
    no="52114319501245915516055106046884209969926127482827954674443846427813813222426",
    tick=Price(100),
    min_size=Size(5 * SHARE),
)
OTHERS = "others"


class LoopbackStage:
    """A stage over the exchange: the others are a wallet with unlimited funds."""

    market = MARKET

    def __init__(self, venue: ClobVenue, exchange: Polymarket, sockets: Sockets) -> None:
        self.venue: Venue = venue
        self._exchange = exchange
        self._sockets = sockets
        self._count = 0
        self._told: list[Event] = []
        self._task = asyncio.create_task(self._listen(venue))

    async def _listen(self, venue: ClobVenue) -> None:
        async for event in venue.events():
            self._told.append(event)

    async def show(self, bid: int, ask: int) -> None:
        self._exchange.matching.cancel_where(OTHERS, clock())
        self._send(Side.BUY, bid, 100, Lasts.GTC)
        self._send(Side.SELL, ask, 100, Lasts.GTC)

    async def sell_into(self, price: int, shares: int) -> None:
        self._send(Side.SELL, price, shares, Lasts.FAK)

    def _send(self, side: Side, price: int, shares: int, lasts: Lasts) -> None:
        self._count += 1
        size = Size(shares * SHARE)
        order = Order(f"o{self._count}", OTHERS, "", MARKET.id, MARKET.yes, side, Price(price), size, lasts, False, clock())
        placed = self._exchange.matching.place(order, clock())
        assert not placed.error
        self._exchange.channels.tell(self._exchange.matching.take(), clock())
        self._sockets.pump()

    async def settled(self) -> list[Event]:
        await asyncio.sleep(8)
        if self._task.done():
            self._task.result()
        told, self._told = self._told, []
        return told

    async def close(self) -> None:
        await self.venue.close()
        await self._task


@timeless_suite
class TestLoopbackVenue(VenueSuite):
    async def stage(self) -> Stage:
        matching = Matching(Random(1), Rules(mined_after_ms=500, confirmed_after_ms=500))
        matching.list_market(MARKET, clock())
        matching.unlimited(OTHERS)
        exchange = Polymarket(matching, ExchangeKeys(b"loopback"), grant=Cash(500 * DOLLAR))
        network = Network(Random(2))
        sockets = Sockets(exchange, network, exchange.faults.judge)
        road = InProcess(exchange.answer, network, exchange.faults.judge, sockets.pump)
        http = httpx.AsyncClient(base_url="http://exchange", transport=road, timeout=5)
        keys = Keys(Account.from_key("0x" + "11" * 32))
        clob = await client.make(keys, "http://exchange", http, chance=Random(3), clock=clock)
        venue = ClobVenue(
            clob, ClobKnobs(), clock, Cash(500 * DOLLAR), "ws://exchange/ws/user", Random(4), lambda: True, connect=sockets.connect
        )
        async for _ in venue.tap(Quiet(MarketListed(Nanos(clock()), MARKET))).events():
            pass
        stage = LoopbackStage(venue, exchange, sockets)
        await stage.show(4_800, 5_200)
        await stage.settled()
        return stage
