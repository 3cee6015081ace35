"""The paper venue under the common suite, and its async coat: a clock of ours, a tap on a feed, an end."""

import asyncio
from collections.abc import AsyncIterator

from pmm_tui.core.commands import CancelAll, Place
from pmm_tui.core.events import BookReset, Event, LinkUp, MarketListed, OrderAccepted, OrderFilled
from pmm_tui.core.market import Side
from pmm_tui.core.units import SECOND, Nanos, Price, Size
from pmm_tui.venues.paper.matching import NEVER, Matching
from pmm_tui.venues.paper.venue import PaperVenue
from tests.venues.scene import MARKET, at, knobs, levels, sh
from tests.venues.venue_suite import Stage, VenueSuite, of

ORDER = Place(1, "m", "YES", Side.BUY, Price(4_900), sh(10))


class PaperStage:
    """The paper venue on a clock that stands until somebody moves it."""

    def __init__(self) -> None:
        self.now = at(0)
        self.market = MARKET
        self.matching = Matching(knobs(), 1)
        self.venue = PaperVenue(self.matching, lambda: self.now)
        self._told: list[Event] = []
        self._task = asyncio.create_task(self._listen())
        self._touch = (Price(4_800), Price(5_200))
        self.matching.observe(MarketListed(self.now, MARKET))

    async def _listen(self) -> None:
        async for event in self.venue.events():
            self._told.append(event)

    def _show(self, bids: tuple[tuple[Price, Size], ...], asks: tuple[tuple[Price, Size], ...]) -> None:
        self.now = Nanos(self.now + SECOND)
        self.matching.observe(BookReset(self.now, "m", self.now, bids, asks))
        self.venue.wake()

    async def show(self, bid: int, ask: int) -> None:
        self._touch = (Price(bid), Price(ask))
        self._show(((Price(bid), sh(100)),), ((Price(ask), sh(100)),))

    async def sell_into(self, price: int, shares: int) -> None:
        bid, ask = self._touch
        self._show(((bid, sh(100)),), ((ask, sh(100)), (Price(price), sh(shares))))
        self._show(((bid, sh(100)),), ((ask, sh(100)),))

    async def settled(self) -> list[Event]:
        while True:
            await asyncio.sleep(0)
            due = self.matching.due()
            if due == NEVER:
                break
            self.now = max(self.now, due)
            self.venue.wake()
        for _ in range(5):
            await asyncio.sleep(0)
        told, self._told = self._told, []
        return told

    async def close(self) -> None:
        await self.venue.close()
        await self._task


class TestPaperVenue(VenueSuite):
    async def stage(self) -> Stage:
        stage = PaperStage()
        await stage.show(4_800, 5_200)
        return stage


class Film:
    """A feed of a few facts."""

    def __init__(self, facts: list[Event]) -> None:
        self.facts = facts
        self.closed = False

    async def events(self) -> AsyncIterator[Event]:
        for fact in self.facts:
            yield fact

    async def close(self) -> None:
        self.closed = True


async def test_the_exchange_sees_a_tapped_feed_first() -> None:
    stage = PaperStage()
    film = Film(
        [
            LinkUp(at(10), "market"),
            BookReset(at(20), "m", at(20), levels("48x100"), levels("52x100")),
            BookReset(at(900), "m", at(900), levels("48x100"), levels("50x10")),
        ]
    )
    tapped = stage.venue.tap(film)
    heard = []
    async for event in tapped.events():
        heard.append(event)
        if event.at == at(20):
            stage.now = at(20)
            await stage.venue.send(Place(1, "m", "YES", Side.BUY, Price(5_000), sh(10)))
    assert heard == film.facts
    told = await stage.settled()
    assert [(type(e), e.at) for e in told[:2]] == [(OrderAccepted, at(150)), (OrderFilled, at(900))]
    await tapped.close()
    assert film.closed
    await stage.close()


async def test_no_answer_before_its_time() -> None:
    stage = PaperStage()
    await stage.show(4_800, 5_200)
    await stage.venue.send(ORDER)
    start = stage.now
    due = stage.matching.due()
    stage.now = Nanos(due - 1)
    stage.venue.wake()
    for _ in range(5):
        await asyncio.sleep(0)
    assert stage._told == []
    (accepted,) = of(await stage.settled(), OrderAccepted)
    assert accepted.at == due == start + 130_000_000
    await stage.close()


async def test_a_wait_ends_by_itself_when_the_clock_has_passed_the_due_time() -> None:
    """Nobody wakes the venue here: its own timer does."""
    now = [at(0)]
    matching = Matching(knobs(placement_latency_ms=0.0, cancel_latency_ms=0.0, feed_latency_ms=0.0, answer_latency_ms=0.001), 1)
    matching.observe(MarketListed(at(0), MARKET))

    def clock() -> Nanos:
        now[0] = Nanos(now[0] + 400)
        return now[0]

    venue = PaperVenue(matching, clock)
    answers = venue.events()
    await venue.send(ORDER)
    assert isinstance(await anext(answers), OrderAccepted)
    await venue.send(CancelAll())
    assert (await anext(answers)).at >= at(0)
    await venue.close()
    assert [event async for event in answers] == []
