"""The production venue over a scripted CLOB: the common suite, and the faults of order entry, fills and the account."""

from pmm_tui.core.events import Event, MarketListed
from pmm_tui.core.market import Market
from pmm_tui.runtime import virtual
from pmm_tui.runtime.production import pulse
from pmm_tui.venues.base import Venue
from pmm_tui.venues.clob.port import Silent
from tests.venues.clob_stand import Stand, placed, timeless, timeless_suite
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


@timeless
async def test_how_long_the_venue_has_not_answered_a_heartbeat_and_what_its_answers_take() -> None:
    stand = Stand()
    assert pulse(stand.venue, virtual.clock()) == (-1.0, -1.0)
    await placed(stand, 1)
    beat_s, answer_ms = pulse(stand.venue, virtual.clock())
    assert 0 <= beat_s <= 5 and answer_ms >= 0
    stand.clob.fails("beat", *[Silent("no answer")] * 20)
    await stand.after(12)
    assert pulse(stand.venue, virtual.clock())[0] >= 12 > beat_s
    await stand.close()
