"""A production venue over the scripted CLOB in virtual time, with the few steps that most of its tests begin with."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from random import Random
from typing import Any

from pmm_tui.core.commands import Place
from pmm_tui.core.events import Event, MarketListed, OrderAccepted, OrderCancelled
from pmm_tui.core.market import Kind, Side
from pmm_tui.core.units import DOLLAR, SHARE, Cash, Price, Size
from pmm_tui.runtime import virtual
from pmm_tui.venues.clob.knobs import ClobKnobs
from pmm_tui.venues.clob.venue import ClobVenue
from tests.venues.scripted_clob import MARKET, START, ScriptedClob
from tests.venues.venue_suite import of


class Quiet:
    """A feed that tells what it is given, and then nothing."""

    def __init__(self, *facts: Event) -> None:
        self._facts = facts

    async def events(self) -> AsyncIterator[Event]:
        """The facts."""
        for fact in self._facts:
            yield fact

    async def close(self) -> None:
        """Nothing to close."""


class Stand:
    """A production venue over a scripted CLOB, in virtual time, and everything it told."""

    def __init__(
        self, clob: ScriptedClob | None = None, capital: float = 500, alive: Callable[[], bool] = lambda: True, **knobs: Any
    ) -> None:
        self.clob = clob or ScriptedClob()
        self.venue = ClobVenue(
            self.clob,
            ClobKnobs(**knobs),
            virtual.clock,
            Cash(round(capital * DOLLAR)),
            "ws://x/ws/user",
            Random(1),
            alive,
            self.clob.connect,
        )
        self.told: list[Event] = []
        self._task = asyncio.create_task(self._listen())

    async def _listen(self) -> None:
        async for event in self.venue.events():
            self.told.append(event)

    async def listed(self, *facts: Event) -> None:
        """Facts of a feed that the venue taps."""
        async for _ in self.venue.tap(Quiet(*facts)).events():
            pass

    async def after(self, seconds: float) -> list[Event]:
        """What is told in this time."""
        await asyncio.sleep(seconds)
        if self._task.done():
            self._task.result()
        told, self.told = self.told, []
        return told

    async def close(self) -> None:
        """End it."""
        await self.venue.close()
        await self._task


def timeless(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """An async test as one that runs in virtual time."""

    @functools.wraps(test)
    def run(*given: Any, **named: Any) -> None:
        virtual.run(test(*given, **named), START)

    return run


def timeless_suite(suite: type) -> type:
    """A suite, its tests in virtual time."""
    for name in dir(suite):
        if name.startswith("test_"):
            setattr(suite, name, timeless(getattr(suite, name)))
    return suite


def order(number: int, price: int = 4_900, shares: float = 10, side: Side = Side.BUY, kind: Kind = Kind.POST_ONLY) -> Place:
    """An order in YES."""
    return Place(number, MARKET.id, MARKET.yes, side, Price(price), Size(round(shares * SHARE)), kind)


async def opened(stand: Stand) -> Stand:
    """The venue once it is open."""
    await stand.listed(MarketListed(START, MARKET))
    await stand.after(3)
    return stand


async def placed(stand: Stand, *numbers: int) -> Stand:
    """Orders at 0.49, 0.48, ... that rest."""
    await opened(stand)
    for place, number in enumerate(numbers):
        await stand.venue.send(order(number, 4_900 - 100 * place))
    assert sorted(e.order for e in of(await stand.after(0.5), OrderAccepted)) == sorted(numbers)
    return stand


def ends(told: Iterable[Event]) -> list[tuple[int, int]]:
    """What ended, with what was matched of it."""
    return [(e.order, e.matched) for e in of(list(told), OrderCancelled)]
