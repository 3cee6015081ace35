"""The production venue over a scripted CLOB: the common suite, and the faults of order entry, fills and the account."""

from pmm_tui.core.events import Event, MarketListed
from pmm_tui.core.market import Market
from pmm_tui.venues.base import Venue
from tests.venues.clob_stand import Stand, timeless_suite
from tests.venues.scripted_clob import MARKET, START, ScriptedClob
from tests.venues.venue_suite import Stage, VenueSuite


class ScriptedStage:
    """A stage over the scripted CLOB."""

    market: Market = MARKET

    def __init__(self) -> None:
        self.clob = ScriptedClob()
        self.stand = Stand(self.clob)

    @property
    def venue(self) -> Venue:
        return self.stand.venue

    async def show(self, bid: int, ask: int) -> None:
        self.clob.bid, self.clob.ask = bid, ask

    async def sell_into(self, price: int, shares: int) -> None:
        left = float(shares)
        for id_ in self.clob._live():
            truth = self.clob.orders[id_]
            if truth.place.price >= price and left > 0:
                part = min(left, truth.place.size / 1e6)
                self.clob.fill(truth.place.order, part)
                left -= part

    async def settled(self) -> list[Event]:
        return await self.stand.after(3)

    async def close(self) -> None:
        await self.stand.close()


@timeless_suite
class TestScriptedVenue(VenueSuite):
    async def stage(self) -> Stage:
        stage = ScriptedStage()
        await stage.stand.listed(MarketListed(START, MARKET))
        await stage.settled()
        return stage
